"""What stands in the warehouse when a procedure of dm is called: as a refresh leaves it, or as a fault does.

The oracle's functions of one table compute from whatever rows they are given; so what was spoilt can be compared too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from tests.oracle.dm.data_freshness import SOURCES, dm_data_freshness
from tests.oracle.dm.field_coverage import dm_field_coverage
from tests.oracle.dm.lab_360 import dm_lab_360
from tests.oracle.dm.lab_hcp_network import dm_lab_hcp_network
from tests.oracle.dm.objective_attainment import dm_objective_attainment
from tests.oracle.dm.source_tables import fact_source_table
from tests.oracle.dm.testing_uptake import dm_testing_uptake
from tests.oracle.shapes import Row, Tables

FRESHNESS, SOURCE_TABLE = "dm.dm_data_freshness", "dm.fact_source_table"
Statement = tuple[str, tuple[object, ...]]
_MARTS: Mapping[str, Callable[[Tables, date], list[Row]]] = {
    "dm.dm_field_coverage": dm_field_coverage,
    "dm.dm_lab_360": dm_lab_360,
    "dm.dm_lab_hcp_network": dm_lab_hcp_network,
    "dm.dm_objective_attainment": dm_objective_attainment,
    "dm.dm_testing_uptake": lambda dm, _as_of_date: dm_testing_uptake(dm),
}
# Tables of slices, and the column whose last digit says which of their rows have moved alone.
_SLICED = {
    "dm.dim_lab": "lab_id",
    "dm.bridge_lab_hcp": "affiliation_id",
    "dm.bridge_lab_territory": "territory_id",
    "dm.bridge_objective_hcp": "objective_hcp_id",
    "dm.dm_lab_hcp_network": "hcp_key",
    "dm.fact_interaction": "interaction_id",
    "dm.fact_lab_capability": "lab_capability_id",
    "dm.fact_lab_objective": "objective_id",
    "dm.fact_test_offering": "test_offering_id",
    "dm.fact_testing_volume": "testing_volume_id",
}
_MOVED_DIGITS, _MOVED_TO = ("3", "6"), "FR"


@dataclass(frozen=True)
class Scenario:
    """Statements that spoil what a refresh as of a date left, and the rows that tables have to have then."""

    as_of_date: date
    dm: Tables
    spoil: tuple[Statement, ...] = ()


def spoilt(itg: Tables, refreshed: Scenario) -> list[Scenario]:
    """What only faults and unlucky moments bring about."""
    return [
        _without_rows(refreshed),
        _one_row_short(refreshed),
        _without_products(itg, refreshed),
        _out_of_step(refreshed),
    ]


def _without_rows(refreshed: Scenario) -> Scenario:
    """A table without rows, one that lacks a row, one without its UNKNOWN; rows that were loaded at another time."""
    interaction = min(str(row["interaction_id"]) for row in refreshed.dm["dm.fact_interaction"])
    spoil: list[Statement] = [
        ("delete from dm.bridge_objective_hcp", ()),
        ("delete from dm.fact_interaction where interaction_id = %s", (interaction,)),
        ("delete from dm.dim_user where user_id = 'UNKNOWN'", ()),
    ]
    for table in ("dm.dim_date", "dm.dim_lab", "dm.fact_testing_volume"):
        first = f"(select min(_loaded_at_utc) from {table})"
        spoil.append((f"update {table} set _loaded_at_utc = '2001-01-01' where _loaded_at_utc = {first}", ()))
        spoil.append((f"update {table} set _loaded_at_utc = '2002-02-02' where {_some_row(table)}", ()))
    dm = {
        **refreshed.dm,
        "dm.bridge_objective_hcp": [],
        "dm.fact_interaction": _without(refreshed.dm["dm.fact_interaction"], "interaction_id", interaction),
        "dm.dim_user": _without(refreshed.dm["dm.dim_user"], "user_id", "UNKNOWN"),
    }
    return Scenario(refreshed.as_of_date, {FRESHNESS: dm_data_freshness(dm, refreshed.as_of_date)}, tuple(spoil))


def _one_row_short(refreshed: Scenario) -> Scenario:
    """Every table that another one describes lacks a row."""
    dm, spoil = dict(refreshed.dm), []
    for table in SOURCES:
        dm[table] = refreshed.dm[table][1:]
        spoil.append((f"delete from {table} where ctid = (select min(ctid) from {table})", ()))
    return Scenario(refreshed.as_of_date, {FRESHNESS: dm_data_freshness(dm, refreshed.as_of_date)}, tuple(spoil))


def _some_row(table: str) -> str:
    column = {"dm.dim_date": "date_key", "dm.dim_lab": "lab_id"}.get(table, "testing_volume_id")
    return f"{column} = (select min({column}) from {table})"


def _without_products(itg: Tables, refreshed: Scenario) -> Scenario:
    """A table of itg without rows."""
    spoil = (("delete from itg.product", ()),)
    return Scenario(refreshed.as_of_date, {SOURCE_TABLE: fact_source_table({**itg, "itg.product": []})}, spoil)


def _out_of_step(refreshed: Scenario) -> Scenario:
    """Some rows of each table lie in another slice than what they belong to: one table is refreshed after the other."""
    dm, spoil = dict(refreshed.dm), []
    for table, column in _SLICED.items():
        dm[table] = [_moved(row, column) for row in refreshed.dm[table]]
        digits = f"right({column}, 1) in ('{_MOVED_DIGITS[0]}', '{_MOVED_DIGITS[1]}')"
        spoil.append((f"update {table} set country_code = '{_MOVED_TO}' where {digits}", ()))
    marts = {table: compute(dm, refreshed.as_of_date) for table, compute in _MARTS.items()}
    return Scenario(refreshed.as_of_date, marts, tuple(spoil))


def _moved(row: Row, column: str) -> Row:
    return {**row, "country_code": _MOVED_TO} if str(row[column])[-1] in _MOVED_DIGITS else row


def _without(rows: list[Row], column: str, value: str) -> list[Row]:
    return [row for row in rows if row[column] != value]
