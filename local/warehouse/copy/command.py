"""A COPY carried out: in the caller's transaction, all files or nothing.

Files are loaded piece by piece. Clean records go straight into the target by PostgreSQL's own COPY, those that need it
through its CSV reader and one INSERT … SELECT. What these do not like is undone and done again the careful way, which
finds out what is wrong with which line: no more of it than some records around.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field

from .. import wire
from ..errors import QUERY_CANCELED, UNDEFINED_TABLE, SqlError
from ..tokens import identifier, literal
from ..upstream import Client, Connection
from .careful import load_carefully
from .columns import Column, Conversion, conversion
from .fast import can_be_fast, load_by_pieces
from .journal import Journal, LoadedFile, LoadError, Replacement
from .json_records import Matcher, matcher
from .source import S3Source, SourceFile
from .statement import CopyCommand, parse_copy

log = logging.getLogger(__name__)

WRONG_OBJECT_TYPE = "42809"


@dataclass
class CopyContext:
    """What a session's COPYs share with the rest of the front."""

    journal: Journal
    user: str
    canceled: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Load:
    """One COPY under way."""

    command: CopyCommand
    query_id: int
    table_oid: int
    columns: list[Column]
    source: S3Source
    files: list[SourceFile]
    upstream: Connection
    canceled: asyncio.Event
    loaded: list[LoadedFile] = field(default_factory=list)
    errors: list[LoadError] = field(default_factory=list)
    error_count: int = 0
    replacements: list[Replacement] = field(default_factory=list)
    replaced_count: int = 0
    records: int = 0  # that were read with care, so far
    match: Matcher | None = None  # of documents to columns, for JSON

    @property
    def stage(self) -> str:
        """The temporary table of texts that this COPY goes through."""
        return f"rs_copy_stage_{self.query_id}"

    @property
    def conversions(self) -> list[Conversion]:
        """How each column gets its value."""
        return [conversion(column, number, self.command) for number, column in enumerate(self.columns)]

    def fields(self, *others: str) -> str:
        """A query of the staged records: f0, f1, … after NULL handling, c0, c1, … as they came, and `others`."""
        sources = [f"{item.source} as {item.field}, c{number}" for number, item in enumerate(self.conversions)]
        # OFFSET 0 keeps the planner from computing the fields again wherever they are used.
        return f"(select {', '.join([*others, *sources])} from {self.stage} offset 0) as staged"

    def refused(self) -> str:
        """SQL: whether any field of a record is refused."""
        return " or ".join(f"({item.reason()}) is not null" for item in self.conversions)

    def insert(self, condition: str = "true", *others: str) -> str:
        """The statement that converts the staged texts and puts them into the target.

        `others` are the staging columns that the condition asks for, beside the fields.
        """
        names = ", ".join(identifier(column.name) for column in self.columns)
        values = ", ".join(item.value() for item in self.conversions)
        overriding = "overriding system value " if self.command.has("explicit_ids") else ""
        target = f"{self.command.table} ({names}) {overriding}"
        return f"insert into {target}select {values} from {self.fields(*others)} where {condition}"

    def check_canceled(self) -> None:
        """Raise SqlError if the client has asked to cancel."""
        if self.canceled.is_set():
            raise SqlError("canceling statement due to user request", code=QUERY_CANCELED)


async def run_copy(sql: str, upstream: Connection, client: Client, context: CopyContext, query_id: int) -> str:
    """Carry a COPY out and return its command tag. Raises SqlError; the caller's transaction is then to be failed."""
    command = parse_copy(sql)
    started = time.monotonic()
    own_transaction = upstream.status == "I"
    if own_transaction:
        await upstream.run("begin")
    try:
        load, count = await _load(command, upstream, context, query_id)
        if own_transaction:
            await upstream.run("commit")
    except (SqlError, asyncio.CancelledError):
        if own_transaction and not upstream.closed:
            await upstream.attempt("rollback")
        raise
    await asyncio.to_thread(context.journal.record_files, load.query_id, command.table_name, command.form, load.loaded)
    client.write(_completion_notice(load, count))
    log.info(
        "COPY %s: %d rows, %d files, %.2f s", command.table_name, count, len(load.files), time.monotonic() - started
    )
    return "COPY"


