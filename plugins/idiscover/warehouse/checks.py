"""Declared checks as SQL: each is one SELECT of `sample_key`, a row for whatever breaks the check; none where it holds.

Only the slices that a refresh has written are read, and in itg, which a refresh changes row by row, only the rows that
it wrote: a check costs what has changed. Two read more, as they cannot do without: a key has to be looked for in all
slices, and a reference in all of the table that it points to, unless it is of the same slice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from idiscover.errors import FatalError
from idiscover.metadata.expressions import parse_condition
from idiscover.metadata.models import (
    AcceptedValues,
    Expression,
    ForeignKey,
    Freshness,
    NotNull,
    Reconciliation,
    RowCount,
    Sum,
    TableCheck,
    UniqueKey,
)
from idiscover.metadata.reserved_words import REDSHIFT_RESERVED_WORDS
from idiscover.metadata.table_checks_spec import REFERENCE_SLICE
from idiscover.warehouse.types import quoted

SAMPLE_SIZE = 10  # keys that are told of what breaks a check
_UNION = "\nunion all\n"
# Words that cannot be names of columns in PostgreSQL, beside those that cannot in Redshift.
_WORDS_OF_POSTGRESQL = frozenset(
    {"array", "asymmetric", "do", "fetch", "lateral", "returning", "symmetric", "variadic", "window"}
)


@dataclass(frozen=True)
class Written:
    """What a refresh has written, as its checks need to know it.

    Attributes:
        table: with its schema.
        grain: columns that tell one row from another; they are what is told of a row.
        countries: the slices, replaced in one transaction.
        as_of_date: order date of the refresh.
        run_id: of the run.
        rows_before: rows that the slices had before; a country without any may be missing.
    """

    table: str
    grain: tuple[str, ...]
    countries: tuple[str, ...]
    as_of_date: date
    run_id: str
    rows_before: Mapping[str, int]


def failing_sql(check: TableCheck, written: Written) -> str:
    """A SELECT of `sample_key` (text): the key of each row that breaks the check, or a figure of each slice."""
    render: Callable[[TableCheck, Written], str] = _RENDERERS[type(check)]
    return render(check, written)


@dataclass(frozen=True)
class Question:
    """A SELECT of one row: for each of these checks how much breaks it."""

    checks: tuple[TableCheck, ...]
    sql: str


def questions(checks: Sequence[TableCheck], written: Written) -> list[Question]:
    """As few SELECTs as count everything: one scan for all that is said of single rows, one more for the rest.

    What compares with the rows before stands apart, as its text is another each time: a warehouse knows the others.
    """
    by_row = tuple(check for check in checks if type(check) in _BREAKS)
    before = tuple(check for check in checks if isinstance(check, RowCount))
    others = tuple(check for check in checks if check not in (*by_row, *before))
    found = [Question(by_row, _count_rows(by_row, written))] if by_row else []
    return [*found, *(Question(group, _count_each(group, written)) for group in (others, before) if group)]


def _count_rows(checks: Sequence[TableCheck], written: Written) -> str:
    counts = [f"count(case when {_BREAKS[type(check)](check)} then 1 end) as {check.label}_failing" for check in checks]
    return f"{_select(counts)}\nfrom {written.table}\nwhere\n{indented(_rows(written))}"


def _count_each(checks: Sequence[TableCheck], written: Written) -> str:
    counts = [
        f"(\n    select count(*) as failing_count\n    from (\n{indented(indented(failing_sql(check, written)))}\n"
        f"    ) as failing\n) as {check.label}_failing"
        for check in checks
    ]
    return _select(counts)


def _select(columns: Sequence[str]) -> str:
    return f"select {columns[0]}" if len(columns) == 1 else f"select\n{indented(_lines(columns))}"


def sample_sql(check: TableCheck, written: Written) -> str:
    """The first few of what breaks a check, in the order of their text."""
    found = indented(failing_sql(check, written))
    return f"select sample_key\nfrom (\n{found}\n) as failing\norder by sample_key\nlimit {SAMPLE_SIZE}"


def rows_sql(table: str, countries: Sequence[str] | None) -> str:
    """A SELECT of country and number of rows of the slices that have any; of all where none are named."""
    slice_column = slice_of(table)
    where = "" if countries is None else f"\nwhere {_in(slice_column, countries)}"
    return f"select\n    {slice_column},\n    count(*) as rows_before\nfrom {table}{where}\ngroup by {slice_column}"


def slice_of(table: str) -> str:
    """The column that says which slice a row belongs to."""
    return "_country_code" if table.startswith("itg.") else "country_code"


def literal(text: str) -> str:
    """`text` in single quotes. Redshift and PostgreSQL differ in what a backslash means, and nothing here needs one."""
    if "\\" in text or "\x00" in text:
        raise FatalError("a text cannot be written into the SQL of a check", got=repr(text), expected="no backslash")
    return "'" + text.replace("'", "''") + "'"


def indented(sql: str) -> str:
    """`sql` one level deeper."""
    return "\n".join(f"    {line}" if line else line for line in sql.splitlines())


def _unique_key(check: UniqueKey, written: Written) -> str:
    columns = check.columns or written.grain
    key = [_name(column) for column in columns]
    if check.scope == "slice" or slice_of(written.table) in columns:  # another slice cannot have the same key
        return (
            f"select {_key(columns)} as sample_key\nfrom {written.table}\nwhere {_slices(written)}\n"
            f"group by {', '.join(key)}\nhaving count(*) > 1"
        )
    same = " and ".join(f"standing.{column} = written.{column}" for column in key)
    listed = f" {key[0]}" if len(key) == 1 else f"\n{indented(_lines(key))}"
    keys = f"select distinct{listed}\nfrom {written.table}\nwhere\n{indented(_rows(written))}"
    return (
        f"with written as (\n{indented(keys)}\n)\n\n"
        f"select {_key(columns, 'standing')} as sample_key\nfrom {written.table} as standing\n"
        f"inner join written on {same}\n"
        f"group by {', '.join(f'standing.{column}' for column in key)}\nhaving count(*) > 1"
    )


def _rows_that(check: TableCheck, written: Written) -> str:
    """A check of single rows."""
    return (
        f"select {_key(written.grain)} as sample_key\nfrom {written.table}\nwhere\n{indented(_rows(written))}\n"
        f"    and {_BREAKS[type(check)](check)}"
    )


def _has_null(check: NotNull) -> str:
    missing = [f"{_name(column)} is null" for column in check.columns]
    return missing[0] if len(missing) == 1 else f"({' or '.join(missing)})"


def _is_not_accepted(check: AcceptedValues) -> str:
    return f"{_name(check.column)} not in ({', '.join(_value(value) for value in check.values)})"


def _does_not_hold(check: Expression) -> str:
    return f"not ({parse_condition(check.holds).sql(_name)})"


def _foreign_key(check: ForeignKey, written: Written) -> str:
    column, key = f"written.{_name(check.column)}", f"referenced.{_name(check.key)}"
    on = [f"{column} = {key}"]
    if check.slices == "same":
        ours, theirs = f"written.{slice_of(written.table)}", f"referenced.{slice_of(check.references)}"
        on += [f"{ours} = {theirs}", _in(theirs, written.countries)]
    where = [_rows(written, "written"), f"{column} is not null", f"{key} is null"]
    if check.allow:
        where.append(f"{column} not in ({', '.join(map(literal, check.allow))})")
    if check.rows is not None:
        where.append(f"({parse_condition(check.rows).sql(lambda name: f'written.{_name(name)}')})")
    joined = f" on {on[0]}" if len(on) == 1 else "\n    on\n        " + "\n        and ".join(on)
    conditions = indented("\nand ".join(where))
    return (
        f"select {_key(written.grain, 'written')} as sample_key\nfrom {written.table} as written\n"
        f"left join {check.references} as referenced{joined}\nwhere\n{conditions}"
    )


def _row_count(check: RowCount, written: Written) -> str:
    before = _UNION.join(
        f"select\n    {literal(country)} as country_code,\n"
        # of a literal the warehouse makes an integer, which 43 million rows times 50 percent do not fit into
        f"    cast({_rows_before(check, country, written):d} as bigint) as rows_before"
        for country in written.countries
    )
    bounds = []
    if check.min_percent is not None:
        bounds.append(f"coalesce(counted.rows_now, 0) * 100 < earlier.rows_before * {check.min_percent:d}")
    if check.max_percent is not None:
        bounds.append(f"coalesce(counted.rows_now, 0) * 100 > earlier.rows_before * {check.max_percent:d}")
    slice_column, least = slice_of(written.table), f"{check.from_rows:d}"
    now = (
        f"select\n    {_as_country(slice_column)},\n    count(*) as rows_now\nfrom {written.table}\n"
        f"where {_slices(written)}\ngroup by {slice_column}"
    )
    return f"""with earlier as (
{indented(before)}
),

