"""Rebuild: itg.<object> and its history made anew from archive/, in one transaction, so that nobody sees a hole.

The batches of archive/ come to stg from where they lie; those that wait there stay. Then the table's rows are deleted,
and the table's procedure is called for each country, as in any refresh: what itg holds is a function of the batches.
The table's checks are asked before the commit, of all countries at once; where one with severity fail does, the table
stays as it was.
Killed before the commit, nothing has happened; after it, a row `*` in itg.<object>__changes makes the next refresh, or
the rebuild that is said again, mark every slice of every table that is computed from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from psycopg2.extensions import cursor as Cursor

from idiscover.aws.batch_manifests import read_manifest
from idiscover.aws.check_runs import refusals_recorded, rows_before, run_checks, told
from idiscover.aws.erasure_guard import Guard
from idiscover.aws.job_metadata import open_job_metadata
from idiscover.aws.job_metadata_arrivals import EVERY_SLICE
from idiscover.aws.job_metadata_batches import ARCHIVED, FILES, PENDING, BatchRow, batches
from idiscover.aws.job_metadata_checks import CheckResult, drop_refusals, record_results
from idiscover.aws.job_metadata_claims import record_calls, record_units
from idiscover.aws.loader import copy_ids, copy_rows, insert_into_ledger, require_equal, staged
from idiscover.aws.redshift import transaction
from idiscover.aws.refresher import call_statements, finish_refresh
from idiscover.aws.replay import require_todays_columns
from idiscover.aws.s3 import Bucket
from idiscover.aws.shown_checks import show_check_results
from idiscover.aws.table_alone import Alone, Tell, alone_with_table
from idiscover.errors import ConfigError, DataQualityError, RetriableError
from idiscover.lake.keys import archive_prefix, manifest_key
from idiscover.lake.manifest import BatchManifest
from idiscover.metadata.models import RowCount
from idiscover.plan.model import ItgPlan, LoadPlan, RefreshPlan
from idiscover.warehouse.checks import Written
from idiscover.warehouse.queries import stale_slices_sql

Calls = list[tuple[str, str, float]]


@dataclass(frozen=True)
class Made:
    """What a rebuild has written: its calls, and what the checks said of `unit`, all countries before and after."""

    calls: Calls
    unit: tuple[str, ...]
    results: Sequence[CheckResult]


@dataclass(frozen=True)
class Work:
    """What a rebuild is about. `manifests` are those of all archived batches."""

    plan: RefreshPlan
    itg: ItgPlan
    load: LoadPlan
    manifests: Sequence[BatchManifest]

    @property
    def rows(self) -> int:
        """Rows of all archived batches."""
        return sum(manifest.rows for manifest in self.manifests)

    @property
    def batch_ids(self) -> tuple[str, ...]:
        """Of the archived batches; never empty, for IN."""
        return tuple(manifest.batch_id for manifest in self.manifests) or ("",)


def work_of(plan: RefreshPlan, load: LoadPlan) -> Work:
    """What a rebuild would read.

    Args:
        plan: of the refresh of itg.<object>.
        load: of the object's load.

    Raises:
        ConfigError: there is no batch in archive/, or one has other columns than stg has today.
        RetriableError: batches that were replayed are not loaded yet.
    """
    assert plan.itg is not None  # only tables of itg have an object
    bucket = Bucket(plan.context.buckets.data, plan.context.region)
    with open_job_metadata(plan.context) as metadata:
        archived = batches(metadata, load.object, ARCHIVED)
        _require_all_there(load, archived, batches(metadata, load.object, PENDING))
    manifests = [read_manifest(bucket, row.manifest_key) for row in archived]
    require_todays_columns(load, manifests)
    return Work(plan, plan.itg, load, manifests)


def _require_all_there(load: LoadPlan, archived: Sequence[BatchRow], pending: Sequence[BatchRow]) -> None:
    """The table is emptied and made of the archive: what has left the archive for a replay would be a hole in it."""
    if replayed := [row.batch_id for row in pending if row.replays]:
        raise RetriableError(
            "replayed batches are not loaded yet, and a table made without them would lack their records",
            where=load.table,
            got=", ".join(replayed[:5]) + (f" and {len(replayed) - 5} more" if len(replayed) > 5 else ""),
            remedy=f"let {load.header.dag_id} load them first: idiscover run {load.table}",
        )
    if not archived:
        raise ConfigError(
            "the object has no batch in archive/: nothing would be left of its table",
            where=load.table,
            expected="archived batches in job.batch",
            remedy=f"read the records anew: idiscover resync {load.object}",
        )


def without_row_counts(plan: RefreshPlan) -> RefreshPlan:
    """The plan for a table whose rows, as they stand, are what is wrong: nothing is compared with their number."""
    return plan.model_copy(update={"checks": tuple(check for check in plan.checks if not isinstance(check, RowCount))})


def rebuild(plan: RefreshPlan, load: LoadPlan, tell: Tell) -> dict[str, Any]:
    """Makes the table anew.

    Args:
        plan: of the refresh of itg.<object>; its checks are asked.
        load: of the object's load.
        tell: is given a line per step, as it is done, and per check with severity warn that failed.

    Returns:
        `batches` and `rows` that were read, `countries`, and what `finish_refresh` returns.

    Raises:
        ConfigError: there is no batch in archive/, or one has other columns than stg has today.
        DataQualityError: files and manifests differ, something is left to write, or a check failed; the table is as it
            was.
        RetriableError: replayed batches are not loaded yet, or the transaction lost against another; the table is as it
            was.
        NextRunError: the claim was lost to another run; the table is as it was.
    """
    with alone_with_table(plan, "rebuild", tell) as alone:
        with alone.metadata.exclusive(FILES, load.object):
            work = _guarded(work_of(plan, load), alone, tell)
            tell(f"{plan.table}: {len(work.manifests)} batches of archive/ with {work.rows:,} rows")
            secrets, run_id = plan.context.secrets, alone.run.run_id
            with (
                refusals_recorded(alone.metadata, plan, alone.claim, run_id, _also(load)),
                transaction(secrets.redshift, plan.context.region, of_one_moment=True) as cursor,
            ):
                made = _make_anew(cursor, work, alone, tell)
        tell(f"{plan.table}: committed")
        _tell_warnings(plan, made, tell)
        record_results(alone.metadata, alone.claim, run_id, made.unit, made.results)
        drop_refusals(alone.metadata, alone.claim, run_id.rpartition("__")[0])
        show_check_results(plan, alone.claim, made.unit)
        record_units(alone.metadata, alone.claim.claim_id, sorted({(call[0],) for call in made.calls}))
        record_calls(alone.metadata, alone.claim.claim_id, made.calls)
        result = finish_refresh(plan, alone.run) or {}
    return {
        "batches": len(work.manifests),
        "rows": work.rows,
        "countries": sorted({call[0] for call in made.calls}),
        **result,
    }


def _also(load: LoadPlan) -> str:
    """What helps against a check that takes the rows which stand for good ones, beside what helps in a refresh."""
    return (
        "; if it compares with rows that stand there now, and they are what is wrong:"
        f" idiscover rebuild {load.object} --rows-may-differ"
    )


def _tell_warnings(plan: RefreshPlan, made: Made, tell: Tell) -> None:
    for result in made.results:
        if result.has_failed:
            tell(f"{plan.table}: check {result.name} failed, which is a warning: {told(result)}")


def _guarded(work: Work, alone: Alone, tell: Tell) -> Work:
    """Without records that were erased, and have come back to the archive."""
    load = work.load
    guard = Guard(alone.metadata, work.plan.context, tell)
    manifests = [
        guard.clean(manifest, manifest_key(archive_prefix(load.object, manifest.batch_id)), load.key)
        for manifest in work.manifests
    ]
    return replace(work, manifests=manifests)


def _make_anew(cursor: Cursor, work: Work, alone: Alone, tell: Tell) -> Made:
    """All of it; the caller's transaction holds it or nothing."""
    plan, itg, history = work.plan, work.plan.table, f"{work.plan.table}__history"
    cursor.execute(f"lock {work.load.table}")  # as a load does: nothing comes to stg meanwhile
    _stage(cursor, work, alone, tell)
    before = rows_before(cursor, plan)
    cursor.execute(f"delete from {itg}")
    tell(f"{itg}: {cursor.rowcount:,} rows deleted, unseen by others")
    if work.itg.history:
        cursor.execute(f"delete from {history}")
    # what was changed and not passed on yet is part of every slice
    cursor.execute(f"delete from {itg}__changes")
    cursor.execute(
        f"insert into {itg}__changes (country_code, run_id, changed_at_utc) values (%s, %s, getdate())",
        [EVERY_SLICE, alone.run.run_id],
    )
    countries = _stale(cursor, work.itg)
    calls: Calls = []
    for number, country in enumerate(countries, start=1):
        alone.require()
        calls += call_statements(cursor, alone.claim, alone.run.run_id, [country])
        tell(f"{itg}: {country}, {number} of {len(countries)} countries")
    _require_nothing_left(cursor, work, history)
    cursor.execute(f"delete from {work.load.table} where _batch_id in %s", [work.batch_ids])
    unit = tuple(sorted({*countries, *before}))
    found = Written(plan.table, plan.grain, unit, alone.claim.as_of_date, alone.run.run_id, before)
    results = run_checks(cursor, plan, found) if unit else []
    cursor.execute(f"analyze {plan.table}")
    alone.require()
    return Made(calls, unit, results)


