"""What the itg procedures have to do, in plain Python: rows are tuples, tables are dicts.

Written from docs/architecture.md and docs/marts.md, without a look at the SQL.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

ZZ = "ZZ"


@dataclass(frozen=True)
class Version:
    """One record as one batch shows it. `modstamp` and `read_at` count seconds; `source` decides the country."""

    id: str
    modstamp: int
    read_at: int
    batch: str
    source: str | None  # country code of an account, id of a child's parent
    content: str | None

    @property
    def order(self) -> tuple[int, int, str]:
        """Higher is newer."""
        return self.modstamp, self.read_at, self.batch

    @property
    def columns(self) -> tuple[object, ...]:
        """What the org says about the record, the batch left out."""
        return self.modstamp, self.source, self.content


@dataclass(frozen=True)
class Read:
    """A read of every Id that began at second `absence_at`."""

    batch: str
    absence_at: int
    ids: frozenset[str]

    def is_dead(self, version: Version) -> bool:
        """Whether the read says that the record of this version is gone."""
        return max(version.modstamp, version.read_at) < self.absence_at and version.id not in self.ids


@dataclass(frozen=True)
class Held:
    """One row of itg."""

    version: Version
    country: str


Table = dict[str, Held]
CountryOf = Callable[[Version], str]


@dataclass(frozen=True)
class Winner:
    """What becomes of an Id: its highest live version, or the highest dead one and the read that buries it."""

    version: Version
    missed_by: str | None


@dataclass
class State:
    """All that a call looks at."""

    staged: list[Version]
    held: Table
    history: frozenset[Version] | None  # None: the object keeps none
    reads: list[Read]
    country_of: CountryOf

    @property
    def newest(self) -> Read | None:
        """The read that counts."""
        return max(self.reads, key=lambda read: (read.absence_at, read.batch), default=None)

    def is_dead(self, version: Version) -> bool:
        """Whether the newest read buries the version."""
        return self.newest is not None and self.newest.is_dead(version)


@dataclass
class Outcome:
    """What one call leaves behind."""

    table: Table
    history: frozenset[Version] | None
    changes: set[tuple[str, str | None]] = field(default_factory=set)
    audit: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))


def own_country(version: Version) -> str:
    """Country of an account."""
    return version.source if version.source and re.fullmatch("[A-Z]{2}", version.source) else ZZ


def no_country(_version: Version) -> str:
    """Country of reference data."""
    return ZZ


def country_of_parent(parents: Table) -> CountryOf:
    """Country of a child, given the itg table of what it points to."""

    def country(version: Version) -> str:
        parent = parents.get(version.source) if version.source else None
        return parent.country if parent else ZZ

    return country


def winners(state: State) -> dict[str, Winner]:
    """What becomes of each Id that stg has, whose row lies in another country than it should, or that is gone."""
    held = state.held
    ids = {version.id for version in state.staged}
    ids |= {key for key, row in held.items() if state.country_of(row.version) != row.country}
    ids |= {key for key, row in held.items() if state.is_dead(row.version)}
    found = {}
    for key in ids:
        versions = [version for version in state.staged if version.id == key]
        versions += [held[key].version] if key in held else []
        live = [version for version in versions if not state.is_dead(version)]
        best = max(live or versions, key=lambda version: version.order)
        found[key] = Winner(best, None if live or state.newest is None else state.newest.batch)
    return found


def owner(state: State, winner: Winner) -> str:
    """The country whose call deals with the Id: for a record that is gone, the one that holds it."""
    before = state.held.get(winner.version.id)
    return before.country if winner.missed_by and before else state.country_of(winner.version)


def stale(state: State) -> set[str]:
    """Countries that have something to write."""
    return {owner(state, winner) for winner in winners(state).values() if _has_work(state, winner)}


def _has_work(state: State, winner: Winner) -> bool:
    key = winner.version.id
    before = state.held.get(key)
    versions = [version for version in state.staged if version.id == key]
    if state.history is not None and not state.history.issuperset(versions):
        return True
    if winner.missed_by:
        return before is not None
    return before is None or before.version.order != winner.version.order or before.country != owner(state, winner)


def call(country: str, state: State) -> Outcome:
    """One call of the procedure for one country."""
    outcome = Outcome(dict(state.held), state.history)
    late = 0
    for key, winner in winners(state).items():
        if owner(state, winner) != country:
            continue
        before = state.held.get(key)
        kind = _kind(before, winner, country)
        _apply(outcome, kind, winner, before, country)
        versions = [version for version in state.staged if version.id == key]
        winning = {winner.version.batch} if kind in ("inserted", "updated", "unchanged") else set()
        for batch in {version.batch for version in versions} - winning:
            outcome.audit[batch]["superseded"] += 1
        if outcome.history is not None:
            late += len(frozenset(versions) - outcome.history) - (kind == "unchanged")
            outcome.history |= frozenset(versions)
    if late:
        outcome.changes.add((country, None))  # the history is another, even where the row is not
    return outcome


def _apply(outcome: Outcome, kind: str, winner: Winner, before: Held | None, country: str) -> None:
    """What a kind does to the table, and who hears of it."""
    key = winner.version.id
    if kind in ("inserted", "updated"):
        outcome.changes.add((country, before.country if before and before.country != country else None))
    if kind in ("inserted", "updated", "unchanged"):
        outcome.table[key] = Held(winner.version, country)
        outcome.audit[winner.version.batch][kind] += 1
    if kind == "removed":
        del outcome.table[key]
        outcome.changes.add((country, None))
        outcome.audit[str(winner.missed_by)][kind] += 1


def _kind(before: Held | None, winner: Winner, country: str) -> str:
    if winner.missed_by:
        return "removed" if before else "superseded"
    if before is None:
        return "inserted"
    if before.country != country:
        return "updated"
    if before.version.order == winner.version.order:
        return "superseded"
    return "unchanged" if before.version.columns == winner.version.columns else "updated"


def missing(state: State, rows: Iterable[Version]) -> int:
    """How many of a batch's rows are not in place: neither dead nor held at their version or newer; or forgotten."""
    return sum(not _is_in_place(state, row) for row in rows)


def _is_in_place(state: State, row: Version) -> bool:
    if state.history is not None and row not in state.history:
        return False
    held = state.held.get(row.id)
    return state.is_dead(row) or (held is not None and held.version.order >= row.order)


def end_of(versions: Iterable[Version], reads: list[Read]) -> dict[str, Version]:
    """What itg has to hold in the end, of whatever was read in whatever order."""
    newest = max(reads, key=lambda read: (read.absence_at, read.batch), default=None)
    found: dict[str, Version] = {}
    for version in versions:
        if newest is None or not newest.is_dead(version):
            known = found.get(version.id)
            found[version.id] = version if known is None else max(known, version, key=lambda item: item.order)
    return found
