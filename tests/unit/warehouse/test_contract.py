"""The contract on the columns of dm's views: what breaks it, what widens it, and how it is renewed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from idiscover.cli.contracting import contract_problems, renew
from idiscover.cli.validating import validate
from idiscover.errors import ConfigError
from idiscover.metadata.loading import FolderReader, load_catalog
from idiscover.metadata.sql_inventory import SqlInventory
from idiscover.warehouse.contract import PATH, Contract, is_wider, parse_contract, problems, promised, renewed
from idiscover.warehouse.views import mart_views

from tests.unit.metadata_samples import REPOSITORY

BEFORE = Contract(views={"dm.v_a": {"id": "varchar(18)", "rate": "numeric(18,6)"}})


def test_the_contract_of_the_repository_is_that_of_its_views() -> None:
    catalog, sql = load_catalog(FolderReader(REPOSITORY / "metadata")), SqlInventory.read(REPOSITORY / "sql")
    assert sql is not None
    text = (REPOSITORY / "sql" / PATH).read_text(encoding="utf-8")
    contract = parse_contract(text, PATH)
    views = promised(mart_views(catalog, sql))
    assert list(problems(contract, views, PATH)) == []
    assert contract.text() == text, "write it: idiscover contract"
    assert contract.views["dm.v_dim_lab"]["_loaded_at_utc"] == "timestamp"


@pytest.mark.parametrize(
    ("before", "after", "wider"),
    [
        ("varchar(18)", "varchar(36)", True),
        ("varchar(18)", "varchar(17)", False),
        ("numeric(18,6)", "numeric(30,6)", True),
        ("numeric(18,6)", "numeric(18,7)", False),
        ("numeric(18,6)", "numeric(19,7)", True),
        ("integer", "bigint", True),
        ("bigint", "integer", False),
        ("date", "timestamp", False),
        ("bigint", "numeric(38,0)", False),
        ("boolean", "boolean", True),
        ("varchar(5)", "boolean", False),
    ],
)
def test_a_wider_type_holds_every_old_value(before: str, after: str, wider: bool) -> None:
    assert is_wider(before, after) is wider


@pytest.mark.parametrize(
    ("views", "key", "got"),
    [
        ({"dm.v_a": {"id": "varchar(18)"}}, "dm.v_a.rate", "no such column"),
        ({"dm.v_a": {"id": "varchar(18)", "rate": "numeric(18,4)"}}, "dm.v_a.rate", "numeric(18,4)"),
        ({}, "dm.v_a.id", "no such column"),
    ],
)
def test_a_column_that_goes_or_narrows_breaks_it_until_somebody_says_why(
    views: dict[str, dict[str, str]], key: str, got: str
) -> None:
    first = next(problems(BEFORE, views, "f"))
    assert (first.key, first.got) == (key, got) and "--accept" in str(first.remedy)
    with pytest.raises(ConfigError, match="would break what is built on a view"):
        renewed(BEFORE, views, None, "f")
    after = renewed(BEFORE, views, "nobody reads it", "f")
    assert (after.version, after.breaks[0].reason) == (2, "nobody reads it") and key in after.breaks[0].columns
    assert list(problems(after, views, "f")) == []
    assert parse_contract(after.text(), "f") == after


def test_what_is_new_or_wider_has_to_be_written_and_breaks_nothing() -> None:
    views = {"dm.v_a": {"id": "varchar(36)", "rate": "numeric(18,6)"}, "dm.v_b": {"x": "date"}}
    (told,) = problems(BEFORE, views, "f")
    assert told.got == "dm.v_a.id varchar(36), dm.v_b.x date" and told.remedy == "have it written: idiscover contract"
    after = renewed(BEFORE, views, None, "f")
    assert after == Contract(1, views) and list(problems(after, views, "f")) == []
    with pytest.raises(ConfigError, match="nothing breaks the contract"):
        renewed(BEFORE, views, "for fun", "f")


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", '{"version": 1, "breaks": [], "views"', '{"version": 1}'),
        '{"version": 1, "breaks": [], "views": []}',
        '{"version": 1, "breaks": [], "views": {"dm.v_a": "id"}}',
    ],
)
def test_what_is_no_contract_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        parse_contract(text, "f")


def test_a_break_needs_a_reason() -> None:
    with pytest.raises(ConfigError, match="without a reason"):
        renewed(BEFORE, {}, " ", "f")


def test_a_version_raised_by_hand_is_refused() -> None:
    text = BEFORE.text().replace('"version": 1', '"version": 2')
    with pytest.raises(ConfigError, match="do not agree"):
        parse_contract(text, "f")


def test_a_release_that_drops_a_column_is_refused_where_it_lies(tmp_path: Path) -> None:
    for folder in ("metadata", "sql"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    ddl = tmp_path / "sql" / "ddl" / "dm" / "dim_user.sql"
    ddl.write_text(ddl.read_text(encoding="utf-8").replace("    division varchar(320),\n", ""), encoding="utf-8")
    file = tmp_path / "metadata" / "tables" / "dm.dim_user.yaml"
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    place = next(number for number, line in enumerate(lines) if "name: division" in line)
    file.write_text("".join([*lines[:place], *lines[place + 3 :]]), encoding="utf-8")
    catalog = load_catalog(FolderReader(tmp_path / "metadata"))
    (told,) = contract_problems(catalog, tmp_path / "sql")
    assert told.key == "dm.v_dim_user.division" and told.where is not None and told.where.endswith(PATH)
    contract, has_changed = renew(tmp_path, "users have no division any more")
    assert has_changed and contract.breaks[0].columns == ("dm.v_dim_user.division",)
    assert contract_problems(catalog, tmp_path / "sql") == []


def test_a_contract_that_is_gone_is_told(tmp_path: Path) -> None:
    """By validate, and before a deploy does anything; not where there are no views to promise."""
    for folder in ("metadata", "sql"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    (tmp_path / "sql" / PATH).unlink()
    (told,) = validate(str(tmp_path / "metadata"), (), tmp_path / "sql").mistakes
    assert told.problem.what == "the contract on dm's views is missing" and told.place.file.endswith(PATH)
    assert told.problem.remedy == "take it back (git checkout); if there never was one: idiscover contract"
    without_views = load_catalog(FolderReader(tmp_path / "metadata")).model_copy(update={"tables": {}})
    assert contract_problems(without_views, tmp_path / "sql") == []