def _stage(cursor: Cursor, work: Work, alone: Alone, tell: Tell) -> None:
    """stg holds all archived batches as the archive has them, and the ledger knows them."""
    load, manifests = work.load, work.manifests
    bucket = Bucket(work.plan.context.buckets.data, work.plan.context.region)
    cursor.execute(f"delete from {load.table} where _batch_id in %s", [work.batch_ids])
    copied = copy_rows(load, alone.run, bucket, cursor, manifests, in_source=False)
    tell(f"{load.table}: {copied:,} rows copied from {sum(len(manifest.files) for manifest in manifests)} files")
    found = staged(cursor, load.table, work.batch_ids)
    for manifest in manifests:
        numbers = {"manifest": manifest.rows, "stg": found.get(manifest.batch_id, 0)}
        require_equal(manifest.batch_id, numbers, "compare the batch's files in archive/ with its manifest")
    _stage_newest_read(cursor, work, alone, bucket)


def _stage_newest_read(cursor: Cursor, work: Work, alone: Alone, bucket: Bucket) -> None:
    """The ledger has every archived batch; of the newest read of every Id, if archived, the Ids come anew."""
    cursor.execute("select batch_id from stg.batch_load where object = %s", [work.load.object])
    ledger = {batch_id for (batch_id,) in cursor.fetchall()}
    newest = max((m for m in work.manifests if m.absence_at_utc), key=_read_order, default=None)
    for manifest in work.manifests:
        if manifest.batch_id not in ledger and manifest.rows + (manifest.id_count or 0) > 0:
            insert_into_ledger(cursor, manifest.model_copy(update={"absence_at_utc": None}), alone.run.run_id)
    if newest is None:
        return
    cursor.execute("delete from stg.batch_load where batch_id = %s", [newest.batch_id])
    insert_into_ledger(cursor, newest, alone.run.run_id)
    copied = copy_ids(work.load, alone.run, bucket, cursor, [newest], in_source=False)
    require_equal(
        f"Ids of {newest.batch_id}",
        {"manifest": newest.id_count or 0, "stg": copied},
        "compare the batch's files in archive/ with its manifest",
    )


def _read_order(manifest: BatchManifest) -> tuple[Any, str]:
    return manifest.absence_at_utc, manifest.batch_id


def _stale(cursor: Cursor, itg: ItgPlan) -> list[str]:
    cursor.execute(stale_slices_sql(itg))
    return [country for (country,) in cursor.fetchall()]


def _require_nothing_left(cursor: Cursor, work: Work, history: str) -> None:
    left = _stale(cursor, work.itg)
    if left:
        raise DataQualityError(
            "a rebuild leaves something to write; the table is as it was",
            where=work.plan.table,
            got=f"stale: {', '.join(left)}",
            expected="no stale country",
            remedy="does the table's metadata file call its procedure for :country_code?",
        )
    if work.itg.history:
        numbers: dict[str, int] = {}
        for place, table in (("stg", work.load.table), ("history", history)):
            cursor.execute(f"select count(*) from {table}")
            numbers[place] = cursor.fetchone()[0]
        require_equal(history, numbers, "see which versions of stg the history lacks")
