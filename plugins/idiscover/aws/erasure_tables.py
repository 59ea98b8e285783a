"""The warehouse without the records that were erased: which tables hold their Ids, and how they leave stg and itg."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from psycopg2.extensions import cursor as Cursor

from idiscover.lake.manifest import BatchManifest
from idiscover.lake.suppression import REDACTED, SHORT_LENGTH
from idiscover.plan.model import ItgPlan, LoadPlan
from idiscover.warehouse.types import quoted
from idiscover.warehouse.views import VIEW_PREFIX

SCHEMAS = ("stg", "itg", "dm")
KEY_PREFIXES = ("hcp|",)  # dm's key of a person is md5('hcp|' || its Id): an Id can be found by trying all


@dataclass(frozen=True)
class Ids:
    """Ids of the records that are to be erased, 18 characters each."""

    whole: tuple[str, ...]
    short: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "short", tuple(one[:SHORT_LENGTH] for one in self.whole))

    @property
    def traces(self) -> tuple[str, ...]:
        """What leads to the records in dm: their Ids, and the keys that its procedures make of them."""
        keys = [hashlib.md5(f"{prefix}{known}".encode()).hexdigest() for prefix in KEY_PREFIXES for known in self.whole]
        return (*self.short, *keys)

    def redact(self, text: str) -> str:
        """`text` without them, in either form."""
        for known in (*self.whole, *self.short):
            text = text.replace(known, REDACTED)
        return text

    def is_erased(self, value: str) -> bool:
        """Whether a value is one of them, in either form."""
        return value in self.whole or value in self.short


def columns_with_text(cursor: Cursor, tables: Iterable[str] = ()) -> dict[str, list[str]]:
    """Table → its columns that can hold an Id; of all tables of stg, itg and dm, or of those named."""
    cursor.execute(
        "select table_schema, table_name, column_name from information_schema.columns"
        " where table_schema in %s and data_type like 'character%%' and coalesce(character_maximum_length, 65535) >= %s"
        " order by table_schema, table_name, ordinal_position",
        [SCHEMAS, SHORT_LENGTH],
    )
    wanted = set(tables)
    found: dict[str, list[str]] = {}
    for schema, name, column in cursor.fetchall():
        if schema == "dm" and name.startswith(VIEW_PREFIX):
            continue  # shows what its table holds
        if not wanted or f"{schema}.{name}" in wanted:
            found.setdefault(f"{schema}.{name}", []).append(column)
    return found


def rows_with(cursor: Cursor, table: str, columns: Sequence[str], texts: Sequence[str]) -> int:
    """How many rows of a table hold one of `texts` in one of these columns."""
    conditions = [f"strpos({quoted(column)}, %s) > 0" for column in columns for _ in texts]
    values = [text for _ in columns for text in texts]
    cursor.execute(f"select count(*) from {_named(table)} where {' or '.join(conditions)}", values)
    count: int = cursor.fetchone()[0]
    return count


def tables_with(cursor: Cursor, ids: Ids) -> dict[str, int]:
    """Table → how many of its rows hold one of the Ids; tables without are left out."""
    counts = {
        table: rows_with(cursor, table, columns, ids.traces if table.startswith("dm.") else ids.short)
        for table, columns in columns_with_text(cursor).items()
    }
    return {table: count for table, count in counts.items() if count}


def erase_object(
    cursor: Cursor, load: LoadPlan, itg: ItgPlan | None, ids: Ids, manifests: Sequence[BatchManifest], run_id: str
) -> dict[str, int]:
    """Takes the records out of the tables of one object: their rows go, references to them become null.

    Args:
        cursor: of a transaction of its own.
        load: of the object's load.
        itg: None where the object has no table in itg.
        ids: whose.
        manifests: of the object's batches from which an erasure has taken rows; the ledger counts as they do.
        run_id: of the change that makes every slice of the consumers stale.

    Returns:
        Per table, how many rows were deleted or changed.
    """
    cursor.execute(f"lock {load.table}")  # as a load does
    tables = [load.table, load.ids_table]
    if itg is not None:
        tables += [f"itg.{itg.object}", *([f"itg.{itg.object}__history"] if itg.history else [])]
    columns = columns_with_text(cursor, tables)
    counts = {table: _erase_rows(cursor, table, columns[table], load.key, ids) for table in tables}
    for manifest in manifests:
        cursor.execute(
            'update stg.batch_load set "rows" = %s, ids = %s where batch_id = %s',
            [manifest.rows, manifest.id_count, manifest.batch_id],
        )
    if itg is not None and any(counts[table] for table in tables if table.startswith("itg.")):
        cursor.execute(
            f"insert into itg.{itg.object}__changes (country_code, run_id, changed_at_utc) values ('*', %s, getdate())",
            [run_id],
        )
    return {table: count for table, count in counts.items() if count}


def _erase_rows(cursor: Cursor, table: str, columns: Sequence[str], key: str, ids: Ids) -> int:
    name = _named(table)
    cursor.execute(f"delete from {name} where {quoted(key)} in %s", [ids.whole])
    touched: int = cursor.rowcount
    for column in columns:
        if not rows_with(cursor, table, [column], ids.short):
            continue
        cursor.execute(
            f"update {name} set {quoted(column)} = null where {quoted(column)} in %s", [(*ids.whole, *ids.short)]
        )
        touched += cursor.rowcount
        for known in (*ids.whole, *ids.short):
            cursor.execute(
                f"update {name} set {quoted(column)} = replace({quoted(column)}, %s, %s)"
                f" where strpos({quoted(column)}, %s) > 0",
                [known, REDACTED, known],
            )
            touched += cursor.rowcount
    return touched


def _named(table: str) -> str:
    schema, name = table.split(".")
    return f"{quoted(schema)}.{quoted(name)}"
