"""Compares tables row by row and column by column, and says what differs in words."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from tests.oracle.shapes import Row, Tables

# How a row came here, not what it says: docs/marts.md, "System columns".
EXEMPT_COLUMNS = frozenset(
    {"_read_at_utc", "_batch_id", "_run_id", "_loaded_at_utc", "_as_of_date", "loaded_at_utc", "itg_loaded_at_utc"}
)

_GRAINS: dict[str, tuple[str, ...]] = {
    "dm.dim_date": ("date_key",),
    "dm.dim_country": ("iso_country_code",),
    "dm.dim_therapeutic_area": ("therapeutic_area_id",),
    "dm.dim_biomarker": ("biomarker_id",),
    "dm.dim_lab": ("lab_id", "valid_from"),
    "dm.dim_hcp": ("hcp_key", "valid_from"),
    "dm.dim_user": ("user_id",),
    "dm.dim_territory": ("territory_id",),
    "dm.bridge_lab_hcp": ("affiliation_id",),
    "dm.bridge_objective_hcp": ("objective_hcp_id",),
    "dm.bridge_lab_territory": ("lab_id", "territory_id"),
    "dm.fact_testing_volume": ("testing_volume_id",),
    "dm.fact_lab_capability": ("lab_capability_id",),
    "dm.fact_test_offering": ("test_offering_id",),
    "dm.fact_interaction": ("interaction_id",),
    "dm.fact_lab_objective": ("objective_id", "changed_on"),
    "dm.fact_source_table": ("source_table",),
    "dm.dm_testing_uptake": ("country_code", "therapeutic_area_id", "biomarker_id", "month"),
    "dm.dm_lab_hcp_network": ("lab_id", "hcp_key", "therapeutic_area_id"),
    "dm.dm_lab_360": ("lab_id",),
    "dm.dm_objective_attainment": ("country_code", "therapeutic_area_id", "owner_id", "quarter"),
    "dm.dm_field_coverage": ("country_code", "territory_id", "month"),
    "dm.dm_data_freshness": ("table_name",),
}
_ITG_GRAIN = ("id",)
# Read times and batches are exempt, and yet they order the versions of a history: what is compared is which version
# of its SystemModstamp a row is.
_HISTORY, _NTH = "__history", "nth_of_system_modstamp"
_HISTORY_GRAIN = ("id", "system_modstamp", _NTH)


class DifferenceKind(Enum):
    """What can differ."""

    MISSING_TABLE = "the table is missing"
    MISSING_ROW = "the row is missing"
    UNEXPECTED_ROW = "the row is not expected"
    DUPLICATE_ROW = "the row stands there more than once"
    MISSING_COLUMN = "the column is missing"
    UNEXPECTED_COLUMN = "the column is not expected"
    VALUE = "the values differ"


@dataclass(frozen=True)
class Difference:
    """One difference; `key` is the row's grain, `column` empty where the whole row or table is meant."""

    table: str
    kind: DifferenceKind
    key: tuple[object, ...] = ()
    column: str = ""
    expected: object = None
    actual: object = None

    def __str__(self) -> str:
        place = self.table
        if self.key:
            place += f"[{', '.join(str(part) for part in self.key)}]"
        if self.column:
            place += f".{self.column}"
        if self.kind is DifferenceKind.VALUE:
            return f"{place}: expected {self.expected!r}, got {self.actual!r}"
        return f"{place}: {self.kind.value}"


def compare(expected: Tables, actual: Tables, exempt_columns: Collection[str] = EXEMPT_COLUMNS) -> list[Difference]:
    """All differences of the expected tables, none when all rows and columns agree; rows' order does not matter.

    Numbers compare by value (Decimal and int alike), text and times exactly. Raises KeyError for a table whose grain
    is not known.
    """
    differences: list[Difference] = []
    for table, rows in expected.items():
        if table in actual:
            pair = (rows, actual[table])
            wanted, given = map(_numbered, pair) if table.endswith(_HISTORY) else pair
            differences += _compare_table(table, wanted, given, frozenset(exempt_columns))
        else:
            differences.append(Difference(table, DifferenceKind.MISSING_TABLE))
    return differences


def _grain(table: str) -> tuple[str, ...]:
    if table.endswith(_HISTORY):
        return _HISTORY_GRAIN
    return _ITG_GRAIN if table.startswith("itg.") else _GRAINS[table]


def _numbered(versions: list[Row]) -> list[Row]:
    """Rows of a history, those of one record and SystemModstamp numbered in the order of their reads."""
    ordered = sorted(versions, key=lambda row: (row["_read_at_utc"], row["_batch_id"]))
    counts: Counter[tuple[object, object]] = Counter()
    rows: list[Row] = []
    for row in ordered:
        counts[row["id"], row["system_modstamp"]] += 1
        rows.append({**row, _NTH: counts[row["id"], row["system_modstamp"]]})
    return rows


def _compare_table(table: str, expected: list[Row], actual: list[Row], exempt: frozenset[str]) -> list[Difference]:
    grain = _grain(table)
    found = _compare_columns(table, expected, actual, exempt)
    if any(difference.column in grain for difference in found):
        return found
    wanted, given = ({tuple(row[c] for c in grain): row for row in rows} for rows in (expected, actual))
    counts = Counter(tuple(row[c] for c in grain) for row in actual)
    repeated = sorted((key for key, count in counts.items() if count > 1), key=str)
    found += [Difference(table, DifferenceKind.DUPLICATE_ROW, key) for key in repeated]
    missing, more = sorted(wanted.keys() - given.keys(), key=str), sorted(given.keys() - wanted.keys(), key=str)
    found += [Difference(table, DifferenceKind.MISSING_ROW, key) for key in missing]
    found += [Difference(table, DifferenceKind.UNEXPECTED_ROW, key) for key in more]
    different: list[Difference] = []
    for key in wanted.keys() & given.keys():
        different += _compare_row(table, key, wanted[key], given[key], exempt)
    return found + sorted(different, key=lambda difference: str(difference.key))


def _compare_columns(table: str, expected: list[Row], actual: list[Row], exempt: frozenset[str]) -> list[Difference]:
    if not expected or not actual:
        return []
    wanted, given = expected[0].keys() - exempt, actual[0].keys() - exempt
    missing = [Difference(table, DifferenceKind.MISSING_COLUMN, column=name) for name in sorted(wanted - given)]
    more = [Difference(table, DifferenceKind.UNEXPECTED_COLUMN, column=name) for name in sorted(given - wanted)]
    return missing + more


def _compare_row(
    table: str, key: tuple[object, ...], expected: Row, actual: Row, exempt: frozenset[str]
) -> list[Difference]:
    shared = [name for name in expected if name in actual and name not in exempt]
    return [
        Difference(table, DifferenceKind.VALUE, key, name, expected[name], actual[name])
        for name in shared
        if not _same(expected[name], actual[name])
    ]


def _same(expected: object, actual: object) -> bool:
    if type(expected) is type(actual):
        return expected == actual
    numbers = (int, Decimal)
    booleans = isinstance(expected, bool) or isinstance(actual, bool)
    return isinstance(expected, numbers) and isinstance(actual, numbers) and not booleans and expected == actual
