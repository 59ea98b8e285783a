"""What the repository's `sql/` holds, as far as metadata refer to it: procedures, tables of dm, their columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from idiscover.metadata.sql_types import normal_type

PROCEDURES, DM_TABLES = "procedures", "ddl/dm"

_PROCEDURE = re.compile(r"create or replace procedure\s+([a-z0-9_]+\.[a-z0-9_]+)\s*\((.*?)\)\s*as\b", re.DOTALL)
_TABLE = re.compile(r"create table if not exists\s+([a-z0-9_]+\.[a-z0-9_]+)\s*\((.*?)\n\)", re.DOTALL)
_COLUMN = re.compile(
    r'^\s+(?!primary key|foreign key|unique|constraint\b)"?([a-z_][a-z0-9_]*)"? +'
    r"((?:double precision|character varying|timestamp with(?:out)? time zone|[a-z][a-z0-9]*)\s*(?:\([^()]*\))?)(.*)$",
    re.MULTILINE,
)
_TYPE_ARGUMENTS = re.compile(r"\([^()]*\)")


@dataclass(frozen=True)
class SqlColumn:
    """A column as its DDL has it.

    Attributes:
        type: as `normal_type` has it, but without blanks in its brackets: `numeric(30,6)`.
        is_nullable: whether it may be null.
    """

    type: str
    is_nullable: bool = True

    @property
    def base_type(self) -> str:
        """The type without its sizes."""
        return self.type.partition("(")[0]


@dataclass(frozen=True)
class SqlInventory:
    """Names that SQL files define.

    Attributes:
        procedures: qualified name → number of parameters.
        tables: qualified name → its columns by name, in their order; of a repository those of dm only, as others are
            made from metadata.
    """

    procedures: Mapping[str, int]
    tables: Mapping[str, Mapping[str, SqlColumn]]

    @classmethod
    def read(cls, sql_root: Path) -> SqlInventory | None:
        """The inventory of a folder `sql/`; None if there is no such folder."""
        if not (sql_root / PROCEDURES).is_dir():
            return None
        files = [*(sql_root / PROCEDURES).rglob("*.sql*"), *(sql_root / DM_TABLES).glob("*.sql")]
        return cls.of(path.read_text(encoding="utf-8") for path in sorted(files))

    @classmethod
    def of(cls, texts: Iterable[str]) -> SqlInventory:
        """The inventory of SQL texts."""
        procedures: dict[str, int] = {}
        tables: dict[str, Mapping[str, SqlColumn]] = {}
        for text in texts:
            procedures |= {name: _count(parameters) for name, parameters in _PROCEDURE.findall(text)}
            tables |= {name: _columns(columns) for name, columns in _TABLE.findall(text)}
        return cls(procedures, tables)


def _columns(text: str) -> dict[str, SqlColumn]:
    """Of what stands between the brackets of a CREATE TABLE, a column on each line."""
    return {
        name: SqlColumn(normal_type(type_).replace(", ", ","), "not null" not in rest)
        for name, type_, rest in _COLUMN.findall(text)
    }


def _count(parameters: str) -> int:
    """Of a parameter list such as `p_country_code varchar(2), p_as_of_date date`."""
    plain = _TYPE_ARGUMENTS.sub("", parameters).strip()
    return plain.count(",") + 1 if plain else 0