counted as (
{indented(now)}
)

select
    earlier.country_code
    || ': '
    || cast(coalesce(counted.rows_now, 0) as varchar)
    || ' rows, '
    || cast(earlier.rows_before as varchar)
    || ' before' as sample_key
from earlier
left join counted on earlier.country_code = counted.country_code
where
    earlier.rows_before > 0
    and (earlier.rows_before >= {least} or counted.rows_now >= {least})
    and {_any(bounds)}"""


def _rows_before(check: RowCount, country: str, written: Written) -> int:
    """0 for a slice that is not compared."""
    is_compared = check.slices == "all" or country != REFERENCE_SLICE
    return written.rows_before.get(country, 0) if is_compared else 0


def _freshness(check: Freshness, written: Written) -> str:
    column, slice_column = _name(check.column), slice_of(written.table)
    oldest = written.as_of_date + timedelta(days=1 - check.at_most_days)
    others = "" if check.slices == "all" else f"\n    and {slice_column} <> {literal(REFERENCE_SLICE)}"
    return f"""select {slice_column} || ': newest ' || coalesce(cast(max({column}) as varchar), 'none') as sample_key
from {written.table}
where
    {_slices(written)}{others}
group by {slice_column}
having max({column}) is null or max({column}) < date {literal(oldest.isoformat())}"""


def _reconciliation(check: Reconciliation, written: Written) -> str:
    here = _side(check, written.table, written.countries, is_source=False)
    there = _side(check, check.source, written.countries, is_source=True)
    sides = [here, there]
    if check.unknown_member and REFERENCE_SLICE in written.countries:
        lines = [f"{literal(REFERENCE_SLICE)} as country_code", "0 as rows_here", "1 as rows_there"]
        lines += [f"0 as sum_{number}_{side}" for number in _numbers(check.sums) for side in ("here", "there")]
        sides.append(f"select\n{indented(_lines(lines))}")
    names = [f"rows_{side}" for side in ("here", "there")]
    names += [f"sum_{number}_{side}" for number in _numbers(check.sums) for side in ("here", "there")]
    totals = ",\n        ".join(f"sum({name}) as {name}" for name in names)
    measures = [("rows", "rows")] * check.rows
    measures += [(item.column, f"sum_{number}") for number, item in enumerate(check.sums, start=1)]
    compared = _UNION.join(
        f"select\n    country_code\n    || ' {label}: '\n    || cast({name}_here as varchar)\n    || ' here, '\n"
        f"    || cast({name}_there as varchar)\n    || ' in {check.source}' as sample_key\n"
        f"from totals\nwhere {name}_here <> {name}_there"
        for label, name in measures
    )
    return f"""with sides as (
{indented(_UNION.join(sides))}
),

