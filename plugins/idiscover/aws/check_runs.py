"""The declared checks of a table, run on what a refresh has just written, inside its transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg2.extensions import cursor as Cursor

from idiscover.aws.job_metadata import JobMetadata, open_job_metadata
from idiscover.aws.job_metadata_checks import CheckResult, failures_of_claim, record_results
from idiscover.aws.job_metadata_claims import Claim, claim_of_run
from idiscover.aws.postgres import database_errors
from idiscover.aws.redshift import run_transaction
from idiscover.errors import DataQualityError
from idiscover.metadata.models import RowCount, TableCheck
from idiscover.plan.model import RefreshPlan
from idiscover.warehouse.checks import Written, failing_sql, questions, rows_sql, sample_sql

log = logging.getLogger(__name__)

Calls = list[tuple[str, str, float]]  # country, statement, seconds

KEY_LENGTH = 200  # characters of a key that are told


class SlicesRefused(Exception):
    """A check with severity fail failed. Leaves the transaction, so that it is rolled back, and ends in
    `refusals_recorded`.

    Attributes:
        unit: the countries.
        results: of all checks.
    """

    def __init__(self, unit: Sequence[str], results: Sequence[CheckResult]) -> None:
        super().__init__()
        self.unit = unit
        self.results = results


def called_and_checked(
    metadata: JobMetadata,
    plan: RefreshPlan,
    claim: Claim,
    run_id: str,
    unit: Sequence[str],
    call: Callable[[Cursor], Calls],
) -> tuple[Calls, list[CheckResult]]:
    """Calls and checks in one transaction; what the checks said is recorded, whichever way it went.

    Killed before it is recorded, the unit is not booked as called: its next try calls and checks again.

    Args:
        metadata: the job metadata.
        plan: the table.
        claim: of the run.
        run_id: of the run.
        unit: the countries.
        call: runs the statements.

    Raises:
        DataQualityError: a check with severity fail failed; the slices are as they were.
        RetriableError, FatalError: see `redshift.run_transaction`.
    """

    def work(cursor: Cursor) -> tuple[Calls, list[CheckResult]]:
        before = rows_before(cursor, plan, unit)
        calls = call(cursor)
        found = Written(plan.table, plan.grain, tuple(unit), claim.as_of_date, run_id, before)
        return calls, run_checks(cursor, plan, found)

    with refusals_recorded(metadata, plan, claim, run_id):
        calls, results = run_transaction(plan.context.secrets.redshift, plan.context.region, work, of_one_moment=True)
    record_results(metadata, claim, run_id, unit, results)
    return calls, results


@contextmanager
def refusals_recorded(
    metadata: JobMetadata, plan: RefreshPlan, claim: Claim, run_id: str, also: str = ""
) -> Iterator[None]:
    """Stands around a transaction that asks `run_checks`: what they said outlives its rollback.

    Args:
        metadata: the job metadata.
        plan: the table.
        claim: of the run.
        run_id: of the run.
        also: a remedy of the caller's own.

    Raises:
        DataQualityError: a check with severity fail failed; nothing of the transaction was committed.
    """
    try:
        yield
    except SlicesRefused as refused:
        record_results(metadata, claim, run_id, refused.unit, refused.results)
        raise refusal(plan, refused.unit, refused.results, also) from None


def summary(results: Sequence[CheckResult]) -> dict[str, Any]:
    """For a step's document: how many passed, and the names of those that did not."""
    return {
        "passed": sum(not result.has_failed for result in results),
        "failed": [result.name for result in results if result.has_failed],
    }


def rows_before(cursor: Cursor, plan: RefreshPlan, unit: Sequence[str] | None = None) -> dict[str, int]:
    """Rows of each slice as they stand, if a check compares them; to be asked before anything is called.

    Of every slice that has any where no `unit` is named.

    What stands is the last good state: a slice whose checks failed was rolled back.
    """
    if not any(isinstance(check, RowCount) for check in plan.checks):
        return {}
    cursor.execute(rows_sql(plan.table, unit))
    return dict(cursor.fetchall())


def run_checks(cursor: Cursor, plan: RefreshPlan, found: Written) -> list[CheckResult]:
    """What each check says, in the order of the file.

    Raises:
        SlicesRefused: one failed whose severity is fail.
        RetriableError, FatalError: the database cannot run them.
    """
    if not plan.checks:
        return []
    with database_errors(_where(plan, found.countries), "checks"):
        counts: dict[str, int] = {}
        for question in questions(plan.checks, found):
            cursor.execute(question.sql)
            counts |= zip((check.label for check in question.checks), cursor.fetchone(), strict=True)
        results = [_result(cursor, check, found, counts[check.label]) for check in plan.checks]
    for result in results:
        if result.has_failed:
            log.warning("%s: check %s failed: %s\n%s", plan.table, result.name, told(result), result.query)
    if any(result.stops_the_slice for result in results):
        raise SlicesRefused(found.countries, results)
    return results


def _result(cursor: Cursor, check: TableCheck, found: Written, count: int) -> CheckResult:
    if count == 0:
        return CheckResult(check.label, check.kind, check.severity)
    cursor.execute(sample_sql(check, found))
    keys = tuple(_plain(key) for (key,) in cursor.fetchall())
    return CheckResult(check.label, check.kind, check.severity, count, keys, failing_sql(check, found))


def _plain(key: str | None) -> str:
    """A key on one line, and not longer than a person reads."""
    text = "null" if key is None else "".join(letter if letter.isprintable() else "?" for letter in key)
    return text if len(text) <= KEY_LENGTH else f"{text[:KEY_LENGTH]}…"


def refusal(plan: RefreshPlan, unit: Sequence[str], results: Sequence[CheckResult], also: str = "") -> DataQualityError:
    """What is told of slices that a check has refused: which check, how much breaks it, keys, and the query."""
    failed = [result for result in results if result.stops_the_slice]
    queries = [f"-- {result.name}\n{result.query}" for result in failed] if len(failed) > 1 else [failed[0].query]
    return DataQualityError(
        "a check of the data failed; the slices are as they were before this run",
        where=_where(plan, unit),
        key=", ".join(result.name for result in failed),
        got="\n".join(told(result) if len(failed) == 1 else f"{result.name}: {told(result)}" for result in failed),
        expected="no row of\n" + "\n\n".join(map(str, queries)),
        remedy="correct the records in the org, or the procedure; if the check asks for too much, correct it in"
        f" {plan.metadata_key}{also}",
    )


def warnings_of_run(plan: RefreshPlan, run_id: str) -> list[tuple[tuple[str, ...], CheckResult]]:
    """The checks with severity warn that failed in a run's refresh, each with its unit of countries."""
    with open_job_metadata(plan.context) as metadata:
        claim = claim_of_run(metadata, plan.table, run_id)
        failures = [] if claim is None else failures_of_claim(metadata, claim.claim_id)
    return [(countries, check) for countries, check in failures if not check.stops_the_slice]


def told(result: CheckResult) -> str:
    """How much breaks it, and the first keys."""
    more = "" if result.failing_count <= len(result.sample_keys) else "; the first: "
    return f"{result.failing_count:,} found{more or ': '}{', '.join(result.sample_keys)}"


def _where(plan: RefreshPlan, unit: Sequence[str]) -> str:
    return f"{plan.table}, {'country' if len(unit) == 1 else 'countries'} {', '.join(unit)}"
