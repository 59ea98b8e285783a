"""What a table is, as far as statements can alter it: columns, types, NOT NULL, distribution, sort key. Pure.

Read from a CREATE TABLE of a release, or from rows of `pg_table_def`; both give the same shape for the same table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from idiscover.errors import ConfigError
from idiscover.metadata.sql_types import normal_type

# schemaname, tablename, column, type, distkey, sortkey, notnull; it shows tables of the search path alone
STANDING_SQL = (
    'select schemaname, tablename, "column", type, distkey, sortkey, "notnull" from pg_table_def where schemaname in %s'
)

_CREATE = re.compile(r'\s*create\s+table\s+(?:if\s+not\s+exists\s+)?([a-z0-9_".]+)\s*\(', re.IGNORECASE)
_COMMENT = re.compile(r"--[^\n]*")
_COLUMN = re.compile(
    r'(?P<name>"[^"]+"|[a-z_][a-z0-9_]*)\s+'
    r"(?P<type>character varying|double precision|(?:timestamp|time)(?: with(?:out)? time zone)?|[a-z][a-z0-9]*)"
    r"\s*(?P<size>\([\d\s,]+\))?(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_KEY = r"\b{word}\s*\(([^)]*)\)"


@dataclass(frozen=True)
class Column:
    """One column: its type as `types.column_type` writes it."""

    type: str
    not_null: bool = False


@dataclass(frozen=True)
class TableShape:
    """One table.

    Attributes:
        name: qualified.
        columns: name → column, in the order of the table.
        dist_key: the column whose values spread the rows; None where the style is EVEN, ALL or AUTO.
        sort_key: columns, in order.
    """

    name: str
    columns: Mapping[str, Column]
    dist_key: str | None = None
    sort_key: tuple[str, ...] = ()
    ddl: str = field(default="", compare=False)  # what makes it; empty of one that was read from the warehouse


def shape_of(ddl: str) -> TableShape | None:
    """The table that a statement creates; None if it creates none.

    Raises:
        ConfigError: a column of it cannot be read.
    """
    text = _COMMENT.sub("", ddl)
    found = _CREATE.match(text)
    if found is None:
        return None
    name = found[1].replace('"', "").lower()
    end = _closing(text, found.end() - 1)
    columns = dict(_column(name, part) for part in _split(text[found.end() : end]))
    options = text[end + 1 :]
    dist_key, sort_key = _names(options, "distkey"), _names(options, "sortkey")
    return TableShape(name, columns, dist_key[0] if dist_key else None, tuple(sort_key), ddl)


def shapes_of(texts: Iterable[str]) -> dict[str, TableShape]:
    """Qualified name → table, of those statements that create one."""
    shapes = (shape_of(text) for text in texts)
    return {shape.name: shape for shape in shapes if shape is not None}


def standing_shapes(rows: Iterable[Sequence[object]]) -> dict[str, TableShape]:
    """Qualified name → table, from rows of `STANDING_SQL`."""
    columns: dict[str, dict[str, Column]] = {}
    dist_keys: dict[str, str] = {}
    sort_keys: dict[str, list[tuple[int, str]]] = {}
    for schema, table, column, kind, is_dist_key, place, not_null in rows:
        name = f"{schema}.{table}"
        columns.setdefault(name, {})[str(column)] = Column(normal_type(str(kind)), bool(not_null))
        if is_dist_key:
            dist_keys[name] = str(column)
        if place:
            sort_keys.setdefault(name, []).append((abs(int(str(place))), str(column)))  # negative: interleaved
    return {
        name: TableShape(
            name, found, dist_keys.get(name), tuple(column for _, column in sorted(sort_keys.get(name, ())))
        )
        for name, found in columns.items()
    }


def _column(table: str, text: str) -> tuple[str, Column]:
    found = _COLUMN.fullmatch(text.strip())
    if found is None:
        raise ConfigError(
            "a column of a CREATE TABLE cannot be read",
            where=table,
            got=text.strip(),
            expected="name, type, and what else Redshift knows of a column",
            remedy="write each column as `name type not null`, and constraints of a table nowhere",
        )
    not_null = re.search(r"\bnot\s+null\b|\bidentity\b|\bprimary\s+key\b", found["rest"], re.IGNORECASE)
    name = found["name"].strip('"').lower()
    return name, Column(normal_type(found["type"] + (found["size"] or "")), not_null is not None)


def _names(options: str, word: str) -> list[str]:
    found = re.search(_KEY.format(word=word), options, re.IGNORECASE)
    return [name.strip().strip('"').lower() for name in found[1].split(",")] if found else []


def _closing(text: str, start: int) -> int:
    """Where the parenthesis that opens at `start` is closed."""
    depth = 0
    for place in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if depth == 0:
            return place
    raise ConfigError("a CREATE TABLE does not close its parenthesis", got=text[:80], remedy="correct the statement")


def _split(text: str) -> list[str]:
    """The parts between commas that stand in no parenthesis."""
    parts, depth = [""], 0
    for letter in text:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts
