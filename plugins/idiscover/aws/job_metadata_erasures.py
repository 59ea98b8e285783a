"""Job metadata: which records were erased, and where an erasure stands. Ids are known by their keyed hashes only."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence

from idiscover.aws.job_metadata import JobMetadata

RUNNING, DONE = "running", "done"


def begin_erasure(metadata: JobMetadata, hashes: Collection[str], requested_by: str, reason: str | None) -> None:
    """A row per record; one that is there already, done or not, runs again and keeps who asked first."""
    with metadata.transaction() as cursor:
        for key_hash in sorted(hashes):
            cursor.execute(
                "insert into job.erasure (key_hash, requested_by, reason, state) values (%s, %s, %s, %s)"
                " on conflict (key_hash) do update set state = excluded.state, ended_at_utc = null",
                [key_hash, requested_by, reason, RUNNING],
            )


def erased_hashes(metadata: JobMetadata) -> tuple[str, ...]:
    """Of every record that was, or is being, erased; sorted."""
    with metadata.transaction() as cursor:
        cursor.execute("select key_hash from job.erasure order by key_hash")
        return tuple(key_hash for (key_hash,) in cursor.fetchall())


def touch_objects(metadata: JobMetadata, hashes: Collection[str], objects: Collection[str]) -> set[str]:
    """Notes which objects the erasure is about to change; all that it is at, those of a try that was killed too."""
    with metadata.transaction() as cursor:
        for column in ("objects", "unfinished"):
            cursor.execute(
                f"update job.erasure set {column} = (select coalesce(array_agg(distinct name order by name), '{{}}')"
                f" from unnest({column} || %s::text[]) as name) where key_hash = any(%s)",
                [sorted(objects), sorted(hashes)],
            )
        cursor.execute("select distinct unnest(unfinished) from job.erasure where key_hash = any(%s)", [sorted(hashes)])
        return {name for (name,) in cursor.fetchall()}


def count_erased(metadata: JobMetadata, hashes: Collection[str], counts: Mapping[str, int]) -> None:
    """Adds to what the record says was found, by layer; each record of a call has the sums of the call."""
    with metadata.transaction() as cursor:
        cursor.execute("select key_hash, counts from job.erasure where key_hash = any(%s) for update", [sorted(hashes)])
        for key_hash, known in cursor.fetchall():
            sums = {name: known.get(name, 0) + counts.get(name, 0) for name in {*known, *counts}}
            cursor.execute("update job.erasure set counts = %s where key_hash = %s", [json.dumps(sums), key_hash])


def end_erasure(metadata: JobMetadata, hashes: Collection[str]) -> None:
    """Nothing is left of the records."""
    with metadata.transaction() as cursor:
        cursor.execute(
            "update job.erasure set state = %s, unfinished = '{}', ended_at_utc = now() where key_hash = any(%s)",
            [DONE, sorted(hashes)],
        )


def running_extractions(metadata: JobMetadata) -> list[tuple[str, str, str]]:
    """Object, run_id and end of the lock, as text, of the extractions that may be reading now."""
    with metadata.transaction() as cursor:
        cursor.execute(
            "select object, run_id, to_char(lock_expires_at_utc at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')"
            " from job.run_window where lock_expires_at_utc > now() order by object, run_id"
        )
        return cursor.fetchall()


def tables_with(metadata: JobMetadata, texts: Sequence[str]) -> dict[str, int]:
    """How many rows of each table of schema `job` hold one of `texts` anywhere; tables without are left out."""
    found: dict[str, int] = {}
    with metadata.transaction() as cursor:
        cursor.execute("select tablename from pg_tables where schemaname = 'job' order by tablename")
        for (table,) in cursor.fetchall():
            conditions = " or ".join(["strpos(cast(one as text), %s) > 0"] * len(texts))
            cursor.execute(f'select count(*) from job."{table}" as one where {conditions}', list(texts))
            count = cursor.fetchone()[0]
            if count:
                found[f"job.{table}"] = count
    return found


def redact_steps(metadata: JobMetadata, texts: Sequence[str], instead: str) -> int:
    """What steps and checks said of `texts`, they say of `instead`; how many rows were changed."""
    changed = 0
    with metadata.transaction() as cursor:
        for text in texts:
            cursor.execute(
                "update job.check_result set sample_keys = array(select replace(sample.key, %s, %s)"
                " from unnest(sample_keys) with ordinality as sample(key, position) order by sample.position)"
                " where strpos(cast(sample_keys as text), %s) > 0",
                [text, instead, text],
            )
            changed += cursor.rowcount
            cursor.execute(
                "update job.step_log set document = cast(replace(cast(document as text), %s, %s) as jsonb)"
                " where strpos(cast(document as text), %s) > 0",
                [text, instead, text],
            )
            changed += cursor.rowcount
    return changed
