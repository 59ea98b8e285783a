"""One refresh of a table: claim what is pending, call the procedures per unit of countries, pass the changes on.

Which slices are stale is found where it cannot be lost: for itg in the warehouse itself (winners that are not in
place), for dm in the marks that the refresh of its inputs left in the job metadata. A call may be repeated at will, so
a task that is killed anywhere is run again, by its own retry or, once its claim has lapsed, by the table's next run.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg2.extensions import cursor as Cursor

from idiscover.aws.archive import archive_applied_batches
from idiscover.aws.check_runs import called_and_checked, summary
from idiscover.aws.job_metadata import JobMetadata, open_job_metadata
from idiscover.aws.job_metadata_arrivals import Mark
from idiscover.aws.job_metadata_checks import drop_old_results
from idiscover.aws.job_metadata_claims import (
    Claim,
    Statements,
    claim_of_run,
    countries_called,
    finish_claim,
    marks_of_claim,
    pending_marks,
    record_calls,
    record_units,
    release_claim,
    renewed_claim,
    take_claim,
    take_claim_of_slices,
)
from idiscover.aws.job_metadata_steps import SKIPPED
from idiscover.aws.postgres import database_errors
from idiscover.aws.redshift import run_transaction
from idiscover.aws.release_record import require_released
from idiscover.aws.s3 import Bucket, utf8
from idiscover.aws.shown_checks import show_check_results
from idiscover.aws.slices import dm_units, itg_units, marks_of_units, units_of_countries
from idiscover.aws.step_log import logged_step
from idiscover.errors import DETAILS, ConfigError, FatalError, IdiscoverError, NextRunError, RetriableError
from idiscover.metadata.loading import parse_table
from idiscover.metadata.statements import parse_call
from idiscover.plan.model import RefreshPlan, RunIdentity
from idiscover.warehouse.statements import parse_statement

log = logging.getLogger(__name__)

_MOST_NAMED = 10  # units that failed beside the one whose error is raised
_OUTCOMES = ("inserted", "updated", "unchanged", "superseded", "removed")


def claim_slices(plan: RefreshPlan, run: RunIdentity) -> list[list[str]]:
    """Claims what is ready for the table, and finds which countries are stale; or claims the slices that the run names.

    Returns:
        Units of country codes; the countries of a unit belong into one transaction. Empty where nothing was claimed, or
        nothing changed. A retry gets the units of the first try.

    A faulty edit of the table's metadata file stops nothing: the run goes by the statements that were published last,
    and its log and its status document (`refused_edit`) say so.
    """
    with logged_step(plan, run, "slices") as document:
        statements = current_statements(plan)
        if statements.fault is not None:
            document["refused_edit"] = statements.fault
        with open_job_metadata(plan.context) as metadata:
            take = take_claim_of_slices if run.countries else take_claim
            claim = take(metadata, plan, run.run_id, statements)
            if claim is None or claim.is_finished:
                state = "nothing is ready" if claim is None else f"claim {claim.claim_id} of this run is finished"
                log.info("%s: %s", plan.table, state)
                document["claimed"] = state
                return []
            units = claim.units if claim.units is not None else _new_units(metadata, plan, run, claim)
        log.info("claim %d of %s: order date %s, units %s", claim.claim_id, plan.table, claim.order_date, units)
        document |= {
            "claim_id": claim.claim_id,
            "run_kind": claim.run_kind.value,
            "order_date": claim.order_date,
            "as_of_date": claim.as_of_date,
            "metadata_version": claim.statements.metadata_version,
            "statements": claim.statements.texts,
            "units": units,
        }
    return units


def call_units(plan: RefreshPlan, run: RunIdentity, units: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Calls several units one after the other; those that an earlier try of this claim has called are left out.

    A unit that fails leaves the others alone: they are called all the same, and its error is raised after them.

    Returns:
        `calls` and `seconds` of this try.

    Raises:
        What `call_unit` raises. Of several errors, one that no retry mends comes before one that a retry may mend; it
        names the units that failed beside its own.
    """
    with open_job_metadata(plan.context) as metadata:
        claim = claim_of_run(metadata, plan.table, run.run_id)
        called = countries_called(metadata, claim.claim_id) if claim is not None else set()
    done: list[dict[str, Any]] = []
    errors: dict[str, Exception] = {}
    for unit in units:
        if called.issuperset(unit):
            log.info("%s: %s was called by an earlier try", plan.table, ", ".join(unit))
            continue
        try:
            done.append(call_unit(plan, run, unit))
        except Exception as error:
            log.exception("%s: %s failed; the other countries are called all the same", plan.table, ", ".join(unit))
            errors[", ".join(unit)] = error
    if claim is not None and not claim.is_finished:  # of a run that was cleared, newer ones have been shown since
        show_check_results(plan, claim, {country for unit in units for country in unit})
    if errors:
        raise _gravest(errors)
    return {"calls": sum(unit["calls"] for unit in done), "seconds": round(sum(unit["seconds"] for unit in done), 3)}


