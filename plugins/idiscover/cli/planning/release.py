"""What a release brings to the warehouse for an object or a table: tables, views, comments, procedures. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path

from idiscover.cli.planning.sections import Section
from idiscover.metadata.statements import parse_call
from idiscover.warehouse.procedures import TEMPLATE
from idiscover.warehouse.release import VIEW, ReleaseStatement
from idiscover.warehouse.views import view_of

_PROCEDURE = re.compile(r"create\s+or\s+replace\s+procedure\s+([a-z_]+\.[a-z0-9_]+)", re.IGNORECASE)
_TABLE = re.compile(r"create\s+table\s+if\s+not\s+exists\s+([a-z_]+\.[a-z0-9_]+)", re.IGNORECASE)


def release_sections(
    statements: Iterable[ReleaseStatement], tables: Collection[str], calls: Iterable[str], sql_root: Path
) -> list[Section]:
    """Of a release's statements those that make these tables, their side tables and views, and the calls' procedures.

    Args:
        statements: of the whole release.
        tables: qualified names.
        calls: configured statements.
        sql_root: the folder `sql/`, to say where a procedure is written.
    """
    wanted = {parse_call(call).qualified_name for call in calls}
    views = {view_of(table) for table in tables if table.startswith("dm.")}
    made: list[Section] = []
    comments: dict[str, list[str]] = {}
    procedures: list[Section] = []
    for statement in statements:
        sql = statement.sql.strip()
        table, procedure = _name(_TABLE, sql), _name(_PROCEDURE, sql)
        if procedure in wanted:
            procedures.append(Section(f"procedure {procedure}", sql, "sql", summary=_source(statement.name, sql_root)))
        elif statement.name.startswith("comment "):
            table = statement.name.removeprefix("comment ").rpartition(".")[0]
            if _belongs(table, tables):
                comments.setdefault(table, []).append(sql)
        elif statement.name.removeprefix(VIEW) in views:
            made.append(Section(statement.name, sql, "sql"))
        elif _belongs(table, tables):
            made.append(Section(f"table {table}", sql, "sql"))
    commented = [
        Section(f"comments of {table}", "\n".join(lines), "sql", summary=f"{len(lines)} columns")
        for table, lines in comments.items()
    ]
    return [*made, *commented, *procedures]


def _belongs(table: str, tables: Collection[str]) -> bool:
    """Whether it is one of the tables, or a side table of one."""
    return table.partition("__")[0] in tables


def _name(pattern: re.Pattern[str], sql: str) -> str:
    """What the statement creates; empty if it creates something else."""
    found = pattern.search(sql)
    return found[1].lower() if found else ""


def _source(name: str, sql_root: Path) -> str:
    """The file that a procedure is written in, or rendered from."""
    if name.startswith("procedure "):
        return f"sql/{TEMPLATE.as_posix()}, rendered"
    return f"sql/{name}" if (sql_root / name).is_file() else f"sql/{name}.j2, rendered"
