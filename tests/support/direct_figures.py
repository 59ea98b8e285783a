"""What a direct chain holds against what the oracle says, and how much work it has done so far."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date

from local.salesforce.request_log import LoggedRead
from tests import oracle
from tests.support.aws_platform import aws_client, run_statement
from tests.support.direct_chain import DirectChain

_TELLING_SECONDS = 12
OUTCOMES = ("inserted", "updated", "unchanged", "superseded", "removed")


def differences(chain: DirectChain) -> list[oracle.Difference]:
    """Between every itg and dm table of the chain and the oracle, for the reads that were loaded.

    A table is compared as of the newest order date that a refresh of it was for.
    """
    as_of = dict(chain.stack.job("select target, max(as_of_date) from job.claim where state = 'finished' group by 1"))
    sights = list(oracle.look_at_state(chain.stack.org.state_dir, _loaded_reads(chain)))
    found: list[oracle.Difference] = []
    for day in sorted(set(as_of.values())):
        tables = [table for table in chain.tables if as_of.get(table) == day]
        expected = oracle.compute_tables(sights, day)
        wanted = {name: rows for name, rows in expected.items() if _belongs_to(name, tables)}
        missing = [table for table in tables if table not in expected]
        assert not missing, f"the oracle does not know {missing}"
        found += oracle.compare(wanted, {name: chain.stack.rows(name) for name in wanted}, oracle.EXEMPT_COLUMNS)
    return found


def _belongs_to(name: str, tables: Iterable[str]) -> bool:
    """Whether `name` is one of the tables, or the history of one."""
    return name in tables or name.removesuffix("__history") in tables


def _loaded_reads(chain: DirectChain) -> list[LoggedRead]:
    """The reads whose rows or Ids are in a loaded batch."""
    jobs: set[str] = set()
    for (batch_id,) in chain.stack.job("select batch_id from job.batch where state <> 'pending'"):
        manifest = chain.manifests[batch_id]
        jobs.update(manifest.job_ids, manifest.ids.job_ids if manifest.ids else ())
    return [read for read in chain.stack.org.reads() if read.job_id is not None and read.job_id in jobs]


@dataclass(frozen=True)
class Work:
    """Sums since the chain's first day; subtract two to see what lay between."""

    api_calls: int
    query_jobs: int
    batches: int
    rows_extracted: int
    bytes_extracted: int
    refreshes: Counter[tuple[str, date]]  # finished, per table and order date
    calls: Counter[str]  # statements that were run, per table
    ids: Counter[str]  # what the itg procedures did with Ids, per outcome
    rows_written: int  # in tables of itg and dm, by whatever statement
    rows_read: int  # from tables of stg, itg and dm, by scans and by indexes

    def __sub__(self, other: Work) -> Work:
        return Work(**{field.name: getattr(self, field.name) - getattr(other, field.name) for field in fields(self)})


def work(chain: DirectChain) -> Work:
    """All that was done so far."""
    [(batches, rows, size)] = chain.stack.job(
        "select count(*), coalesce(sum(rows), 0)::bigint, coalesce(sum(bytes), 0)::bigint from job.batch"
    )
    refreshes = chain.stack.job(
        "select target, order_date, count(*) from job.claim where state = 'finished' group by 1, 2"
    )
    calls = chain.stack.job("select target, count(*) from job.claim_call join job.claim using (claim_id) group by 1")
    written, read = _touched(chain)
    return Work(
        api_calls=chain.stack.org.api_calls(),
        query_jobs=sum(1 for read in chain.stack.org.reads() if read.job_id),
        batches=batches,
        rows_extracted=rows,
        bytes_extracted=size,
        refreshes=Counter({(table, day): count for table, day, count in refreshes}),
        calls=Counter(dict(calls)),
        ids=_ids(chain),
        rows_written=written,
        rows_read=read,
    )


def settled_work(chain: DirectChain) -> Work:
    """All that was done so far, once every session has told of its rows: at its end, or idle within ten seconds."""
    if chain.kept is not None:
        chain.kept.close()
    since = time.monotonic()
    while _are_sessions_left(chain) and time.monotonic() - since < _TELLING_SECONDS:
        time.sleep(0.05)
    return work(chain)


def _are_sessions_left(chain: DirectChain) -> bool:
    """Of the warehouse, besides the one that asks."""
    [(left,)] = run_statement(
        chain.stack.postgres_dsn,
        "select count(*) from pg_stat_activity"
        " where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()",
        (),
    )
    return bool(left)


def _ids(chain: DirectChain) -> Counter[str]:
    sums = ", ".join(f"coalesce(sum({outcome}), 0)" for outcome in OUTCOMES)
    found: Counter[str] = Counter()
    for table in chain.tables:
        if table.startswith("itg."):
            [counts] = chain.stack.warehouse(f"select {sums} from {table}__load_audit")
            found.update({outcome: int(count) for outcome, count in zip(OUTCOMES, counts, strict=True)})
    return found


def _touched(chain: DirectChain) -> tuple[int, int]:
    """Rows written to itg and dm, and read from all three schemas, as PostgreSQL's own statistics have it."""
    [(written, read)] = run_statement(
        chain.stack.postgres_dsn,
        "select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del) filter (where schemaname <> 'stg'), 0)::bigint,"
        " coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::bigint"
        " from pg_stat_user_tables where schemaname in ('stg', 'itg', 'dm')",
        (),
    )
    return written, read


def fingerprint(chain: DirectChain) -> dict[str, str]:
    """All that the stores hold, system columns too, but for what only tells of tries: status documents and step logs.

    Returns:
        A checksum per table of the warehouse and of the job metadata, and per object of the bucket.
    """
    found: dict[str, str] = {}
    for dsn, schemas in ((chain.stack.postgres_dsn, ("stg", "itg", "dm")), (chain.stack.job_dsn, ("job",))):
        tables = run_statement(
            dsn,
            "select quote_ident(schemaname) || '.' || quote_ident(tablename) from pg_tables where schemaname in %s",
            (schemas,),
        )
        for (table,) in tables:
            if table != "job.step_log":
                [(checksum,)] = run_statement(
                    dsn, f"select md5(coalesce(string_agg(t::text, '|' order by t::text), '')) from {table} as t", ()
                )
                found[table] = checksum
    s3, name = aws_client(chain.stack.aws_endpoint, "s3"), chain.stack.context.buckets.data
    for key in chain.bucket.list(""):
        if not key.startswith("status/"):
            found[key] = s3.head_object(Bucket=name, Key=key)["ETag"]
    return found
