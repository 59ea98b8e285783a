"""Judges procedures of dm: itg holds crafted rows; what a procedure leaves is what the oracle computes from them.

A procedure is created, called for every slice and looked at in one transaction, which is rolled back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta

import psycopg2
from idiscover.metadata.models import Catalog
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from tests.mutation.crafted import crafted_itg
from tests.mutation.pools import AS_OF_DATES
from tests.mutation.procedures import Procedure, dm_procedures
from tests.mutation.scenarios import FRESHNESS, SOURCE_TABLE, Scenario, spoilt
from tests.oracle import compare
from tests.oracle.dm import compute_dm
from tests.oracle.shapes import Row

RUN_ID, EARLIER_RUN_ID = "judged", "yesterday"
LEFT_SLICE, OTHER_SLICE = "XX", "YY"  # one that had rows yesterday and has none now; one that nobody calls
REFERENCE_SLICES = ("ZZ", "DE")  # for tables of slice ZZ: there is nothing to load in another
_LOADED = datetime(2026, 5, 14, 3)


class DmJudge:
    """One warehouse with crafted rows in itg, and dm computed from them as of the first of AS_OF_DATES."""

    def __init__(self, connection: Connection, catalog: Catalog) -> None:
        self._connection = connection
        self._catalog = catalog
        self.procedures = dm_procedures(catalog)
        itg = crafted_itg(catalog)
        self._scenarios = [Scenario(day, compute_dm(itg, day)) for day in AS_OF_DATES]
        self._spoilt = spoilt(itg, self._scenarios[0])
        self._reference_tables = {
            table for table, rows in self._scenarios[0].dm.items() if {row["country_code"] for row in rows} == {"ZZ"}
        }
        self._slices = sorted(
            {str(row["_country_code"]) for row in itg["itg.account"]} | {"ZZ", LEFT_SLICE}, reverse=True
        )
        with connection, connection.cursor() as cursor:
            for table, rows in itg.items():
                _fill(cursor, table, rows)
                cursor.execute(f"analyze {table}")
            for table in self.procedures:
                self._call(cursor, table, AS_OF_DATES[0], self._slices_of(table))
                # getdate() knows seconds only: without an older row, the newest time of a table would be its oldest too
                cursor.execute(
                    f"update {table} set _loaded_at_utc = dateadd(hour, -1, _loaded_at_utc)"
                    f" where ctid = (select min(ctid) from {table})"
                )
                cursor.execute(f"analyze {table}")
            self._columns = {table: _columns(cursor, table) for table in self.procedures}
        self._loads = {table: max(_loaded_at(rows)) for table, rows in itg.items()}

    def verdict(self, procedure: Procedure, sql: str) -> str | None:
        """How `sql`, put in the place of `procedure`, gives itself away; None if it does not."""
        for scenario in self._scenarios_of(procedure.table):
            found = self._differences(procedure.table, sql, scenario)
            if found:
                return found
        return None

    def _scenarios_of(self, table: str) -> list[Scenario]:
        days = self._scenarios if self._catalog.tables[table].uses_as_of_date else self._scenarios[:1]
        return [*days, *(scenario for scenario in self._spoilt if table in scenario.dm)]

    def _differences(self, table: str, sql: str, scenario: Scenario) -> str | None:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute("set statement_timeout to 20000")
                self._prepare(cursor, table, scenario)
                cursor.execute(sql)
                slices = self._slices_of(table)
                for again in (slices, slices[:1]):
                    self._call(cursor, table, scenario.as_of_date, again)
                    found = self._compared(cursor, table, scenario)
                    if found:
                        return found
                return None
        except psycopg2.Error as error:
            return f"refused: {str(error).splitlines()[0]}"
        finally:
            self._connection.rollback()

    def _prepare(self, cursor: Cursor, table: str, scenario: Scenario) -> None:
        """Inputs as of the scenario's date, and in each slice of `table` one row of yesterday."""
        if scenario.as_of_date != AS_OF_DATES[0]:
            for item in self._catalog.tables[table].inputs:
                if item.table in self.procedures and self._catalog.tables[item.table].uses_as_of_date:
                    self._call(cursor, item.table, scenario.as_of_date, self._slices_of(item.table))
        for statement, parameters in scenario.spoil:
            cursor.execute(statement, parameters)
        changed = {"country_code": "slice.code", "_run_id": f"'{EARLIER_RUN_ID}'"}
        columns = self._columns[table]
        values = ", ".join(changed.get(column, f'yesterday."{column}"') for column in columns)
        names = ", ".join(f'"{column}"' for column in columns)
        codes = (*self._slices_of(table), OTHER_SLICE)
        slices = " union all ".join(f"select '{code}' as code" for code in codes)
        cursor.execute(
            f"insert into {table} ({names}) select {values}"
            f" from (select * from {table} limit 1) as yesterday cross join ({slices}) as slice"
        )

    def _slices_of(self, table: str) -> Sequence[str]:
        return REFERENCE_SLICES if table in self._reference_tables else self._slices

    def _call(self, cursor: Cursor, table: str, as_of_date: date, slices: Sequence[str]) -> None:
        for code in slices:
            cursor.execute(f"call {self.procedures[table].name}(%s, %s, %s)", (code, as_of_date, RUN_ID))

    def _compared(self, cursor: Cursor, table: str, scenario: Scenario) -> str | None:
        cursor.execute(f"select * from {table}")
        columns = [item.name for item in cursor.description or ()]
        rows: list[Row] = [dict(zip(columns, record, strict=True)) for record in cursor.fetchall()]
        left = Counter((row["country_code"], row["_run_id"]) for row in rows if row["_run_id"] == EARLIER_RUN_ID)
        if left != Counter({(OTHER_SLICE, EARLIER_RUN_ID): 1}):
            return f"rows of yesterday: {sorted(left)}"
        rows = [row for row in rows if row["_run_id"] != EARLIER_RUN_ID]
        expected = scenario.dm[table]
        if _counted(rows, expected) != _counted(expected, expected):
            differences = compare({table: expected}, {table: rows})
            return "; ".join(map(str, differences[:3])) or "rows stand twice"
        if any(row["_run_id"] != RUN_ID or row["_as_of_date"] != scenario.as_of_date for row in rows):
            return "_run_id or _as_of_date is another"
        return self._loads_compared(cursor, table, rows)

    def _loads_compared(self, cursor: Cursor, table: str, rows: list[Row]) -> str | None:
        """The oracle knows no times of loads."""
        if table == SOURCE_TABLE:
            found = {str(row["source_table"]): row["itg_loaded_at_utc"] for row in rows}
            wanted = {
                str(row["source_table"]): self._loads[str(row["source_table"])] for row in rows if row["itg_rows"]
            }
            return None if {name: found[name] for name in wanted} == wanted else "itg_loaded_at_utc differs"
        if table == FRESHNESS:
            found = {str(row["table_name"]): row["loaded_at_utc"] for row in rows}
            for name in self.procedures.keys() - {FRESHNESS, SOURCE_TABLE}:
                cursor.execute(f"select max(_loaded_at_utc) from {name}")
                if cursor.fetchone() != (found[name],):
                    return f"loaded_at_utc of {name} differs"
            loads = {name: moment for name, moment in self._loads.items() if name in found}
            return None if loads.items() <= found.items() else "loaded_at_utc of an itg table differs"
        return None


def _counted(rows: list[Row], like: list[Row]) -> Counter[tuple[object, ...]]:
    """Rows as tuples of the columns that `like` has and a comparison tells."""
    columns = [column for column in like[0] if not column.endswith("loaded_at_utc")] if like else []
    return Counter(tuple(row[column] for column in columns) for row in rows)


def _fill(cursor: Cursor, table: str, rows: list[Row]) -> None:
    columns = _columns(cursor, table)
    for number, row in enumerate(rows):
        row |= {"_run_id": EARLIER_RUN_ID, "_loaded_at_utc": _LOADED + timedelta(seconds=number % 50)}
    names = ", ".join(f'"{column}"' for column in columns)
    records = [tuple(row[column] for column in columns) for row in rows]
    execute_values(cursor, f"insert into {table} ({names}) values %s", records, page_size=500)


def _loaded_at(rows: list[Row]) -> list[datetime]:
    return [moment for row in rows if isinstance(moment := row["_loaded_at_utc"], datetime)]


def _columns(cursor: Cursor, table: str) -> list[str]:
    cursor.execute(f"select * from {table} limit 0")
    return [item.name for item in cursor.description or ()]
