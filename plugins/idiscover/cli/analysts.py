"""What the verbs for analysts share: subjects and views by name, their columns, the warehouse of an environment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from idiscover.aws import postgres
from idiscover.aws.postgres import Connection
from idiscover.aws.redshift import WHERE
from idiscover.aws.secrets import read_secret
from idiscover.errors import ConfigError
from idiscover.metadata.loading import FolderReader, load_catalog
from idiscover.metadata.models import Catalog, Context
from idiscover.metadata.spelling import nearest
from idiscover.metadata.sql_inventory import SqlInventory
from idiscover.metadata.subjects import SubjectSpec
from idiscover.metadata.table_columns import ViewColumn, view_columns
from idiscover.tableau.data_source import Warehouse, render_data_source
from idiscover.warehouse.views import view_of


@dataclass(frozen=True)
class Repository:
    """Metadata and DDL of this repository."""

    catalog: Catalog
    sql: SqlInventory

    def columns(self, table: str) -> tuple[ViewColumn, ...]:
        """Columns of a table's view."""
        return view_columns(self.catalog.tables[table].columns, self.sql.tables[table])

    def table_of(self, name: str) -> str:
        """The table behind a subject or a view (`dm.v_dim_lab`).

        Raises:
            ConfigError: there is nothing of that name.
        """
        tables = [table for table in self.catalog.tables if table.startswith("dm.")]
        known = {subject: spec.table for subject, spec in self.catalog.subjects.items()}
        known |= {view_of(table): table for table in tables}
        if name not in known:
            raise _unknown(name, known)
        return known[name]

    def data_sources(self, warehouse: Warehouse) -> Mapping[str, str]:
        """File name → text, of every subject."""
        return {
            f"{name}.tds": render_data_source(subject, self.columns(subject.table), warehouse)
            for name, subject in sorted(self.catalog.subjects.items())
        }


def subjects_of(catalog: Catalog, names: Sequence[str] | None) -> list[SubjectSpec]:
    """The subjects of these names, or all, in the order of their names.

    Raises:
        ConfigError: there is no subject of a name.
    """
    for name in names or ():
        if name not in catalog.subjects:
            raise _unknown(name, catalog.subjects)
    return [spec for name, spec in sorted(catalog.subjects.items()) if not names or name in names]


def open_repository(root: Path) -> Repository:
    """The repository at `root`.

    Raises:
        ConfigError: it is none.
        CatalogError: its metadata have a fault.
    """
    sql = SqlInventory.read(root / "sql")
    if sql is None:
        raise ConfigError("this is not the repository", where=str(root), remedy="run it there, or name it: --root")
    return Repository(load_catalog(FolderReader(root / "metadata"), sql), sql)


@contextmanager
def open_warehouse(context: Context) -> Iterator[Connection]:
    """A connection to the environment's warehouse, by the login of `secrets.redshift`.

    Raises:
        ConfigError, RetriableError: see `postgres.connect`.
    """
    connection = postgres.connect(read_secret(context.secrets.redshift, context.region), WHERE)
    try:
        yield connection
    finally:
        connection.close()


def warehouse_of(context: Context) -> Warehouse:
    """Where the environment's warehouse is.

    Raises:
        ConfigError: its secret is incomplete, or cannot be read.
    """
    secret = read_secret(context.secrets.redshift, context.region)
    postgres.check_secret(secret, WHERE)
    return Warehouse(secret["host"], int(secret["port"]), secret["dbname"])


def write_text(path: Path, text: str) -> None:
    """Writes a file whole or not at all, and the folders that it lies in; a device or pipe as it is.

    Raises:
        ConfigError: it cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
            return
        try:
            partial.write_text(text, encoding="utf-8")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        remedy = "name another file: --out"
        raise ConfigError("the file cannot be written", where=str(path), got=str(error), remedy=remedy) from error


def _unknown(name: str, known: Mapping[str, object]) -> ConfigError:
    return ConfigError(
        "there is nothing of that name for analysts",
        got=name,
        expected=", ".join(sorted(known)),
        did_you_mean=nearest(name, list(known)),
    )