totals as (
    select
        country_code,
        {totals}
    from sides
    group by country_code
)

{compared}"""


def _side(check: Reconciliation, table: str, countries: Sequence[str], *, is_source: bool) -> str:
    """Rows and sums per slice of one of the two tables; those of the other are 0."""
    slice_column, zero = slice_of(table), "0"
    rows = ("0", "count(*)") if is_source else ("count(*)", "0")
    lines = [_as_country(slice_column), f"{rows[0]} as rows_here", f"{rows[1]} as rows_there"]
    for number, item in enumerate(check.sums, start=1):
        value = f"coalesce(sum({_summed(item, is_source=is_source)}), 0)"
        lines.append(f"{zero if is_source else value} as sum_{number}_here")
        lines.append(f"{value if is_source else zero} as sum_{number}_there")
    condition = check.source_rows if is_source else check.target_rows
    where = f" {_in(slice_column, countries)}"
    if condition is not None:
        where = f"\n   {where}\n    and ({parse_condition(condition).sql(_name)})"
    return f"select\n{indented(_lines(lines))}\nfrom {table}\nwhere{where}\ngroup by {slice_column}"


def _summed(item: Sum, *, is_source: bool) -> str:
    if is_source and item.source_expression is not None:
        return parse_condition(item.source_expression).sql(_name)
    return _name(item.source_column or item.column if is_source else item.column)


def _numbers(sums: Sequence[Sum]) -> range:
    return range(1, len(sums) + 1)


def _rows(written: Written, alias: str = "") -> str:
    """Which rows a refresh wrote. In dm it replaces slices; in itg it writes rows, and they bear its run."""
    slices = _slices(written, alias)
    if not written.table.startswith("itg."):
        return slices
    return f"{slices}\nand {_qualified('_run_id', alias)} = {literal(written.run_id)}"


def _slices(written: Written, alias: str = "") -> str:
    return _in(_qualified(slice_of(written.table), alias), written.countries)


def _qualified(column: str, alias: str) -> str:
    return f"{alias}.{column}" if alias else column


def _in(column: str, countries: Sequence[str]) -> str:
    return f"{column} in ({', '.join(map(literal, sorted(countries)))})"


def _any(conditions: Sequence[str]) -> str:
    """One of several conditions, as a part of a list that is joined by `and`."""
    if len(conditions) == 1:
        return conditions[0]
    return "(\n        {}\n    )".format("\n        or ".join(conditions))


def _lines(items: Sequence[str]) -> str:
    return ",\n".join(items)


def _as_country(column: str) -> str:
    return column if column == "country_code" else f"{column} as country_code"


def _name(column: str) -> str:
    """A column as SQL writes it: people read these queries, so that only reserved words are quoted."""
    is_reserved = column in REDSHIFT_RESERVED_WORDS or column in _WORDS_OF_POSTGRESQL
    return quoted(column) if is_reserved else column


def _key(columns: Sequence[str], alias: str = "") -> str:
    """A row's key as one text."""
    return " || '|' || ".join(f"cast({_qualified(_name(column), alias)} as varchar)" for column in columns)


def _value(value: str | bool | int) -> str:
    return str(value).lower() if isinstance(value, bool) else literal(value) if isinstance(value, str) else f"{value:d}"


# What is wrong with a row that breaks a check, for checks that look at single rows.
_BREAKS: Mapping[type, Callable[..., str]] = {
    NotNull: _has_null,
    AcceptedValues: _is_not_accepted,
    Expression: _does_not_hold,
}
_RENDERERS: Mapping[type, Callable[..., str]] = {
    UniqueKey: _unique_key,
    NotNull: _rows_that,
    AcceptedValues: _rows_that,
    ForeignKey: _foreign_key,
    RowCount: _row_count,
    Freshness: _freshness,
    Reconciliation: _reconciliation,
    Expression: _rows_that,
}