def _gravest(errors: Mapping[str, Exception]) -> Exception:
    """Of the errors by unit, the one that is raised; what became of the other units stands in it."""
    name = next((name for name, error in errors.items() if _is_final(error)), next(iter(errors)))
    error = errors[name]
    others = [f"{unit} ({_what(other)})" for unit, other in errors.items() if unit != name]
    if not others:
        return error
    more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
    told = f"failed too: {'; '.join(others[:_MOST_NAMED])}{more}"
    if not isinstance(error, IdiscoverError):
        error.add_note(told)
        return error
    details = {detail: getattr(error, detail) for detail in DETAILS}
    details["got"] = told if error.got is None else f"{error.got}; {told}"
    return type(error)(error.what, **details).with_traceback(error.__traceback__)


def _what(error: Exception) -> str:
    return error.what if isinstance(error, IdiscoverError) else type(error).__name__


def _is_final(error: Exception) -> bool:
    """Whether another try would meet the same cause."""
    return isinstance(error, IdiscoverError) and not isinstance(error, RetriableError)


def call_unit(plan: RefreshPlan, run: RunIdentity, unit: Sequence[str]) -> dict[str, Any]:
    """Runs the table's statements for each country of `unit`, in one transaction.

    Killed before the commit, nothing has happened; after it, the calls are made again and change nothing. In a run that
    is finished, where a person has cleared this task alone, nothing is called.

    Returns:
        `calls` and `seconds`.

    Raises:
        RetriableError: the transaction lost against another, or the connection broke.
        DataQualityError: a procedure raised an exception; names table, country and statement. Or a check failed whose
            severity is fail; then the slices are as they were.
        NextRunError: the claim is not this run's any more.
        FatalError: the database refuses a statement.
    """
    with logged_step(plan, run, f"call_{'_'.join(unit)}") as document:
        with open_job_metadata(plan.context) as metadata:
            claim = renewed_claim(metadata, plan.table, run.run_id)
            if claim is None and _is_finished(metadata, plan, run):
                log.info("the claim of this run is finished: nothing to call")
                document |= {"state": SKIPPED, "calls": 0, "seconds": 0.0}
                return document
            if claim is None:
                raise NextRunError(
                    "the run's claim was given back or has lapsed",
                    where=plan.table,
                    got=run.run_id,
                    remedy="clear the run from t1.slices with downstream, or let the next run take it",
                )
            calls, results = called_and_checked(
                *(metadata, plan, claim, run.run_id, unit),
                lambda cursor: call_statements(cursor, claim, run.run_id, unit),
            )
            record_calls(metadata, claim.claim_id, calls)
        document |= {"calls": len(calls), "seconds": round(sum(call[2] for call in calls), 3)}
        document["checks"] = summary(results)
    return document


