"""Job metadata: what the checks of tables said, those of slices that were rolled back too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from idiscover.aws.job_metadata import JobMetadata
from idiscover.aws.job_metadata_claims import Claim

PASSED, FAILED = "passed", "failed"


@dataclass(frozen=True)
class CheckResult:
    """What one check said of the slices that were written in one transaction.

    `failing_count`: rows, keys or figures that break it. `sample_keys`: up to ten of them. `query`: what finds them;
    None where it passed.
    """

    name: str
    kind: str
    severity: str
    failing_count: int = 0
    sample_keys: tuple[str, ...] = ()
    query: str | None = None

    @property
    def has_failed(self) -> bool:
        """Whether anything breaks it."""
        return self.failing_count > 0

    @property
    def stops_the_slice(self) -> bool:
        """Whether the slice must not be committed."""
        return self.has_failed and self.severity == "fail"


@dataclass(frozen=True)
class StoredResult:
    """The newest result of a check of a table for one country."""

    table: str
    check: CheckResult
    country_code: str
    run_id: str
    order_date: date
    checked_at_utc: datetime


def record_results(
    metadata: JobMetadata, claim: Claim, run_id: str, unit: Sequence[str], results: Sequence[CheckResult]
) -> None:
    """Writes what the checks said of a unit of countries; over what an earlier try of the claim wrote of the same."""
    rows = [
        (
            *(claim.claim_id, claim.target, result.name, result.kind, result.severity),
            *(FAILED if result.has_failed else PASSED, run_id, claim.order_date, sorted(unit)),
            *(result.failing_count, list(result.sample_keys), result.query),
        )
        for result in results
    ]
    if not rows:
        return
    with metadata.transaction() as cursor:
        execute_values(
            cursor,
            "insert into job.check_result (claim_id, table_name, check_name, kind, severity, state, run_id, order_date,"
            " country_codes, failing_count, sample_keys, query) values %s"
            " on conflict (claim_id, country_codes, check_name) do update set severity = excluded.severity,"
            " state = excluded.state, failing_count = excluded.failing_count, sample_keys = excluded.sample_keys,"
            " query = excluded.query, checked_at_utc = now()",
            rows,
            template="(%s, %s, %s, %s, %s, %s, %s, %s, %s::text[], %s, %s::text[], %s)",
        )


def drop_old_results(metadata: JobMetadata, table: str, keep_days: int) -> int:
    """Deletes a table's results that are older, but for the newest of each check and country; how many."""
    with metadata.transaction() as cursor:
        cursor.execute(
            "delete from job.check_result as old where old.table_name = %s"
            " and old.checked_at_utc < now() - make_interval(days => %s)"
            # of a unit of several countries each has to have a newer one
            " and not exists (select from unnest(old.country_codes) as country_code where not exists ("
            "select from job.check_result as newer where newer.table_name = old.table_name"
            " and newer.check_name = old.check_name and country_code = any(newer.country_codes)"
            " and (newer.checked_at_utc, newer.claim_id) > (old.checked_at_utc, old.claim_id)))",
            [table, keep_days],
        )
        return int(cursor.rowcount)


def drop_refusals(metadata: JobMetadata, claim: Claim, runs: str) -> None:
    """Deletes what failed in runs before this claim, of those whose run_ids begin so.

    This one has gone through, perhaps without a check or a country of theirs, of which it says nothing: their word
    would be the newest for ever.
    """
    with metadata.transaction() as cursor:
        cursor.execute(
            "delete from job.check_result where table_name = %s and claim_id < %s and state = %s"
            " and starts_with(run_id, %s)",
            [claim.target, claim.claim_id, FAILED, runs],
        )


def failures_of_claim(metadata: JobMetadata, claim_id: int) -> list[tuple[tuple[str, ...], CheckResult]]:
    """The checks that failed in a claim, each with its countries; in the order of their names."""
    with metadata.transaction() as cursor:
        cursor.execute(
            "select country_codes, check_name, kind, severity, failing_count, sample_keys, query from job.check_result"
            " where claim_id = %s and state = %s order by check_name, country_codes",
            [claim_id, FAILED],
        )
        return [(tuple(row[0]), CheckResult(*row[1:5], tuple(row[5]), row[6])) for row in cursor.fetchall()]


def results_of_claim(metadata: JobMetadata, claim_id: int) -> list[StoredResult]:
    """What the checks of a claim said, by country, without keys and queries; times UTC, naive."""
    with metadata.transaction() as cursor:
        cursor.execute(
            "select table_name, check_name, kind, severity, failing_count, country_code, run_id, order_date,"
            " checked_at_utc from job.check_result cross join unnest(country_codes) as country_code"
            " where claim_id = %s order by check_name, country_code",
            [claim_id],
        )
        return [
            StoredResult(row[0], CheckResult(*row[1:5]), *row[5:8], row[8].astimezone(UTC).replace(tzinfo=None))
            for row in cursor.fetchall()
        ]


def tables_failed_since(metadata: JobMetadata, since: datetime) -> set[str]:
    """Tables of which a check has failed since then, though it may have passed again."""
    with metadata.transaction() as cursor:
        cursor.execute(
            "select distinct table_name from job.check_result where state = %s and checked_at_utc >= %s",
            [FAILED, since],
        )
        return {table for (table,) in cursor.fetchall()}


def newest_failures(metadata: JobMetadata) -> list[StoredResult]:
    """See `newest_failures_seen_by`."""
    with metadata.transaction() as cursor:
        return newest_failures_seen_by(cursor)


def newest_failures_seen_by(cursor: Cursor) -> list[StoredResult]:
    """Of each check of each table and each country the newest result, if that says that it failed.

    A check that is not declared any more, and a country that has gone, keep their last word: whoever asks knows which
    checks there are.
    """
    # what has failed at any time first: results are kept for months, and most of them passed
    cursor.execute(
        "select newest.table_name, newest.check_name, kind, severity, failing_count, sample_keys, query, country_code,"
        " run_id, order_date, checked_at_utc from (select distinct table_name, check_name, country_code"
        " from job.check_result cross join unnest(country_codes) as country_code where state = %s) as once"
        " cross join lateral (select * from job.check_result as result where result.table_name = once.table_name"
        " and result.check_name = once.check_name and once.country_code = any(result.country_codes)"
        " order by result.checked_at_utc desc, result.claim_id desc limit 1) as newest where state = %s"
        " order by 1, 2, 8",
        [FAILED, FAILED],
    )
    return [
        StoredResult(
            row[0], CheckResult(*row[1:5], tuple(row[5]), row[6]), row[7], row[8], row[9], row[10].astimezone(UTC)
        )
        for row in cursor.fetchall()
    ]
