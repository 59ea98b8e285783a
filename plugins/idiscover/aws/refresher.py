"""One refresh of a table: claim what is pending, call the procedures per unit of countries, pass the changes on.

Which slices are stale is found where it cannot be lost: for itg in the warehouse itself (winners that are not in place),
for dm in the marks that the refresh of its inputs left in the job metadata.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from idiscover.aws.archive import archive_applied_batches
from idiscover.aws.job_claims import (
    EVERY_SLICE,
    Claim,
    Mark,
    Statements,
    claim_of_run,
    finish_claim,
    marks_of_claim,
    record_calls,
    record_units,
    release_claim,
    take_claim,
)
from idiscover.aws.job_metadata import JobMetadata, open_job_metadata
from idiscover.aws.redshift import transaction
from idiscover.aws.s3 import Bucket
from idiscover.aws.step_log import write_status
from idiscover.errors import ConfigError, FatalError
from idiscover.metadata.loading import parse_table
from idiscover.plan.model import RefreshPlan, RunIdentity
from idiscover.warehouse.queries import stale_slices_sql
from idiscover.warehouse.statements import parse_statement

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

log = logging.getLogger(__name__)


def claim_slices(plan: RefreshPlan, run: RunIdentity) -> list[list[str]]:
    """Claims what is ready for the table, and finds which countries are stale.

    Returns:
        Units of country codes; the countries of a unit belong into one transaction. Empty where nothing was claimed, or
        nothing changed.

    Raises:
        ConfigError: the table's metadata file in S3 is wrong.
    """
    statements = current_statements(plan)
    with open_job_metadata(plan.context) as metadata:
        claim = take_claim(metadata, plan, run.run_id, statements)
        if claim is None:
            log.info("nothing is ready for %s", plan.table)
            return []
        if claim.state == "finished":
            log.info("claim %d of this run is finished", claim.claim_id)
            return []
        marks = marks_of_claim(metadata, claim.claim_id)
        with transaction(plan.context.secrets.redshift, plan.context.region) as cursor:
            units = _itg_units(cursor, plan) if plan.itg else _dm_units(cursor, plan, marks)
        record_units(metadata, claim.claim_id, units)
    log.info("claim %d of %s: order date %s, units %s", claim.claim_id, plan.table, claim.order_date, units)
    write_status(plan, run, "slices", {"claim_id": claim.claim_id, "as_of_date": claim.as_of_date, "units": units})
    return units


def call_unit(plan: RefreshPlan, run: RunIdentity, unit: Sequence[str]) -> dict[str, Any]:
    """Runs the table's statements for each country of `unit`, in one transaction.

    Returns:
        `calls` and `seconds`.

    Raises:
        RetriableError: the transaction lost against another, or the connection broke.
    """
    with open_job_metadata(plan.context) as metadata:
        claim = _open_claim(metadata, plan, run)
        calls: list[tuple[str, str, float]] = []
        with transaction(plan.context.secrets.redshift, plan.context.region) as cursor:
            for country in unit:
                for text in claim.statements:
                    started = time.monotonic()
                    sql, values = parse_statement(text).bind(country, claim.as_of_date, run.run_id)
                    log.info("%s with %s", sql, values)
                    cursor.execute(sql, values)
                    calls.append((country, text, time.monotonic() - started))
        record_calls(metadata, claim.claim_id, calls)
    return {"calls": len(calls), "seconds": round(sum(call[2] for call in calls), 3)}


def finish_refresh(plan: RefreshPlan, run: RunIdentity) -> dict[str, Any] | None:
    """Passes the changes on to the consumers and ends the claim; for itg, archives what is in place.

    Returns:
        `claim_id`, `order_date`, `units`, `changes`, `archived`; None where nothing was claimed.
    """
    with open_job_metadata(plan.context) as metadata:
        claim = claim_of_run(metadata, plan.table, run.run_id)
        if claim is None:
            return None
        if claim.state == "finished":
            return claim.result
        archived: list[str] = []
        if plan.itg:
            with transaction(plan.context.secrets.redshift, plan.context.region) as cursor:
                changes = _changes(cursor, plan)
            archived = archive_applied_batches(metadata, plan.context, plan.itg)
            marks = [mark for _, mark in changes]
        else:
            changes, marks = [], _marks_of_units(claim)
        result = {
            "claim_id": claim.claim_id,
            "order_date": claim.order_date.isoformat(),
            "units": claim.units or [],
            "changes": len(marks),
            "archived": archived,
        }
        finish_claim(metadata, claim, plan.consumers, marks, result)
        # only now: the marks stand, and a change that is passed on twice is one mark
        _delete_changes(plan, [change_id for change_id, _ in changes])
    write_status(plan, run, "end", result)
    return result


def fail_refresh(plan: RefreshPlan, run: RunIdentity) -> None:
    """Gives the claim of a failed run back, so that the next run takes it."""
    with open_job_metadata(plan.context) as metadata:
        release_claim(metadata, plan.table, run.run_id)


def current_statements(plan: RefreshPlan) -> Statements:
    """The statements as the table's file in S3 says now: an edit there changes the next run.

    Raises:
        ConfigError: the file is wrong, or describes another table.
    """
    bucket = Bucket(plan.context.buckets.data, plan.context.region)
    text, version = bucket.read_text_version(plan.metadata_key)
    spec = parse_table(text, bucket.uri(plan.metadata_key))
    if spec.table != plan.table:
        raise ConfigError(
            "the file describes another table",
            where=bucket.uri(plan.metadata_key),
            key="table",
            got=spec.table,
            expected=plan.table,
        )
    for statement in spec.statements:
        parse_statement(statement)
    return Statements(tuple(spec.statements), version)


def _itg_units(cursor: Cursor, plan: RefreshPlan) -> list[list[str]]:
    """One country each: the procedure's winners make any order of countries end the same."""
    assert plan.itg is not None
    cursor.execute(stale_slices_sql(plan.itg))
    return [[country] for (country,) in cursor.fetchall()]


