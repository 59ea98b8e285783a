"""What a release would do to standing tables: by files that wait, by itself, or not without a file. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from idiscover.errors import ConfigError
from idiscover.warehouse.history_fills import HistoryFill, history_fills
from idiscover.warehouse.migration_files import FOLDER, MigrationFile
from idiscover.warehouse.migration_ledger import TABLE, Entry, EntryKind, EntryState
from idiscover.warehouse.table_changes import ChangeKind, TableChange, table_changes
from idiscover.warehouse.table_shapes import TableShape

PLAN_COMMAND = "idiscover migrate"


@dataclass(frozen=True)
class MigrationPlan:
    """One release against one warehouse.

    Attributes:
        is_new: none of the release's tables stands; files are noted, not run.
        needs_baseline: the ledger knows nothing yet.
        pending: files that are to be run, in order.
        running: name → entry, of what was begun and not ended.
        later: migrations of a later release that were applied.
        changes: the differences as they are before anything is done.
        fills: histories that begin with what their tables hold.
    """

    is_new: bool
    needs_baseline: bool
    pending: tuple[MigrationFile, ...]
    running: Mapping[str, Entry]
    later: tuple[str, ...]
    changes: tuple[TableChange, ...]
    fills: tuple[HistoryFill, ...] = ()

    @property
    def automatic(self) -> list[TableChange]:
        """What is done by itself, but for what a file that waits may do otherwise."""
        return [change for change in self.changes if change.is_automatic]

    @property
    def covered(self) -> list[TableChange]:
        """What a file that waits is to do."""
        return [change for change in self.changes if change.needs_migration and change.table in self._tables]

    @property
    def uncovered(self) -> list[TableChange]:
        """What stops a deploy: nobody has said how."""
        return [change for change in self.changes if change.needs_migration and change.table not in self._tables]

    @property
    def harmless(self) -> list[TableChange]:
        """What stays as it is."""
        return [change for change in self.changes if change.is_harmless]

    @property
    def _tables(self) -> set[str]:
        return {table for file in self.pending for table in file.tables}

    def lines(self) -> Iterator[str]:
        """For people: what a deploy would do, in its order; then what it would not."""
        yield from (f"migration {name} of a later release stays applied" for name in self.later)
        if self.is_new:
            yield f"new warehouse: {len(self.changes)} tables would be created"
            yield from (
                f"migration {file.name} would be noted as done: the tables have its form" for file in self.pending
            )
            return
        for file in self.pending:
            begun = " (was begun, would go on)" if file.name in self.running else ""
            yield f"migration {file.name} would be applied{begun}: {file.purpose}"
            yield from _indented(file.statements)
        for change in self.automatic:
            yield f"would be applied by itself: {described(change)}"
            if change.kind is not ChangeKind.CREATE_TABLE:
                yield from _indented([change.sql])
        yield from (f"would be filled: {fill.described}" for fill in self.fills)
        yield from (f"left to a migration above: {described(change)}" for change in self.covered)
        yield from (f"stays as it is: {described(change)}; {change.why}" for change in self.harmless)
        yield from planned_lines(self.uncovered)

    def require_covered(self) -> None:
        """Raises:
        ConfigError: tables have to change in a way that no file says.
        """
        if uncovered := self.uncovered:
            tables = sorted({change.table for change in uncovered})
            raise ConfigError(
                "tables would have to change in a way that nobody has decided",
                where="Redshift",
                got="; ".join(described(change) for change in uncovered),
                expected=f"a file in sql/{FOLDER}/ whose header names {', '.join(tables)}",
                remedy=f"{PLAN_COMMAND} --draft NAME writes one with statements to start from; or take the edit back",
            )


def plan_migrations(
    files: Sequence[MigrationFile],
    entries: Sequence[Entry],
    standing: Mapping[str, TableShape],
    wanted: Mapping[str, TableShape],
    released: Mapping[str, TableShape] | None = None,
) -> MigrationPlan:
    """The plan; nothing is done.

    Args:
        files: of the release.
        entries: of the ledger; none where it does not exist.
        standing: tables of the warehouse.
        wanted: tables of the release.
        released: tables of the release before, where that is known.

    Raises:
        ConfigError: a file that was applied was changed, or one was numbered below one that was applied.
    """
    has_baseline = any(entry.kind is EntryKind.BASELINE for entry in entries)
    is_new = not has_baseline and not (standing.keys() & wanted.keys())
    known = {entry.version: entry for entry in entries if entry.version is not None}
    pending = []
    for file in files:
        entry = known.get(file.version)
        if entry is not None:
            _check_unchanged(file, entry)
        if entry is None or entry.state is EntryState.RUNNING:
            _check_order(file, known)
            pending.append(file)
    newest = len(files)
    later = tuple(entry.name for version, entry in sorted(known.items()) if version > newest)
    running = {entry.name: entry for entry in entries if entry.state is EntryState.RUNNING}
    changes = tuple(table_changes(standing, wanted, released))
    fills = () if is_new else tuple(history_fills(standing, wanted, released))
    return MigrationPlan(is_new, not has_baseline, tuple(pending), running, later, changes, fills)


def described(change: TableChange) -> str:
    """In one line."""
    return f"{change.table}: {change.kind.value}" + (f": {change.what}" if change.column else f" ({change.what})")


def planned_lines(changes: Sequence[TableChange]) -> Iterator[str]:
    """What needs a migration: what, why, and statements to start from."""
    for change in changes:
        yield f"needs a migration: {described(change)}"
        yield f"  why not by itself: {change.why}"
        yield from _indented([change.sql])


def _indented(statements: Sequence[str]) -> Iterator[str]:
    for statement in statements:
        yield from (f"    {line}" for line in statement.splitlines() if not line.startswith("--"))


def _check_unchanged(file: MigrationFile, entry: Entry) -> None:
    if file.checksum == entry.checksum and file.name == entry.name:
        return
    done = ";\n".join(file.statements[: entry.done])
    if entry.state is EntryState.RUNNING and entry.name == file.name and entry.statements.startswith(done):
        return  # what has run is as it was; what is still to run may have had to be corrected
    raise ConfigError(
        "a migration that was applied is not the one of this release",
        where=f"sql/{FOLDER}/{file.name}.sql",
        got=f"{file.name}, checksum {file.checksum[:12]}",
        expected=f"{entry.name}, checksum {entry.checksum[:12]}, as {TABLE} has it since {entry.applied_at_utc} UTC",
        remedy="give it its text and name back (git log); what has to change further is a migration of its own",
    )


def _check_order(file: MigrationFile, known: Mapping[int, Entry]) -> None:
    if after := [entry.name for version, entry in known.items() if version > file.version]:
        raise ConfigError(
            "a migration comes too late",
            where=f"sql/{FOLDER}/{file.name}.sql",
            got=f"not applied, though {', '.join(sorted(after))} was",
            expected="migrations in the order of their numbers",
            remedy="give it the next free number, for it has run nowhere before those; here it would run after them",
        )
