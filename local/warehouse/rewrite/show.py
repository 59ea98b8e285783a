"""SHOW of the catalogue's objects, as queries of the system views."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import SYNTAX_ERROR, SqlError, not_emulated
from ..tokens import Kind, Token, is_op, literal
from .ddl import Reader

_TABLES = (
    "select database_name, schema_name, table_name, table_type, table_acl, remarks, owner"
    " from pg_catalog.svv_all_tables where {conditions} order by schema_name, table_name"
)
_COLUMNS = (
    "select database_name, schema_name, table_name, column_name, ordinal_position, column_default, is_nullable,"
    " data_type, character_maximum_length, numeric_precision, numeric_scale, remarks"
    " from pg_catalog.svv_all_columns where {conditions} order by schema_name, table_name, ordinal_position"
)
_SCHEMAS = (
    "select database_name, schema_name, schema_owner, schema_type, schema_acl, source_database, schema_option"
    " from pg_catalog.svv_all_schemas where {conditions} order by schema_name"
)
_DATABASES = (
    "select database_name, database_owner, database_type, database_acl, null::varchar as parameters,"
    " database_isolation_level from pg_catalog.svv_redshift_databases where {conditions} order by database_name"
)
_GRANTS = (
    "select current_database()::varchar as database_name, namespace_name as schema_name, relation_name as object_name,"
    " 'TABLE'::varchar as object_type, privilege_type, identity_id, identity_name, identity_type, admin_option"
    " from pg_catalog.svv_relation_privileges where {conditions} order by identity_name, privilege_type"
)
_UNEMULATED = frozenset({"procedure", "procedures", "parameters", "functions", "constraints", "datashares", "model",
                         "external", "view", "policies"})  # fmt: skip


def show(tokens: Sequence[Token]) -> str | None:
    """The query that stands for a SHOW of objects, None for a SHOW of a setting. Raises SqlError for its syntax."""
    reader = Reader(tokens)
    reader.accept("show")
    for kind in _UNEMULATED:
        if reader.accept(kind) and reader.peek() is not None:
            raise not_emulated(f"SHOW {kind.upper()}")
    if reader.accept("databases"):
        return _query(reader, _DATABASES, [], "database_name")
    if reader.accept("schemas"):
        reader.accept("from", "database")
        return _query(reader, _SCHEMAS, ["database_name"], "schema_name")
    if reader.accept("tables"):
        reader.accept("from", "schema")
        return _query(reader, _TABLES, ["schema_name", "database_name"], "table_name")
    if reader.accept("columns"):
        reader.accept("from", "table")
        return _query(reader, _COLUMNS, ["table_name", "schema_name", "database_name"], "column_name")
    if reader.accept("grants", "on"):
        reader.accept("table")
        return _query(reader, _GRANTS, ["relation_name", "namespace_name"], "identity_name")
    if reader.accept("table"):
        table = literal(reader.name())
        return f'select rs.show_table({table}::regclass) as "Show Table DDL statement"'
    return None


def _query(reader: Reader, query: str, columns: list[str], like: str) -> str:
    """The query with the conditions of a dotted name, its last part first in `columns`, and of LIKE."""
    parts: list[str] = []
    if (
        columns
        and (token := reader.peek()) is not None
        and token.kind in (Kind.WORD, Kind.QUOTED)
        and token.value != "like"
    ):
        parts.append(reader.take().value)
        while is_op(reader.peek(), "."):
            reader.take()
            parts.append(reader.take().value)
    conditions = [f"{column} = {literal(part)}" for column, part in zip(columns, reversed(parts), strict=False)]
    if len(parts) == 3 and len(columns) == 2:
        conditions.append(f"current_database() = {literal(parts[0])}")
    if reader.accept("like"):
        conditions.append(f"{like} like {literal(reader.take().value)}")
    limit = f" limit {int(reader.take().text)}" if reader.accept("limit") and _is_number(reader.peek()) else ""
    left = reader.peek()
    if left is not None and not is_op(left, ";"):
        raise SqlError(f"syntax error at or near {left.text!r} in SHOW", code=SYNTAX_ERROR)
    return query.format(conditions=" and ".join(conditions or ["true"])) + limit


def _is_number(token: Token | None) -> bool:
    return token is not None and token.kind is Kind.NUMBER and token.text.isdigit()