def finish_refresh(plan: RefreshPlan, run: RunIdentity) -> dict[str, Any] | None:
    """Passes the changes on to the consumers and ends the claim; for itg, archives what is in place.

    The changes of itg are deleted last, when the marks that come of them stand: killed in between, the next refresh
    finds them again, and a change that is passed on twice is one mark.

    Returns:
        `claim_id`, `order_date`, `units`, `changes` and, for itg, `ids` (by outcome) and `archived`; None where nothing
        was claimed, or the claim has lapsed and another run has it.

    Raises:
        NextRunError: a country of the claim was never called, because somebody marked a task as success.
    """
    with logged_step(plan, run, "end") as document:
        with open_job_metadata(plan.context) as metadata:
            claim = claim_of_run(metadata, plan.table, run.run_id)
            if claim is None:
                document["state"] = SKIPPED
                return None
            if claim.is_finished:
                document |= claim.result or {}
                return claim.result
            _require_all_called(metadata, claim)
            changes = _changes(plan)
            marks = [mark for _, mark in changes] if plan.itg else marks_of_units(claim)
            result = _result(metadata, plan, run, claim, len(marks))
            if not finish_claim(metadata, claim, plan.consumers, marks, result):
                log.warning(
                    "claim %d of %s has lapsed: who has it now passes the changes on", claim.claim_id, plan.table
                )
                document["state"] = SKIPPED
                return None
            drop_old_results(metadata, plan.table, plan.context.checks.keep_results_days)
        _delete_changes(plan, [change_id for change_id, _ in changes])
        document |= result
    return result


def fail_refresh(plan: RefreshPlan, run: RunIdentity) -> None:
    """Gives the claim of a failed run back, so that the next run takes it. A finished claim stays finished."""
    with open_job_metadata(plan.context) as metadata:
        release_claim(metadata, plan.table, run.run_id)


def current_statements(plan: RefreshPlan) -> Statements:
    """The statements as the table's file in S3 says now: an edit there changes the next run.

    A file that is missing or wrong changes nothing: the statements are those of the plan, the last that were published,
    and their `fault` says what is wrong.
    """
    bucket = Bucket(plan.context.buckets.data, plan.context.region)
    where = bucket.uri(plan.metadata_key)
    try:
        content, version = bucket.read_bytes_version(plan.metadata_key)
    except FatalError as error:  # there is no such file
        return _published(plan, error)
    try:
        found = _statements(plan, utf8(content, where), where)
        require_released(bucket, [statement for statement in found if statement not in plan.statements], where)
        return Statements(found, version)
    except ConfigError as error:
        return _published(plan, error)


def _published(plan: RefreshPlan, fault: IdiscoverError) -> Statements:
    version = plan.header.metadata_versions.get(plan.metadata_key.removeprefix("metadata/"), "as compiled")
    log.warning("an edit is refused, the statements are those that were published last: %s", fault)
    return Statements(tuple(plan.statements), version, str(fault))


def _statements(plan: RefreshPlan, text: str, where: str) -> tuple[str, ...]:
    """The statements of a table file.

    Raises:
        ConfigError: the file is wrong, or describes another table.
    """
    spec = parse_table(text, where)
    if spec.table != plan.table:
        raise ConfigError(
            "the file describes another table", where=where, key="table", got=spec.table, expected=plan.table
        )
    schema = plan.table.split(".")[0]
    for statement in spec.statements:
        parse_statement(statement)
        if parse_call(statement).schema != schema:
            raise ConfigError(
                "a statement calls a procedure of another schema",
                where=where,
                key="statements",
                got=statement,
                expected=f"a procedure of schema {schema}",
                remedy="a procedure lies in the schema it writes to",
            )
    return tuple(spec.statements)


def _is_finished(metadata: JobMetadata, plan: RefreshPlan, run: RunIdentity) -> bool:
    claim = claim_of_run(metadata, plan.table, run.run_id)
    return claim is not None and claim.is_finished


def _require_all_called(metadata: JobMetadata, claim: Claim) -> None:
    missing = {country for unit in claim.units or [] for country in unit} - countries_called(metadata, claim.claim_id)
    if missing:
        raise NextRunError(
            "countries of this claim were not called",
            where=claim.target,
            got=f"no call of {sorted(missing)}",
            expected="a call of each country of the claim",
            remedy="clear the run from t1.slices with downstream, or let the next run take it",
        )


