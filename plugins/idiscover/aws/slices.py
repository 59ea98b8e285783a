"""Which slices of a table one refresh replaces, as units of countries; and what that means for the tables after it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from psycopg2.extensions import cursor as Cursor

from idiscover.aws.job_metadata_arrivals import EVERY_SLICE, REFERENCE_SLICE, Mark
from idiscover.aws.job_metadata_claims import Claim
from idiscover.plan.model import ItgPlan, RefreshPlan
from idiscover.warehouse.queries import stale_slices_sql

Units = list[list[str]]


def itg_units(cursor: Cursor, itg: ItgPlan) -> list[list[str]]:
    """The countries whose winners itg does not hold, one each: any order of countries ends the same."""
    cursor.execute(stale_slices_sql(itg))
    return [[country] for (country,) in cursor.fetchall()]


def dm_units(cursor: Cursor, plan: RefreshPlan, claim: Claim, marks: Sequence[Mark]) -> list[list[str]]:
    """The marked countries; every slice where a mark, a new order date or the table's first refresh asks for it."""
    countries = every_slice(cursor, plan) if is_every_slice_stale(plan, claim, marks) else set()
    return units_of_marks(marks, countries)


def is_every_slice_stale(plan: RefreshPlan, claim: Claim, marks: Iterable[Mark]) -> bool:
    """Whether the claim asks for all slices of the table.

    A table's first refresh does: its inputs may be older than the table, and their changes were never marked for it.
    """
    if claim.last_as_of_date is None:
        return True
    if plan.uses_as_of_date and claim.as_of_date > claim.last_as_of_date:
        return True
    return any(mark.country_code == EVERY_SLICE for mark in marks)


def units_of_marks(marks: Iterable[Mark], countries: Iterable[str] = ()) -> list[list[str]]:
    """Groups countries that a move joins, directly or over others; each country is in one unit.

    A reader must not see a lab in both countries or in neither, so both are replaced in one transaction.
    """
    group = {country: {country} for country in countries}
    for mark in marks:
        pair = {code for code in (mark.country_code, mark.moved_from_country_code) if code not in (None, EVERY_SLICE)}
        merged = {str(code) for code in pair}.union(*(group.get(str(code), set()) for code in pair))
        for code in merged:
            group[code] = merged
    return [list(unit) for unit in sorted({tuple(sorted(members)) for members in group.values()})]


def every_slice(cursor: Cursor, plan: RefreshPlan) -> set[str]:
    """All countries that the table or one of its inputs has: what it should have, and what it should lose.

    Of an input that makes slice ZZ stale and no other, whatever changes in it, the countries do not matter.
    """
    found = {REFERENCE_SLICE} if plan.reference_inputs else set()
    for table in (plan.table, *(name for name in plan.inputs if name not in plan.reference_inputs)):
        column = "_country_code" if table.startswith("itg.") else "country_code"
        cursor.execute(f"select distinct {column} from {table}")
        found.update(country for (country,) in cursor.fetchall())
    return found


def in_groups(units: Sequence[list[str]], at_most: int) -> list[list[list[str]]]:
    """The units in as few groups as hold `at_most` of them each; their order stays, and their sizes differ by one."""
    count = -(-len(units) // at_most)
    ends = [len(units) * number // count for number in range(count + 1)] if count else []
    return [list(units[start:end]) for start, end in itertools.pairwise(ends)]


def units_of_countries(cursor: Cursor, plan: RefreshPlan, countries: Sequence[str], marks: Sequence[Mark]) -> Units:
    """Units of the countries that a person names; in dm, a country that a move joins to one of them comes along.

    Without it, a lab that moved would stand in both countries or in neither until the other's refresh.

    Args:
        cursor: of the warehouse.
        plan: the table.
        countries: those that were named.
        marks: the table's that no refresh has taken.
    """
    if plan.itg is not None:
        return [[country] for country in countries]
    moves = [mark for mark in marks if mark.moved_from_country_code is not None]
    for table in (name for name in plan.inputs if name.startswith("itg.")):  # changed there, and not passed on yet
        cursor.execute(
            f"select country_code, moved_from_country_code from {table}__changes"
            " where moved_from_country_code is not null"
        )
        moves += [Mark("", *row) for row in cursor.fetchall()]
    return [unit for unit in units_of_marks(moves, countries) if not set(unit).isdisjoint(countries)]


def marks_of_units(claim: Claim) -> list[Mark]:
    """Every country that was replaced, tied to the first of its unit, so that the next table keeps them together."""
    return [
        Mark(f"claim {claim.claim_id} {country}", country, None if country == unit[0] else unit[0])
        for unit in claim.units or []
        for country in unit
    ]
