"""Extracts for Tableau: the rows of a view as a .hyper file, written by Hyper itself.

`tableauhyperapi` is the extra `hyper`: 290 MB, and none for Linux on ARM. It is imported where it is used.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from idiscover.aws.view_rows import RowType, ViewRows
from idiscover.errors import ConfigError, DataQualityError, FatalError

TABLE = "Extract"  # schema and table of a single-table extract, where Tableau looks for it
# Digits beyond 18 need the file version 3, which Tableau reads since 2022.4.1.
_PARAMETERS = {"log_config": "", "default_database_version": "3"}
_COPY = "COPY {table} FROM {file} WITH (FORMAT csv, NULL '', DELIMITER ',')"


def write_extract(rows: ViewRows, file: Path) -> int:
    """Writes all rows to `file`; returns how many.

    The file appears whole or not at all: it is written beside its place and renamed there.

    Raises:
        ConfigError: Hyper is not installed, or the file cannot be written, such as on a full disk.
        FatalError: Hyper gives up, or has written nothing, as on a full disk.
        DataQualityError: Hyper holds another number of rows than were read.
    """
    api = _hyper()
    if not file.parent.is_dir():
        raise ConfigError("no folder to write to", where=str(file), remedy="make the folder, or name another")
    try:
        with tempfile.TemporaryDirectory(prefix=".idiscover-", dir=file.parent) as folder:
            # names of its own: those of `file` may be the same for both
            partial, block_file = Path(folder) / "extract.hyper", Path(folder) / "block.csv"
            with _hyper_process(api, file) as process:
                count = _fill(api, process, rows, partial, block_file)
            partial.replace(file)
    except OSError as error:
        remedy = "make room, or name another file: --out"
        raise ConfigError("the file cannot be written", where=str(file), got=str(error), remedy=remedy) from error
    return count


def _fill(api: ModuleType, process: Any, rows: ViewRows, file: Path, block_file: Path) -> int:
    table = api.TableDefinition(api.TableName(TABLE, TABLE), [_column(api, column) for column in rows.columns])
    read = 0
    with api.Connection(process.endpoint, str(file), api.CreateMode.CREATE) as connection:
        connection.catalog.create_schema(api.SchemaName(TABLE))
        connection.catalog.create_table(table)
        command = _COPY.format(table=table.table_name, file=api.escape_string_literal(str(block_file)))
        for block in rows.blocks():
            block_file.write_text(block.text, encoding="utf-8", newline="")
            connection.execute_command(command)
            read += block.rows
    # Asked of the closed file: Hyper writes it while closing, and says nothing of a disk that is full then.
    with api.Connection(process.endpoint, str(file)) as connection:
        count = connection.execute_scalar_query(f"SELECT COUNT(*) FROM {table.table_name}")
    if count != read:
        raise DataQualityError("an extract has another number of rows than its view", got=count, expected=read)
    return read


@contextmanager
def _hyper_process(api: ModuleType, file: Path) -> Iterator[Any]:
    telemetry = api.Telemetry.DO_NOT_SEND_USAGE_DATA_TO_TABLEAU
    try:
        with api.HyperProcess(telemetry, "idiscover", parameters=_PARAMETERS) as process:
            yield process
    except api.HyperException as error:  # its main message; the whole may quote a row
        remedy = "see whether the disk is full; make room, or name another file: --out"
        raise FatalError(
            "Hyper cannot write the extract", where=str(file), got=error.main_message, remedy=remedy
        ) from None


def _column(api: ModuleType, column: RowType) -> Any:
    return api.TableDefinition.Column(column.name, _type(api.SqlType, column), api.NULLABLE)


def _type(types: Any, column: RowType) -> Any:
    if column.type == "numeric":
        return types.numeric(column.precision, column.scale)
    made = {
        "boolean": types.bool,
        "bigint": types.big_int,
        "smallint": types.small_int,
        "integer": types.int,
        "text": types.text,
        "real": types.double,
        "double precision": types.double,
        "date": types.date,
        "timestamp": types.timestamp,
    }
    return made[column.type]()


def _hyper() -> ModuleType:
    try:
        import tableauhyperapi
    except ImportError as error:
        raise ConfigError(
            "Hyper is not installed",
            got=str(error),
            remedy="pip install tableauhyperapi, in the version of requirements/airflow.txt; there is none for Linux"
            " on ARM",
        ) from error
    return tableauhyperapi
