"""Brings standing tables to those of a release, and keeps the ledger of it: `stg.table_migration`.

In this order: files of `sql/migrations`, then what is altered by itself, then tables that are new, with the rest of the
release. Whoever changes tables holds a lock in the job metadata, so that two deploys, or a deploy and `publish_dags`,
take turns; it goes with the connection of whoever dies. A file is one transaction with its entry. What Redshift refuses
inside one (ALTER COLUMN) has an entry that says how far it is, and the next deploy goes on from there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256

from psycopg2.extensions import cursor as Cursor

from idiscover.aws.analyst_views import ensure_role, fill_entitlement, view_changes
from idiscover.aws.job_metadata import JobMetadata
from idiscover.aws.redshift import run_transaction, statements_alone, transaction
from idiscover.errors import ConfigError
from idiscover.metadata.entitlement import Entitlement
from idiscover.metadata.models import Context
from idiscover.warehouse.history_fills import HistoryFill
from idiscover.warehouse.migration_files import MigrationFile
from idiscover.warehouse.migration_ledger import (
    INSERT_SQL,
    LEDGER,
    PROGRESS_SQL,
    READ_SQL,
    TABLE,
    Entry,
    EntryKind,
    EntryState,
    entries_of,
    new_entry,
)
from idiscover.warehouse.migration_plan import PLAN_COMMAND, MigrationPlan, described, plan_migrations
from idiscover.warehouse.release import SCHEMAS, ReleaseStatement
from idiscover.warehouse.table_changes import ChangeKind, TableChange
from idiscover.warehouse.table_shapes import STANDING_SQL, TableShape, shapes_of, standing_shapes
from idiscover.warehouse.views import views_on

log = logging.getLogger(__name__)

_LOCK = "tables"  # for `JobMetadata.exclusive`: who changes tables of the warehouse is alone
_LONGEST_ALTER_SECONDS = 120  # an ALTER waits for whoever is at the table, and others wait behind it


@dataclass(frozen=True)
class ReleaseSql:
    """What a release has for the warehouse.

    Attributes:
        statements: of the whole release, in order.
        files: migrations.
        released: statements of the release before; None where none has been recorded.
        by: who releases.
        sha: of the code, which names the release.
        entitlements: who may see which country. Not among the statements, which are recorded in the bucket.
    """

    statements: Sequence[ReleaseStatement]
    files: Sequence[MigrationFile]
    released: Sequence[ReleaseStatement] | None
    by: str
    sha: str
    entitlements: Sequence[Entitlement] = ()

    def wanted(self) -> dict[str, TableShape]:
        """The tables of the release."""
        return shapes_of(statement.sql for statement in self.statements)

    def before(self) -> dict[str, TableShape] | None:
        """The tables of the release before."""
        return None if self.released is None else shapes_of(statement.sql for statement in self.released)


@contextmanager
def tables_alone(metadata: JobMetadata) -> Iterator[None]:
    """Nobody else changes tables of the warehouse meanwhile.

    Raises:
        RetriableError: somebody has been at it for too long.
    """
    with metadata.exclusive(_LOCK, "one at a time"):
        yield


def planned_from_record(sql: ReleaseSql) -> MigrationPlan | None:
    """What a release would do if the warehouse is as the last one has left it; None if none was recorded.

    Knows nothing of the ledger: files that wait are not among it. For those who have no login.
    """
    before = sql.before()
    if before is None:
        return None
    plan = plan_migrations((), (), before, sql.wanted(), before)
    return MigrationPlan(False, False, tuple(sql.files), {}, (), plan.changes, plan.fills)


def read_plan(context: Context, sql: ReleaseSql) -> MigrationPlan:
    """What a release would do to the warehouse as it stands. Reads, and nothing else.

    Raises:
        ConfigError: as `plan_migrations`, or the warehouse refuses the login.
        RetriableError: the warehouse does not answer.
    """
    with transaction(context.secrets.redshift, context.region) as cursor:
        standing = standing_tables(cursor)
        entries = _entries(cursor) if TABLE in standing else []
    return plan_migrations(sql.files, entries, standing, sql.wanted(), sql.before())


def read_ledger(context: Context) -> list[Entry]:
    """All entries, in order; none where there is no ledger yet.

    Raises:
        RetriableError: the warehouse does not answer.
    """
    with transaction(context.secrets.redshift, context.region) as cursor:
        return _entries(cursor) if TABLE in standing_tables(cursor) else []


def write_entry(cursor: Cursor, entry: Mapping[str, object]) -> None:
    """One more row, in the caller's transaction; the ledger is made if need be. The caller is inside `tables_alone`."""
    cursor.execute(LEDGER)
    cursor.execute(INSERT_SQL, entry)


