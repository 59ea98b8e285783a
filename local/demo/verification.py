"""Every hop of one day counted anew, each figure at its own place; nothing is taken from what the runs said.

The one exception is what only the run could see, the rows it parsed: those come from the batch's manifest.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from idiscover.lake.keys import status_key
from idiscover.lake.manifest import BatchManifest
from idiscover.metadata.models import Family
from idiscover.plan.model import ExtractionRequest
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
        yield Hop(f"batch {batch_id}", _batch_figures(stand, object_name, batch_id, run_id, manifest_key))


def _batch_figures(stand: Stand, object_name: str, batch_id: str, run_id: str, manifest_key: str) -> dict[str, Figure]:
    manifest = BatchManifest.model_validate_json(stand.bucket.read_text(manifest_key))
    dag_id = f"{Family.SFDC_TO_S3.value}__{object_name}"
    request = ExtractionRequest.model_validate_json(stand.bucket.read_text(status_key(dag_id, run_id, "request")))
    copied = stand.warehouse('select "rows" from stg.batch_load where batch_id = %s', [batch_id])
    in_files = sum(rows_in_file(stand.bucket.open_reader(file.key)) for file in manifest.files)
    return {
        "COUNT() now": 0 if request.window.is_empty else count_records(stand.salesforce, request),
        "job": 0 if manifest.job_id is None else read_job(stand.salesforce, manifest.job_id).rows,
        "parsed": manifest.counts.parsed_rows,
        f"files in {manifest_key.split('/')[0]}/": in_files,
        "COPYed": copied[0][0] if copied else (0 if not in_files else None),
    }


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