async def _load(command: CopyCommand, upstream: Connection, context: CopyContext, query_id: int) -> tuple[Load, int]:
    table_oid, columns = await target_columns(command, upstream)
    source = await asyncio.to_thread(S3Source, command)
    files = await asyncio.to_thread(source.files)
    load = Load(command, query_id, table_oid, columns, source, files, upstream, context.canceled)
    was_empty = (await upstream.run(f"select not exists (select from {command.table})")).rows == [["t"]]
    if command.json is not None:
        load.match = await asyncio.to_thread(matcher, command.json, columns, source.read)
    is_fast = upstream.streams and can_be_fast(command, columns)
    count = await (load_by_pieces(load) if is_fast else load_carefully(load))
    await _report_errors(load, context)
    state = {"last_copy_count": count, "last_copy_id": load.query_id, "last_query_id": load.query_id}
    settings = ", ".join(f"set_config('rs.{name}', '{value}', false)" for name, value in state.items())
    await upstream.run(f"select {settings}")
    if command.stat_update or (command.stat_update is None and was_empty):
        await upstream.run(f"analyze {command.table}")
    return load, count


async def _report_errors(load: Load, context: CopyContext) -> None:
    """Write down the records that were refused. Raises SqlError if they are too many."""
    session = load.upstream.process
    if load.replacements:
        await asyncio.to_thread(
            context.journal.record_replacements, load.query_id, load.table_oid, session, load.replacements
        )
    if not load.errors:
        return
    await asyncio.to_thread(
        context.journal.record_errors, load.query_id, load.command.table_name, load.table_oid, session, load.errors
    )
    if load.error_count >= load.command.error_limit:
        raise SqlError(
            f"Load into table '{load.command.table_name.split('.')[-1]}' failed.  "
            "Check 'stl_load_errors' system table for details."
        )


def _completion_notice(load: Load, count: int) -> bytes:
    name = load.command.table_name.split(".")[-1]
    text = f"Load into table '{name}' completed, {count} record(s) loaded successfully."
    if load.error_count:
        text += (
            f"  {load.error_count} record(s) could not be loaded.  Check 'stl_load_errors' system table for details."
        )
    if load.replaced_count:
        text += (
            f"  {load.replaced_count} record(s) were loaded with replacements made for ACCEPTINVCHARS."
            "  Check 'stl_replacements' system table for details."
        )
    return wire.notice({"S": "INFO", "V": "INFO", "C": "00000", "M": text})


async def target_columns(command: CopyCommand, upstream: Connection) -> tuple[int, list[Column]]:
    """The table's oid and the columns to load, in the order of the fields. Raises SqlError for unknown ones."""
    name = literal(command.table)
    found = await upstream.run(f"select oid::bigint, relkind from pg_catalog.pg_class where oid = to_regclass({name})")
    if not found.rows:
        raise SqlError(f"Cannot COPY into nonexistent table {command.table_name}", code=UNDEFINED_TABLE)
    oid, kind = found.rows[0]
    if kind not in ("r", "p"):
        raise SqlError(f'cannot copy to "{command.table_name}": it is not a table', code=WRONG_OBJECT_TYPE)
    described = await upstream.run(
        "select attname, format_type(atttypid, null), format_type(atttypid, atttypmod), atttypmod, attnotnull,"
        f" attidentity from pg_catalog.pg_attribute where attrelid = {oid} and attnum > 0 and not attisdropped"
        " order by attnum"
    )
    explicit = command.has("explicit_ids")
    known = {str(row[0]): row for row in described.rows}
    automatic = {column for column, row in known.items() if row[5] == "a" and not explicit}
    wanted = command.columns or [column for column in known if column not in automatic]
    for column in wanted:
        if column not in known:
            raise SqlError(f'column "{column}" of relation "{command.table_name}" does not exist', code="42703")
        if column in automatic:
            raise SqlError(f"cannot set an identity column ({column}) without EXPLICIT_IDS", code="428C9")
    if command.fixed_width is not None and len(command.fixed_width) != len(wanted):
        raise SqlError(
            f"FIXEDWIDTH has {len(command.fixed_width)} fields, but {len(wanted)} columns are to be loaded",
            code="22023",
        )
    return int(oid or 0), [_column(known[column]) for column in wanted]


def _column(row: list[str | None]) -> Column:
    name, type_name, declared, modifier, not_null = (str(value) for value in row[:5])
    sizes = int(modifier) - 4 if int(modifier) >= 4 else None
    is_numeric = type_name == "numeric" and sizes is not None
    is_character = type_name in ("character varying", "character")
    return Column(
        name=name,
        type_name=type_name,
        declared=declared,
        length=sizes if is_character else None,
        scale=sizes & 0x7FF if is_numeric and sizes is not None else None,
        not_null=not_null == "t",
    )
