"""CREATE TABLE of stg and itg, rendered from metadata."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from idiscover.metadata.models import CountryNone, FieldSpec, ObjectSpec, PiiClass
from idiscover.warehouse.types import column_type, literal, quoted

BATCH_LOAD = """\
-- stg.batch_load: the ledger of what COPY brought; a batch that it has is not copied again. grain: batch_id.
-- absence_at_utc: when a read of every Id of the object began; the newest of an object, by (absence_at_utc, batch_id),
-- says which records there are. Null where the batch is no such read, or its Ids have left stg. ids: how many it read.
-- On every node: it is small (a row per object and run), and every load reads it.
create table if not exists stg.batch_load (
    batch_id varchar(128) not null,
    object varchar(63) not null,
    "rows" bigint not null,
    ids bigint,
    absence_at_utc timestamp,
    run_id varchar(256) not null,
    loaded_at_utc timestamp not null
)
diststyle all
sortkey (object, batch_id);"""


def create_stg_table(spec: ObjectSpec) -> str:
    """`stg.<object>`: rows of batches that itg does not hold yet, as they came."""
    key = quoted(spec.key)
    head = [
        f"-- stg.{spec.object}: batches of {spec.salesforce_object} that itg does not hold yet.",
        f"-- grain: {spec.key} and _batch_id.",
        "-- Spread by the key, as the itg table is, so that finding winners moves no rows between nodes; sorted by",
        "-- batch, because a batch comes and goes as a whole.",
    ]
    columns = [*_columns(spec), "_read_at_utc timestamp not null", "_batch_id varchar(128) not null"]
    return _table(f"stg.{spec.object}", head, columns, ["diststyle key", f"distkey ({key})", "sortkey (_batch_id)"])


def create_ids_table(spec: ObjectSpec) -> str:
    """`stg.<object>__ids`: which records there were when every Id was read."""
    key, table = quoted(spec.key), f"stg.{spec.object}__ids"
    head = [
        f"-- {table}: what reads of every Id of {spec.salesforce_object} have found. grain: {spec.key} and _batch_id.",
        "-- Those of the newest read stay: they say which versions are dead on arrival. Older ones go to the archive.",
        "-- Spread by the key, as the tables that it is compared with; sorted by batch: one of them is asked for.",
    ]
    options = ["diststyle key", f"distkey ({key})", f"sortkey (_batch_id, {key})"]
    return _table(table, head, [f"{key} varchar(18) not null", "_batch_id varchar(128) not null"], options)


def create_itg_table(spec: ObjectSpec) -> str:
    """`itg.<object>`: one row per record at its newest version."""
    key = quoted(spec.key)
    columns = [
        *_columns(spec),
        "_read_at_utc timestamp not null",
        "_batch_id varchar(128) not null",
        "_country_code varchar(2) not null",
        "_run_id varchar(256) not null",
        "_loaded_at_utc timestamp not null",
    ]
    head = [f"-- itg.{spec.object}: {spec.salesforce_object}, current state, deleted records too. grain: {spec.key}."]
    if isinstance(spec.country, CountryNone):
        head.append("-- On every node: reference data is small, and joined from everywhere.")
        options = ["diststyle all", f"sortkey ({key})"]
    else:
        head.append("-- Spread by the key, as stg is, so that finding winners moves no rows between nodes; sorted by")
        head.append("-- slice, because the marts read one country at a time.")
        options = ["diststyle key", f"distkey ({key})", f"sortkey (_country_code, {key})"]
    return _table(f"itg.{spec.object}", head, columns, options)


def create_history_table(spec: ObjectSpec) -> str:
    """`itg.<object>__history`: every version that any batch brought."""
    key, table = quoted(spec.key), f"itg.{spec.object}__history"
    head = [
        f"-- {table}: every version of {spec.salesforce_object} that was read, dead ones too; only appended to.",
        f"-- grain: {spec.key}, {spec.version_column}, _read_at_utc, _batch_id.",
        "-- Spread by the key, as itg and stg are; sorted by batch, because an append asks for the batches in stg",
        "-- alone, however long the history has grown.",
    ]
    columns = [
        *_columns(spec),
        "_read_at_utc timestamp not null",
        "_batch_id varchar(128) not null",
        "_run_id varchar(256) not null",
        "_loaded_at_utc timestamp not null",
    ]
    options = ["diststyle key", f"distkey ({key})", f"sortkey (_batch_id, {key})"]
    return _table(table, head, columns, options)


def create_side_tables(spec: ObjectSpec) -> list[tuple[str, str]]:
    """Name and text of the tables beside the rows: two that the itg procedure writes, one that the archive does."""
    makers = {"changes": _changes, "load_audit": _load_audit, "absence": _absence}
    return [(f"itg.{spec.object}__{name}", make(spec, f"itg.{spec.object}__{name}")) for name, make in makers.items()]


def _changes(spec: ObjectSpec, table: str) -> str:
    head = [
        f"-- {table}: slices of itg.{spec.object} that a run changed, until job metadata has them.",
        "-- grain: change_id. Few rows that live for minutes: spread evenly, in the order they came.",
    ]
    columns = [
        "change_id bigint identity (1, 1) not null",
        "country_code varchar(2) not null",
        "moved_from_country_code varchar(2)",
        "run_id varchar(256) not null",
        "changed_at_utc timestamp not null",
    ]
    return _table(table, head, columns, ["diststyle even", "sortkey (change_id)"])


def _load_audit(_spec: ObjectSpec, table: str) -> str:
    head = [
        f"-- {table}: what became of the Ids of each batch. grain: one row per call and batch.",
        "-- removed: records that the batch, a read of every Id, does not have.",
        "-- Appended to and read by time, joined with nothing: rows spread evenly, sorted by time.",
    ]
    columns = [
        "country_code varchar(2) not null",
        "batch_id varchar(128) not null",
        "run_id varchar(256) not null",
        "inserted bigint not null",
        "updated bigint not null",
        "unchanged bigint not null",
        "superseded bigint not null",
        "removed bigint not null",
        "loaded_at_utc timestamp not null",
    ]
    return _table(table, head, columns, ["diststyle even", "sortkey (loaded_at_utc)"])


def _absence(spec: ObjectSpec, table: str) -> str:
    head = [
        f"-- {table}: reads of every Id that itg.{spec.object} holds nothing beyond. grain: batch_id, loaded_at_utc.",
        "-- While the newest read stands here, nobody searches the whole table for absences. loaded_at_utc is the",
        "-- ledger's: a batch that is loaded again is applied again.",
        "-- On every node: it is small, and every call reads it.",
    ]
    columns = [
        "batch_id varchar(128) not null",
        "loaded_at_utc timestamp not null",
        "applied_at_utc timestamp not null",
    ]
    return _table(table, head, columns, ["diststyle all", "sortkey (batch_id)"])


def column_comments(table: str, fields: Iterable[FieldSpec]) -> list[tuple[str, str]]:
    """Name and text of one COMMENT per column of `table`."""
    return [
        (
            f"comment {table}.{field.column}",
            f"comment on column {table}.{quoted(field.column)} is {literal(_comment(field))};",
        )
        for field in fields
    ]


def _columns(spec: ObjectSpec) -> list[str]:
    needed = {spec.key, spec.version_column}
    return [
        f"{quoted(field.column)} {column_type(field)}{' not null' if field.column in needed else ''}"
        for field in spec.fields
    ]


def _comment(field: FieldSpec) -> str:
    pii = "" if field.pii is PiiClass.NONE else f" PII: {field.pii.value}."
    return f"{field.description}{pii} From {field.salesforce}."


def _table(name: str, head: Sequence[str], columns: Sequence[str], options: Sequence[str]) -> str:
    body = ",\n".join(f"    {column}" for column in columns)
    return "\n".join([*head, f"create table if not exists {name} (", body, ")", *options[:-1], f"{options[-1]};"])
