"""Differences between tables: what is done by itself ends at the wanted table, and everything else is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from idiscover.errors import ConfigError
from idiscover.warehouse.history_fills import history_fills
from idiscover.warehouse.migration_plan import plan_migrations
from idiscover.warehouse.release import release
from idiscover.warehouse.table_changes import ChangeKind, TableChange, table_changes
from idiscover.warehouse.table_shapes import Column, TableShape, normal_type, shape_of, shapes_of, standing_shapes

from tests.unit.metadata_samples import REPOSITORY, sample_catalog

NAMES = st.sampled_from(["id", "name", "fee", "city", "order", "opened"])
TYPES = st.sampled_from(["varchar(18)", "varchar(80)", "varchar(320)", "bigint", "numeric(18, 2)", "date", "boolean"])
COLUMNS = st.dictionaries(NAMES, st.builds(Column, TYPES, st.booleans()), min_size=1)
TABLE = "itg.lab"


@st.composite
def shapes(draw: st.DrawFn) -> TableShape:
    columns = draw(COLUMNS)
    key = draw(st.sampled_from([None, *columns]))
    sort_key = tuple(draw(st.lists(st.sampled_from([*columns]), unique=True, max_size=3)))
    return shape_of(ddl(TableShape(TABLE, columns, key, sort_key))) or pytest.fail("no table")


def ddl(shape: TableShape) -> str:
    lines = [f'    "{name}" {column.type}{" not null" * column.not_null}' for name, column in shape.columns.items()]
    options = [f'diststyle key\ndistkey ("{shape.dist_key}")' if shape.dist_key else "diststyle even"]
    options += [f"sortkey ({', '.join(shape.sort_key)})"] if shape.sort_key else []
    body = ",\n".join(lines)
    head = f"-- a table, (with a comment)\ncreate table if not exists {shape.name} (\n"
    return f"{head}{body}\n)\n{chr(10).join(options)};"


def applied(shape: TableShape, changes: list[TableChange]) -> TableShape:
    """`shape` after statements of Redshift's, read word by word: it knows nothing of the changes' other attributes."""
    columns, dist_key, sort_key = dict(shape.columns), shape.dist_key, shape.sort_key
    for change in changes:
        words = change.sql.removesuffix(";").replace('"', "").split()
        assert words[:3] == ["alter", "table", TABLE]
        match words[3:]:
            case ["add", "column", name, *kind]:
                assert name not in columns
                columns[name] = Column(" ".join(kind))
            case ["alter", "column", name, "type", *kind]:
                columns[name] = replace(columns[name], type=" ".join(kind))
            case other:
                raise AssertionError(other)
    return TableShape(TABLE, columns, dist_key, sort_key)


@settings(max_examples=200, deadline=None)
@given(shapes(), st.lists(shapes(), min_size=1, max_size=4))
def test_whatever_releases_follow_each_other_additions_arrive_and_the_rest_is_told(
    first: TableShape, releases: list[TableShape]
) -> None:
    standing, before = first, first
    for wanted in releases:
        changes = table_changes({TABLE: standing}, {TABLE: wanted}, {TABLE: before})
        blocked = {change.column for change in changes if change.needs_migration}
        standing = applied(standing, [change for change in changes if change.is_automatic])
        for name, column in wanted.columns.items():
            if name not in blocked:
                has = standing.columns[name]
                assert has == column or _is_longer(has, column), name
        for change in changes:
            assert bool(change.why) != change.is_automatic
        again = table_changes({TABLE: standing}, {TABLE: wanted}, {TABLE: wanted})
        assert not [change for change in again if change.is_automatic and change.column not in blocked]
        before = wanted


def _is_longer(has: Column, wanted: Column) -> bool:
    kinds = has.type.partition("(")[0], wanted.type.partition("(")[0]
    return kinds == ("varchar", "varchar") and has.not_null == wanted.not_null and len(has.type) >= len(wanted.type)


@settings(max_examples=100, deadline=None)
@given(shapes())
def test_a_table_is_the_same_from_its_ddl_and_from_the_warehouse(shape: TableShape) -> None:
    rows = [
        ("itg", "lab", name, column.type.replace("varchar", "character varying").replace(", ", ","),
         name == shape.dist_key, shape.sort_key.index(name) + 1 if name in shape.sort_key else 0, column.not_null)
        for name, column in shape.columns.items()
    ]  # fmt: skip
    assert standing_shapes(rows) == {TABLE: shape}
    assert not table_changes(standing_shapes(rows), {TABLE: shape})


def changes(before: str, after: str, released: str | None = None) -> list[TableChange]:
    def table(columns: str) -> Mapping[str, TableShape]:
        return shapes_of([f"create table if not exists itg.lab (\n{columns}\n)\ndistkey (id)\nsortkey (id);"])

    return table_changes(table(before), table(after), table(released) if released else None)


@pytest.mark.parametrize(
    ("before", "after", "kind", "sql"),
    [
        ("id int", "id int, fee bigint not null", ChangeKind.ADD_NOT_NULL, "default … not null"),
        ("id int, fee bigint", "id int, price bigint", ChangeKind.RENAME, 'rename column "fee" to "price";'),
        ("id int, fee bigint", "id int, fee date", ChangeKind.RETYPE, 'rename column "fee__new" to "fee";'),
        ("id int", "id bigint", ChangeKind.RETYPE, "alter table itg.lab__new rename to lab;"),
        ("id int, fee int", "id int, fee int not null", ChangeKind.NULLABILITY, "drop table itg.lab;"),
        ("id int, fee int not null", "id int", ChangeKind.NULLABILITY, 'alter table itg.lab drop column "fee";'),
    ],
)
def test_what_a_person_decides_has_statements_to_start_from(
    before: str, after: str, kind: ChangeKind, sql: str
) -> None:
    (change,) = [change for change in changes(before, after) if change.needs_migration]
    assert change.kind is kind and sql in change.sql and change.why


def test_rows_that_come_beside_a_copy_are_not_lost() -> None:
    """A load that commits between the copy and the drop would be: the table is locked before it is read."""
    (change,) = [change for change in changes("id int, fee int", "id int, fee int not null") if change.needs_migration]
    assert change.sql.startswith("lock itg.lab;\n")


def test_a_copy_takes_what_stands_and_not_what_the_same_release_adds() -> None:
    (change,) = [
        change for change in changes("id int, fee int", "id int, city date, fee int not null") if change.needs_migration
    ]
    assert 'itg.lab__new ("id", "fee")\nselect "id", cast("fee" as integer)\n' in change.sql


def test_the_view_of_entitlements_stands_on_countries_too() -> None:
    shape = TableShape("dm.dim_country", {"a": Column("date")})
    wanted = replace(shape, columns={"a": Column("integer")})
    (change,) = table_changes({shape.name: shape}, {shape.name: wanted})
    assert change.sql.startswith("drop view if exists dm.v_dim_country, dm.v_entitlement;\n")


def test_a_column_that_was_left_over_before_is_no_other_ones_old_name() -> None:
    (added, left) = changes("id int, old bigint", "id int, new bigint", released="id int")
    assert (added.kind, left.kind) == (ChangeKind.ADD_COLUMN, ChangeKind.LEFT_COLUMN)


def test_other_keys_are_planned() -> None:
    standing = TableShape("dm.x", {"a": Column("date"), "b": Column("date")}, "a", ("a",))
    wanted = replace(standing, dist_key=None, sort_key=("b", "a"), ddl="create table dm.x … diststyle all")
    (change,) = table_changes({"dm.x": standing}, {"dm.x": wanted})
    assert change.sql == 'alter table dm.x alter diststyle all, alter sortkey ("b", "a");' and change.needs_migration


def test_every_table_of_a_release_can_be_read() -> None:
    statements = release(sample_catalog(), REPOSITORY / "sql")
    tables = shapes_of(statement.sql for statement in statements)
    assert len(tables) == sum("create table" in statement.sql.split("as $$")[0] for statement in statements)
    lab = tables["itg.lab"]
    assert (lab.dist_key, lab.sort_key) == ("id", ("_country_code", "id"))
    assert lab.columns["order"] == Column("numeric(18, 2)") and lab.columns["_run_id"] == Column("varchar(256)", True)
    assert tables["itg.lab__changes"].columns["change_id"] == Column("bigint", True)


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("VARCHAR", "varchar(256)"), ("Decimal", "numeric(18, 0)"), ("numeric(5,1)", "numeric(5, 1)"),
        ("timestamp without time zone", "timestamp"), ("character(2)", "char(2)"), ("INT8", "bigint"),
        ("double precision", "double precision"), ("timestamp with time zone", "timestamptz"),
    ],
)  # fmt: skip
def test_types_have_one_name(written: str, normal: str) -> None:
    assert normal_type(written) == normal


def test_a_constraint_of_a_table_is_refused_with_a_remedy() -> None:
    with pytest.raises(ConfigError, match="a column of a CREATE TABLE cannot be read"):
        shape_of("create table itg.lab (id int, (x))")


def test_a_history_is_filled_where_it_comes_after_its_table() -> None:
    """Not in a new warehouse, nor of a new object, nor once more with the next release."""
    wanted = shapes_of(statement.sql for statement in release(sample_catalog(), REPOSITORY / "sql"))
    history, table = "itg.result__history", "itg.result"
    before = {name: shape for name, shape in wanted.items() if name != history}
    (fill,) = history_fills(before, wanted, None)
    assert (fill.history, fill.table) == (history, table)
    assert f"insert into {history} (" in fill.sql and "idiscover rebuild result" in fill.described
    assert history_fills(wanted, wanted, before) == [fill], "it stands from an earlier time, and was not written since"
    assert history_fills(wanted, wanted, wanted) == history_fills(wanted, wanted, None) == []
    new_object = {name: shape for name, shape in before.items() if name != table}
    assert history_fills(new_object, wanted, None) == []
    lines = list(plan_migrations((), (), before, wanted, before).lines())
    assert f"would be filled: {fill.described}" in lines and plan_migrations((), (), {}, wanted).fills == ()
