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
    source: str | None  # country code of an account, lab id of a testing volume
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
class Held:
    """One row of itg."""

    version: Version
    country: str


Table = dict[str, Held]


@dataclass
class Outcome:
    """What one call leaves behind."""

    table: Table
    changes: set[tuple[str, str | None]] = field(default_factory=set)
    audit: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))


def own_country(version: Version) -> str:
    """Country of an account."""
    return version.source if version.source and re.fullmatch("[A-Z]{2}", version.source) else ZZ


def country_of_lab(accounts: Table) -> Callable[[Version], str]:
    """Country of a testing volume, given itg.account."""

    def country(version: Version) -> str:
        lab = accounts.get(version.source) if version.source else None
        return lab.country if lab else ZZ

    return country


def winners(staged: Iterable[Version], held: Table, country_of: Callable[[Version], str]) -> dict[str, Version]:
    """The newest version of every Id that stg has, or whose row in itg lies in another country than it should."""
    found: dict[str, Version] = {
        key: row.version for key, row in held.items() if country_of(row.version) != row.country
    }
    for version in staged:
        known = [held[version.id].version] if version.id in held else []
        known += [found[version.id]] if version.id in found else []
        found[version.id] = max([version, *known], key=lambda item: item.order)
    return found


def stale(staged: Iterable[Version], held: Table, country_of: Callable[[Version], str]) -> set[str]:
    """Countries that have something to write."""
    return {
        country_of(winner)
        for key, winner in winners(staged, held, country_of).items()
        if key not in held or held[key].version.order != winner.order or held[key].country != country_of(winner)
    }


def call(country: str, staged: list[Version], held: Table, country_of: Callable[[Version], str]) -> Outcome:
    """One call of the procedure for one country."""
    outcome = Outcome(dict(held))
    for key, winner in winners(staged, held, country_of).items():
        if country_of(winner) != country:
            continue
        before = held.get(key)
        kind = _kind(before, winner, country)
        if kind in ("inserted", "updated"):
            outcome.changes.add((country, before.country if before and before.country != country else None))
        if kind != "superseded":
            outcome.table[key] = Held(winner, country)
            outcome.audit[winner.batch][kind] += 1
        losers = {item.batch for item in staged if item.id == key} - (set() if kind == "superseded" else {winner.batch})
        for batch in losers:
            outcome.audit[batch]["superseded"] += 1
    return outcome


def _kind(before: Held | None, winner: Version, country: str) -> str:
    if before is None:
        return "inserted"
    if before.country != country:
        return "updated"
    if before.version.order == winner.order:
        return "superseded"
    return "unchanged" if before.version.columns == winner.columns else "updated"
