"""The contract file of this repository: compared, and written anew."""

from __future__ import annotations

from pathlib import Path

from idiscover.errors import ConfigError
from idiscover.metadata.loading import FolderReader, load_catalog
from idiscover.metadata.models import Catalog
from idiscover.metadata.sql_inventory import SqlInventory
from idiscover.warehouse.contract import COMMAND, PATH, Contract, parse_contract, problems, promised, renewed
from idiscover.warehouse.views import mart_views


def contract_problems(catalog: Catalog, sql_root: Path) -> list[ConfigError]:
    """What of the views does not keep the contract; nothing where there are no views, or no repository."""
    path, sql = sql_root / PATH, SqlInventory.read(sql_root)
    if sql is None:
        return []
    views = mart_views(catalog, sql)
    if not path.is_file():
        return [_missing(str(path), len(views))] if views else []
    try:
        contract = parse_contract(path.read_text(encoding="utf-8"), str(path))
    except ConfigError as error:
        return [error]
    return list(problems(contract, promised(views), str(path)))


def _missing(where: str, view_count: int) -> ConfigError:
    return ConfigError(
        "the contract on dm's views is missing",
        where=where,
        got="no such file",
        expected=f"the columns of {view_count} views for analysts, as the last release promised them",
        remedy=f"take it back (git checkout); if there never was one: {COMMAND}",
    )


def renew(root: Path, reason: str | None) -> tuple[Contract, bool]:
    """Writes the contract as the metadata and the DDL want it; the contract, and whether it has changed.

    Raises:
        ConfigError: the metadata are wrong, the views break it without a reason, or there is none to be given.
    """
    sql_root = root / "sql"
    sql, path = SqlInventory.read(sql_root), sql_root / PATH
    if sql is None:
        raise ConfigError(
            "this is not the repository",
            where=str(root),
            expected="metadata/ and sql/ in it",
            remedy="run it in the repository, or name it: --root",
        )
    where = path.relative_to(root).as_posix()
    catalog = load_catalog(FolderReader(root / "metadata"), sql)
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    contract = parse_contract(before, where) if before else Contract()
    after = renewed(contract, promised(mart_views(catalog, sql)), reason, where)
    if after.text() != before:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(after.text(), encoding="utf-8")
    return after, after.text() != before
