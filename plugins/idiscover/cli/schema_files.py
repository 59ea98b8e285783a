"""Writes what is made from the models of metadata: JSON Schemas, and the tables of keys in docs/metadata.md."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from idiscover.errors import ConfigError
from idiscover.metadata.reference import with_tables
from idiscover.metadata.schemas import render_schemas

PAGE = "docs/metadata.md"


def schema_files(root: Path) -> Mapping[str, str]:
    """Path, relative to the repository → text as it should be.

    Raises:
        ConfigError: `root` is not the repository, or the page has lost the place of a table.
    """
    page = root / PAGE
    if not page.is_file():
        raise ConfigError(
            "this is not the repository",
            where=str(root),
            expected=f"{PAGE} in it",
            remedy="run it in the repository, or name it: --root",
        )
    return {**render_schemas(), PAGE: with_tables(page.read_text(encoding="utf-8"), PAGE)}


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
