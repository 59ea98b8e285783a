"""The ledger of changes of tables: `stg.table_migration`, beside that of loads. Its DDL, and its statements. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

TABLE = "stg.table_migration"
LONGEST_STATEMENTS_BYTES = 65535

LEDGER = """\
-- stg.table_migration: what has changed tables of stg, itg and dm, in order. grain: entry. Only appended to; an entry
-- that is no transaction is completed when its last statement has run.
-- version: the number of the file in sql/migrations; null of one that a deploy or publish_dags has made by itself.
-- state: running until all statements have run, then applied; baseline where they did not have to run here; abandoned
-- where they were begun, and no release wants them any more.
-- done: how many statements have run. applied_by: who deployed, as user@host.
-- On every node: a few rows per release, read as a whole; sorted as it is read.
create table if not exists stg.table_migration (
    entry bigint not null,
    version integer,
    name varchar(256) not null,
    kind varchar(16) not null,
    state varchar(16) not null,
    checksum varchar(64) not null,
    statements varchar(65535) not null,
    done integer not null,
    applied_at_utc timestamp not null,
    applied_by varchar(256) not null,
    "release" varchar(64) not null
)
diststyle all
sortkey (entry);"""

READ_SQL = (
    'select entry, version, name, kind, state, checksum, statements, done, applied_at_utc, applied_by, "release"'
    " from stg.table_migration order by entry"
)
INSERT_SQL = (
    "insert into stg.table_migration (entry, version, name, kind, state, checksum, statements, done, applied_at_utc,"
    ' applied_by, "release")'
    " select coalesce(max(entry), 0) + 1, %(version)s, %(name)s, %(kind)s, %(state)s, %(checksum)s, %(statements)s,"
    " %(done)s, getdate(), %(applied_by)s, %(release)s from stg.table_migration"
)
PROGRESS_SQL = (
    "update stg.table_migration set done = %(done)s, state = %(state)s, checksum = %(checksum)s,"
    " statements = %(statements)s, applied_at_utc = getdate() where name = %(name)s and state = 'running'"
)


class EntryKind(StrEnum):
    """Who wrote the statements of an entry."""

    BASELINE = "baseline"  # nobody: from here on the ledger knows
    AUTOMATIC = "automatic"  # a deploy, from the difference between tables and release
    TAKEN_UP = "taken up"  # publish_dags, for fields that are new in the org
    FILE = "file"  # a person, in sql/migrations


class EntryState(StrEnum):
    """How far an entry is."""

    RUNNING = "running"
    APPLIED = "applied"
    BASELINE = "baseline"
    ABANDONED = "abandoned"


@dataclass(frozen=True)
class Entry:
    """One row; the attributes are the columns."""

    entry: int
    version: int | None
    name: str
    kind: EntryKind
    state: EntryState
    checksum: str
    statements: str
    done: int
    applied_at_utc: datetime
    applied_by: str
    release: str


def entries_of(rows: Iterable[tuple[object, ...]]) -> list[Entry]:
    """From rows of `READ_SQL`."""
    found: list[Entry] = []
    for entry, version, name, kind, state, *rest in rows:
        found.append(Entry(entry, version, name, EntryKind(kind), EntryState(state), *rest))  # type: ignore[arg-type]
    return found


def new_entry(
    name: str,
    kind: EntryKind,
    statements: Iterable[str],
    *,
    checksum: str,
    by: str,
    release: str,
    version: int | None = None,
    state: EntryState = EntryState.APPLIED,
) -> Mapping[str, object]:
    """Parameters of `INSERT_SQL`. Of statements that are longer than a column the beginning is kept."""
    texts = list(statements)
    joined = ";\n".join(text.removesuffix(";") for text in texts)
    kept = joined.encode()[:LONGEST_STATEMENTS_BYTES].decode(errors="ignore")
    return {
        "version": version,
        "name": name[:256],
        "kind": kind.value,
        "state": state.value,
        "checksum": checksum,
        "statements": kept,
        "done": 0 if state is EntryState.RUNNING else len(texts),
        "applied_by": by[:256],
        "release": release[:64],
    }
