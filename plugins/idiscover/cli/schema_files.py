"""Writes what is made from the models of metadata and from metadata: JSON Schemas, and two pages of docs/."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from idiscover.errors import ConfigError
from idiscover.metadata.loading import FolderReader, load_catalog
from idiscover.metadata.reference import with_tables
from idiscover.metadata.schemas import render_schemas
from idiscover.metadata.sql_inventory import SqlInventory
from idiscover.warehouse.dictionary import page
from idiscover.warehouse.views import mart_views

PAGE = "docs/metadata.md"
DICTIONARY = "docs/dictionary.md"


def schema_files(root: Path) -> Mapping[str, str]:
    """Path, relative to the repository → text as it should be.

    Raises:
        ConfigError: `root` is not the repository, the page has lost the place of a table, or the metadata are wrong.
    """
    keys = root / PAGE
    if not keys.is_file():
        raise ConfigError(
            "this is not the repository",
            where=str(root),
            expected=f"{PAGE} in it",
            remedy="run it in the repository, or name it: --root",
        )
    tables = with_tables(keys.read_text(encoding="utf-8"), PAGE)
    return {**render_schemas(), PAGE: tables, **_dictionary(root)}


def _dictionary(root: Path) -> Mapping[str, str]:
    sql = SqlInventory.read(root / "sql")
    if sql is None or not (root / "metadata").is_dir():
        return {}
    catalog = load_catalog(FolderReader(root / "metadata"), sql)
    return {DICTIONARY: page(mart_views(catalog, sql), catalog)}


def stale(root: Path) -> list[str]:
    """Paths of files that are not as they should be, sorted."""
    return sorted(path for path, text in schema_files(root).items() if _standing(root / path) != text)


def write(root: Path) -> list[str]:
    """Makes them as they should be; paths of those that were written."""
    files, written = schema_files(root), stale(root)
    for path in written:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(files[path], encoding="utf-8")
    return written


def _standing(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
