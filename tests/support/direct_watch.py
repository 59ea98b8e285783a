"""What one action on a direct chain has caused: which countries of which tables were called, and for which slices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date

from tests.oracle import EXEMPT_COLUMNS
from tests.support.direct_chain import DirectChain


@dataclass
class Caused:
    """What happened inside a `watching` block; empty until it has ended."""

    refreshes: Counter[tuple[str, str, date]] = field(default_factory=Counter)  # table, run kind, order date
    called: dict[str, set[str]] = field(default_factory=dict)  # countries per table
    changed: dict[str, set[str]] = field(default_factory=dict)  # slices whose rows are others now, per table

    @property
    def tables(self) -> set[str]:
        """Which tables were refreshed."""
        return {table for table, _, _ in self.refreshes}


@contextmanager
def watching(chain: DirectChain) -> Iterator[Caused]:
    """Watches the block."""
    caused = Caused()
    before = {table: _slices(chain, table) for table in chain.tables}
    [(newest,)] = chain.stack.job("select coalesce(max(claim_id), 0) from job.claim")
    yield caused
    for table in chain.tables:
        caused.changed[table] = _differing(before[table], _slices(chain, table))
    claims = chain.stack.job(
        "select target, run_kind, order_date from job.claim where claim_id > %s and state = 'finished'", newest
    )
    caused.refreshes.update(claims)
    calls = chain.stack.job(
        "select distinct target, country_code from job.claim_call join job.claim using (claim_id) where claim_id > %s",
        newest,
    )
    for table, country in calls:
        caused.called.setdefault(table, set()).add(country)


def _slices(chain: DirectChain, table: str) -> dict[str, Counter[str]]:
    """Rows per slice, without the columns that say how they came there."""
    column = "_country_code" if table.startswith("itg.") else "country_code"
    slices: dict[str, Counter[str]] = {}
    for row in chain.stack.rows(table):
        content = repr([value for name, value in row.items() if name not in EXEMPT_COLUMNS])
        slices.setdefault(row[column], Counter())[content] += 1
    return slices


def _differing(before: dict[str, Counter[str]], after: dict[str, Counter[str]]) -> set[str]:
    return {country for country in before.keys() | after.keys() if before.get(country) != after.get(country)}
