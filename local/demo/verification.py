"""Every hop of one day counted anew, each figure at its own place; nothing is taken from what the runs said.

The one exception is what only the run could see, the rows it parsed: those come from the batch's manifest.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from idiscover.lake.keys import status_key
from idiscover.lake.manifest import BatchFile, BatchManifest, IdRead
from idiscover.metadata.models import Family
from idiscover.plan.model import BatchContent, ExtractionRequest
from idiscover.salesforce.bulk import read_job
from idiscover.salesforce.counting import count_records

from local.demo.stand import Stand

Figure = int | Decimal | None
_MEASURES = ("eligible_patients", "tested_patients", "positive_patients")


@dataclass(frozen=True)
class Hop:
    """One comparison: the same quantity, counted at several places."""

    what: str
    figures: dict[str, Figure]  # place → count

    @property
    def agrees(self) -> bool:
        """Whether all places say the same; nothing counted is no agreement."""
        return bool(self.figures) and None not in self.figures.values() and len(set(self.figures.values())) == 1


def verify_day(stand: Stand, order_date: date) -> list[Hop]:
    """All hops of the day, in the order of the data."""
    return [*_batches(stand, order_date), *_current_state(stand), *_marts(stand)]


def _batches(stand: Stand, order_date: date) -> Iterator[Hop]:
    rows = stand.job_metadata(
        "select object, batch_id, run_id, manifest_key from job.batch"
        " where order_date = %s and run_kind = 'scheduled' order by object",
        [order_date],
    )
    found = {row[0] for row in rows}
    for missing in sorted(set(stand.catalog.objects) - found):
        yield Hop(f"batch of {missing}", {"registered batches": 0, "expected": 1})
    for object_name, batch_id, run_id, manifest_key in rows:
        manifest = BatchManifest.model_validate_json(stand.bucket.read_text(manifest_key))
        dag_id = f"{Family.SFDC_TO_S3.value}__{object_name}"
        request = ExtractionRequest.model_validate_json(stand.bucket.read_text(status_key(dag_id, run_id, "request")))
        place = f"files in {manifest_key.split('/')[0]}/"
        yield Hop(f"batch {batch_id}", _row_figures(stand, request, manifest, place))
        if manifest.ids is not None:
            yield Hop(f"Ids of {batch_id}", _id_figures(stand, request, manifest.batch_id, manifest.ids, place))


def _row_figures(stand: Stand, request: ExtractionRequest, manifest: BatchManifest, place: str) -> dict[str, Figure]:
    nothing_asked = not manifest.job_ids and not manifest.files
    in_files, gone = _rows_in_files(stand, manifest.files), manifest.counts.gone
    return {
        "COUNT() now": 0 if nothing_asked else count_records(stand.salesforce, request),
        "job": _job_rows(stand, manifest),
        "parsed": manifest.counts.parsed_rows,
        place: in_files + gone,
        "COPYed": _in_ledger(stand, "rows", manifest.batch_id, in_files, gone),
    }


def _id_figures(stand: Stand, request: ExtractionRequest, batch_id: str, ids: IdRead, place: str) -> dict[str, Figure]:
    in_files, gone = _rows_in_files(stand, ids.files), ids.counts.gone
    return {
        "COUNT() now": count_records(stand.salesforce, request, BatchContent.IDS),
        "job": _job_rows(stand, ids),
        "parsed": ids.counts.parsed_rows,
        place: in_files + gone,
        "COPYed": _in_ledger(stand, "ids", batch_id, in_files, gone),
    }


def _job_rows(stand: Stand, read: BatchManifest | IdRead) -> int:
    """As Salesforce tells them now; REST has no jobs to be asked after."""
    if not read.job_ids:
        return read.counts.job_rows
    return sum(read_job(stand.salesforce, job_id).rows for job_id in read.job_ids)


def _rows_in_files(stand: Stand, files: Iterable[BatchFile]) -> int:
    return sum(rows_in_file(stand.bucket.open_reader(file.key)) for file in files)


def _in_ledger(stand: Stand, column: str, batch_id: str, in_files: int, gone: int) -> Figure:
    """What COPY brought of a batch, and what was left out of it; one without rows needs none, and has no entry."""
    copied = stand.warehouse(f'select "{column}" from stg.batch_load where batch_id = %s', [batch_id])
    if not copied:
        return gone if not in_files else None
    return int(copied[0][0]) + gone


def rows_in_file(stream: Any) -> int:
    """Records of a gzip'd csv file with one header line, counted by Python's own csv reader."""
    with gzip.open(stream) as raw, io.TextIOWrapper(raw, encoding="utf-8", newline="") as text:
        return sum(1 for _ in csv.reader(text)) - 1


def _current_state(stand: Stand) -> Iterator[Hop]:
    for name, spec in sorted(stand.catalog.objects.items()):
        condition = " where not is_deleted" if spec.has_is_deleted else ""
        in_itg = stand.warehouse(f"select count(*) from itg.{name}{condition}")[0][0]
        in_org = stand.salesforce.count(f"SELECT COUNT() FROM {spec.salesforce_object}")
        yield Hop(f"itg.{name} without the deleted", {"org's COUNT() now": in_org, "itg": in_itg})


def _marts(stand: Stand) -> Iterator[Hop]:
    yield from _rows_kept(stand)
    yield from _sums(stand)


def _rows_kept(stand: Stand) -> Iterator[Hop]:
    """Tables of dm that have a row for each row of their source, or for each that is not deleted."""
    for name, table in sorted(stand.catalog.tables.items()):
        if table.source is None or table.source.keeps == "some":
            continue
        of_live = table.source.keeps == "live"
        rows = stand.warehouse(f"select count(*) from {table.source.table}{' where not is_deleted' if of_live else ''}")
        kept = stand.warehouse(f"select count(*) from {name}")
        figures: dict[str, Figure] = {
            f"{table.source.table}{' without the deleted' if of_live else ' and one unknown'}": rows[0][0]
            + (not of_live),
            name: kept[0][0],
        }
        yield Hop(f"rows of {name}", figures)


def _sums(stand: Stand) -> Iterator[Hop]:
    sums = ", ".join(f"coalesce(sum({name}), 0)" for name in _MEASURES)
    itg = _per_country(
        stand,
        f"select _country_code, {sums} from itg.testing_volume where not is_deleted group by _country_code",
    )
    dm = _per_country(stand, f"select country_code, {sums} from dm.dm_testing_uptake group by country_code")
    for country in sorted({*itg, *dm}):
        for position, name in enumerate(_MEASURES):
            figures: dict[str, Figure] = {
                "itg.testing_volume": _at(itg, country, position),
                "dm.dm_testing_uptake": _at(dm, country, position),
            }
            yield Hop(f"{country} {name}", figures)


def _per_country(stand: Stand, sql: str) -> dict[str, tuple[Any, ...]]:
    return {row[0]: row[1:] for row in stand.warehouse(sql)}


def _at(sums: dict[str, tuple[Any, ...]], country: str, position: int) -> Figure:
    return sums[country][position] if country in sums else None