def _dm_units(cursor: Cursor, plan: RefreshPlan, marks: Sequence[Mark]) -> list[list[str]]:
    everything = plan.uses_as_of_date or any(mark.country_code == EVERY_SLICE for mark in marks)
    countries = _every_slice(cursor, plan) if everything else set()
    return units_of_marks(marks, countries)


def units_of_marks(marks: Iterable[Mark], countries: Iterable[str] = ()) -> list[list[str]]:
    """Groups countries that a move joins, directly or over others; each country is in one unit.

    A reader must not see a lab in both countries or in neither, so both are replaced in one transaction.
    """
    group = {country: {country} for country in countries}
    for mark in marks:
        pair = {mark.country_code, mark.moved_from_country_code} - {None, EVERY_SLICE}
        merged = {str(code) for code in pair}.union(*(group.get(str(code), set()) for code in pair))
        for code in merged:
            group[code] = merged
    return [list(unit) for unit in sorted({tuple(sorted(members)) for members in group.values()})]


def _every_slice(cursor: Cursor, plan: RefreshPlan) -> set[str]:
    """All countries that the table or one of its inputs has."""
    found: set[str] = set()
    for table in (plan.table, *plan.inputs):
        column = "_country_code" if table.startswith("itg.") else "country_code"
        cursor.execute(f"select distinct {column} from {table}")
        found.update(country for (country,) in cursor.fetchall())
    return found


def _open_claim(metadata: JobMetadata, plan: RefreshPlan, run: RunIdentity) -> Claim:
    claim = claim_of_run(metadata, plan.table, run.run_id)
    if claim is None:
        raise FatalError(
            "the run's claim was given back or has lapsed",
            where=plan.table,
            got=run.run_id,
            remedy="clear the run from t1.slices with downstream, or let the next run take it",
        )
    return claim


def _changes(cursor: Cursor, plan: RefreshPlan) -> list[tuple[int, Mark]]:
    """What the procedures of this and of failed earlier runs have changed, and nobody has passed on."""
    cursor.execute(
        "select change_id, country_code, moved_from_country_code, run_id, changed_at_utc"
        f" from {plan.table}__changes order by change_id"
    )
    return [
        # an identity starts anew with its table; run and time keep the key its own
        (change_id, Mark(f"{change_id} {run_id} {changed_at.isoformat()}", country, moved_from))
        for change_id, country, moved_from, run_id, changed_at in cursor.fetchall()
    ]


def _delete_changes(plan: RefreshPlan, change_ids: Sequence[int]) -> None:
    if change_ids:
        with transaction(plan.context.secrets.redshift, plan.context.region) as cursor:
            cursor.execute(f"delete from {plan.table}__changes where change_id in %s", [tuple(change_ids)])


def _marks_of_units(claim: Claim) -> list[Mark]:
    """Every country that was replaced, tied to the first of its unit, so that the next table keeps them together."""
    return [
        Mark(f"claim {claim.claim_id} {country}", country, None if country == unit[0] else unit[0])
        for unit in claim.units or []
        for country in unit
    ]