def checksum(statements: Sequence[str]) -> str:
    """Of the statements of an entry that no file has."""
    return sha256(";\n".join(statements).encode()).hexdigest()


class Migrator:
    """One release on its way to one warehouse; its caller is inside `tables_alone`."""

    def __init__(self, context: Context, sql: ReleaseSql) -> None:
        self._context, self._sql = context, sql
        self._secret, self._region = context.secrets.redshift, context.region

    def run(self) -> Iterator[str]:
        """Yields a line for each thing, once it is done. Run again, it goes on where it was ended.

        Raises:
            ConfigError: see `plan_migrations` and `MigrationPlan.require_covered`; nothing was changed then. Or a file
                has not done what its header says.
            RetriableError: somebody is at a table, or the connection broke; try again.
            FatalError, DataQualityError: the warehouse refuses a statement.
        """
        plan = read_plan(self._context, self._sql)
        plan.require_covered()
        if not plan.is_new:
            if plan.needs_baseline:
                self._note_baseline("standing tables, from before this ledger", [])
                yield f"ledger {TABLE}: begun"
            for file in plan.pending:
                self._apply_file(file, plan.running.get(file.name))
                yield f"migration {file.name}: applied, {len(file.statements)} statements"
            plan = read_plan(self._context, self._sql)
            self._require_done(plan)
            yield from self._alter(plan)
        yield self._release(plan)
        for fill in plan.fills:
            self._complete(fill)
            yield f"filled: {fill.described}"

    def _require_done(self, plan: MigrationPlan) -> None:
        if plan.uncovered:
            raise ConfigError(
                "tables are still other than the release wants",
                where="Redshift",
                got="; ".join(described(change) for change in plan.uncovered),
                expected="that the migrations of this release have changed them; they are applied, and stay",
                remedy=f"write what is missing into the next file: {PLAN_COMMAND} --draft NAME; then deploy again",
            )

    def _note_baseline(self, name: str, statements: Sequence[str], files: Sequence[MigrationFile] = ()) -> None:
        with transaction(self._secret, self._region) as cursor:
            self._baseline(cursor, name, statements, files)

    def _baseline(self, cursor: Cursor, name: str, statements: Sequence[str], files: Sequence[MigrationFile]) -> None:
        entry = self._entry(name, EntryKind.BASELINE, statements, state=EntryState.BASELINE)
        write_entry(cursor, entry)
        for file in files:
            write_entry(cursor, self._file_entry(file, EntryState.BASELINE))

    def _entry(
        self, name: str, kind: EntryKind, statements: Sequence[str], state: EntryState = EntryState.APPLIED
    ) -> Mapping[str, object]:
        return new_entry(
            name, kind, statements, checksum=checksum(statements), by=self._sql.by, release=self._sql.sha, state=state
        )

    def _file_entry(self, file: MigrationFile, state: EntryState) -> Mapping[str, object]:
        return new_entry(
            file.name, EntryKind.FILE, file.statements, checksum=file.checksum, by=self._sql.by, release=self._sql.sha,
            version=file.version, state=state,
        )  # fmt: skip

    def _apply_file(self, file: MigrationFile, begun: Entry | None) -> None:
        if file.in_transaction and begun is None:
            with transaction(self._secret, self._region) as cursor:
                for statement in file.statements:
                    cursor.execute(statement)
                write_entry(cursor, self._file_entry(file, EntryState.APPLIED))
            return
        if begun is None:
            with transaction(self._secret, self._region) as cursor:
                write_entry(cursor, self._file_entry(file, EntryState.RUNNING))
        with statements_alone(self._secret, self._region) as cursor:
            for number in range(begun.done if begun else 0, len(file.statements)):
                cursor.execute(file.statements[number])
                self._progress(cursor, file, number + 1)

    def _progress(self, cursor: Cursor, file: MigrationFile, done: int) -> None:
        state = EntryState.APPLIED if done == len(file.statements) else EntryState.RUNNING
        cursor.execute(PROGRESS_SQL, {**self._file_entry(file, state), "done": done})

    def _alter(self, plan: MigrationPlan) -> Iterator[str]:
        """Columns that are new, a table at a time; then longer ones, each by itself."""
        self._end_begun(plan)
        added: dict[str, list[TableChange]] = {}
        for change in plan.automatic:
            if change.kind is ChangeKind.ADD_COLUMN:
                added.setdefault(change.table, []).append(change)
        for table, changes in added.items():
            self._add_columns(table, changes)
            yield from (f"by itself: {described(change)}" for change in changes)
        for change in plan.automatic:
            if change.kind is ChangeKind.WIDEN_COLUMN:
                self._widen(change, _widening(change) in plan.running)
                yield f"by itself: {described(change)}"

    def _add_columns(self, table: str, changes: Sequence[TableChange]) -> None:
        def work(cursor: Cursor) -> None:
            cursor.execute("set statement_timeout to %s", [_LONGEST_ALTER_SECONDS * 1000])
            columns = standing_tables(cursor)[table].columns
            missing = [change for change in changes if change.column not in columns]  # all, but after a lost answer
            for change in missing:
                cursor.execute(change.sql)
            if missing:
                name = f"{table}: add {', '.join(change.column for change in missing)}"
                write_entry(cursor, self._entry(name, EntryKind.AUTOMATIC, [change.sql for change in missing]))

        run_transaction(self._secret, self._region, work)

    def _widen(self, change: TableChange, is_begun: bool) -> None:
        entry = self._entry(_widening(change), EntryKind.AUTOMATIC, [change.sql], EntryState.RUNNING)
        if not is_begun:
            with transaction(self._secret, self._region) as cursor:
                write_entry(cursor, entry)
        with statements_alone(self._secret, self._region) as cursor:
            cursor.execute("set statement_timeout to %s", [_LONGEST_ALTER_SECONDS * 1000])
            if change.table.startswith("dm."):  # no column of a view can grow; the release makes it anew
                cursor.execute(f"drop view if exists {', '.join(views_on(change.table))}")
            cursor.execute(change.sql)
            cursor.execute(PROGRESS_SQL, {**entry, "state": EntryState.APPLIED, "done": 1})

    def _end_begun(self, plan: MigrationPlan) -> None:
        """Of longer columns that were begun and are not wanted any more: they had come through, or a roll-back came."""
        wanted = {_widening(change) for change in plan.automatic if change.kind is ChangeKind.WIDEN_COLUMN}
        for name, entry in plan.running.items():
            if entry.kind is not EntryKind.AUTOMATIC or name in wanted:
                continue
            table, column, types = name.split(": ")
            with transaction(self._secret, self._region) as cursor:
                shape = standing_tables(cursor).get(table)
                standing = shape.columns.get(column) if shape is not None else None  # a file may have renamed it
                is_done = standing is not None and standing.type == types.partition(" → ")[2]
                values = self._entry(name, EntryKind.AUTOMATIC, [entry.statements], EntryState.RUNNING)
                state = EntryState.APPLIED if is_done else EntryState.ABANDONED
                cursor.execute(PROGRESS_SQL, {**values, "state": state, "done": int(is_done)})

    def _release(self, plan: MigrationPlan) -> str:
        """All statements of the release, and the entries of tables that are new, in one transaction."""
        new = [change for change in plan.automatic if change.kind is ChangeKind.CREATE_TABLE]
        with transaction(self._secret, self._region) as cursor:
            for fill in plan.fills:  # first: what a refresh that is at work writes by the old procedure is seen then
                cursor.execute(f"lock {fill.table}")
            views = view_changes(cursor, self._sql.statements, self._sql.released)
            ensure_role(cursor, self._context.redshift.analyst_role)
            for statement in views.to_run(self._sql.statements):
                cursor.execute(statement.sql)
            for fill in plan.fills:
                cursor.execute(fill.sql)
            fill_entitlement(cursor, self._sql.entitlements)
            if plan.is_new:
                self._baseline(cursor, f"new warehouse: {len(new)} tables", [], plan.pending)
            else:
                for change in new:
                    write_entry(cursor, self._entry(f"{change.table}: create", EntryKind.AUTOMATIC, [change.sql]))
        return f"tables and procedures: {len(self._sql.statements)} statements run"

    def _complete(self, fill: HistoryFill) -> None:
        """Once more: a refresh that waited at the table for the release to end goes on by the old procedure."""

        def work(cursor: Cursor) -> None:
            cursor.execute(f"lock {fill.table}")
            cursor.execute(fill.sql)

        run_transaction(self._secret, self._region, work)


def _widening(change: TableChange) -> str:
    return f"{change.table}: {change.what}"


def standing_tables(cursor: Cursor) -> dict[str, TableShape]:
    """Qualified name → table, of all that stand in the platform's schemas and the login sees; sets the search path."""
    # pg_table_def shows what lies in the search path, which takes schemas that exist
    cursor.execute("select nspname from pg_namespace where nspname in %s", [SCHEMAS])
    schemas = [str(name) for (name,) in cursor.fetchall()]
    if not schemas:
        return {}
    cursor.execute(f"set search_path to {', '.join(schemas)}")
    cursor.execute(STANDING_SQL, [SCHEMAS])
    return standing_shapes(cursor.fetchall())


def _entries(cursor: Cursor) -> list[Entry]:
    cursor.execute(READ_SQL)
    return entries_of(cursor.fetchall())