def _new_units(metadata: JobMetadata, plan: RefreshPlan, run: RunIdentity, claim: Claim) -> list[list[str]]:
    marks = pending_marks(metadata, plan.table) if run.countries else marks_of_claim(metadata, claim.claim_id)
    units = find_units(plan, run, claim, marks)
    record_units(metadata, claim.claim_id, units)
    return units


def find_units(plan: RefreshPlan, run: RunIdentity, claim: Claim, marks: Sequence[Mark]) -> list[list[str]]:
    """The units of countries that a run with this claim calls: those that it names, or those that are stale."""

    def find(cursor: Cursor) -> list[list[str]]:
        if run.countries:
            return units_of_countries(cursor, plan, run.countries, marks)
        return itg_units(cursor, plan.itg) if plan.itg else dm_units(cursor, plan, claim, marks)

    return run_transaction(plan.context.secrets.redshift, plan.context.region, find)


def call_statements(cursor: Cursor, claim: Claim, run_id: str, unit: Sequence[str]) -> list[tuple[str, str, float]]:
    """Runs the claim's statements for each country of `unit`; country, statement and seconds of each call."""
    calls: list[tuple[str, str, float]] = []
    for country in unit:
        for text in claim.statements.texts:
            sql, values = parse_statement(text).bind(country, claim.as_of_date, run_id)
            log.info("%s with %s", sql, values)
            started = time.monotonic()
            with database_errors(f"{claim.target}, country {country}", text):
                cursor.execute(sql, values)
            calls.append((country, text, time.monotonic() - started))
    return calls


def _result(metadata: JobMetadata, plan: RefreshPlan, run: RunIdentity, claim: Claim, changes: int) -> dict[str, Any]:
    result: dict[str, Any] = {
        "claim_id": claim.claim_id,
        "order_date": claim.order_date.isoformat(),
        "units": claim.units or [],
        "changes": changes,
    }
    if plan.itg:
        result["ids"] = run_transaction(
            plan.context.secrets.redshift, plan.context.region, lambda cursor: _ids(cursor, plan.table, run.run_id)
        )
        result["archived"] = archive_applied_batches(metadata, plan.context, plan.itg)
    return result


def _ids(cursor: Cursor, table: str, run_id: str) -> dict[str, int]:
    """What became of the Ids that the run's calls looked at."""
    sums = ", ".join(f"coalesce(sum({outcome}), 0)" for outcome in _OUTCOMES)
    cursor.execute(f"select {sums} from {table}__load_audit where run_id = %s", [run_id])
    return {outcome: int(count) for outcome, count in zip(_OUTCOMES, cursor.fetchone(), strict=True)}


def _changes(plan: RefreshPlan) -> list[tuple[int, Mark]]:
    """What the procedures of this run and of failed earlier ones have changed, and nobody has passed on; itg only."""
    if plan.itg is None:
        return []
    rows = run_transaction(
        plan.context.secrets.redshift, plan.context.region, lambda cursor: _read_changes(cursor, plan.table)
    )
    return [
        # an identity starts anew with its table; run and time keep the key its own
        (change_id, Mark(f"{change_id} {run_id} {changed_at.isoformat()}", country, moved_from))
        for change_id, country, moved_from, run_id, changed_at in rows
    ]


def _read_changes(cursor: Cursor, table: str) -> list[tuple[Any, ...]]:
    cursor.execute(
        "select change_id, country_code, moved_from_country_code, run_id, changed_at_utc"
        f" from {table}__changes order by change_id"
    )
    return cursor.fetchall()


def _delete_changes(plan: RefreshPlan, change_ids: Sequence[int]) -> None:
    if change_ids:
        run_transaction(
            plan.context.secrets.redshift,
            plan.context.region,
            lambda cursor: cursor.execute(
                f"delete from {plan.table}__changes where change_id in %s", [tuple(change_ids)]
            ),
        )
