"""What analysts get of the marts: extracts read back by Hyper, and the report; each against PostgreSQL's own word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import tableauhyperapi as hyper
from idiscover.aws import postgres, tableau_publishing
from idiscover.aws import view_rows as reading
from idiscover.aws.hyper import write_extract
from idiscover.aws.job_metadata_checks import CheckResult, StoredResult
from idiscover.aws.report_rows import read_figures
from idiscover.aws.view_rows import view_rows
from idiscover.errors import ConfigError, FatalError
from idiscover.metadata.loading import parse_context
from idiscover.metadata.table_columns import view_columns
from idiscover.plan.tableau import subject_plan
from idiscover.report.figures import ALL, Figures, Rates
from idiscover.report.page import render_report
from idiscover.tableau.data_source import Warehouse, render_data_source
from psycopg2.extensions import connection as Connection

from tests.integration.analyst_marts import CATALOG, REPOSITORY, ROWS, columns_of, filled_marts
from tests.support.tableau_server import SITE, TOKEN_NAME, TOKEN_VALUE, running_tableau

EXACT = """
create table dm.exact (id bigint, whole numeric(38,0), rate numeric(30,6), name varchar(100), is_new boolean, day date,
    at timestamp, small int, share float8);
create view dm.v_exact as select id, whole, rate, name, is_new, day, at, small, share from dm.exact;
create table dm.nothing (id bigint, rate numeric(30,6));
create view dm.v_nothing as select id, rate from dm.nothing;
create view dm.v_inexact as select id, rate / 3 as third from dm.nothing;
insert into dm.exact values
    (1, 99999999999999999999999999999999999999, 123456789012345678901234.123456, 'a "q", b', true, '1700-02-28',
    '9999-12-31 00:00:00.123456', 5, 0.1),
    (2, null, null, '', false, null, null, null, null),
    (3, -1, -0.000001, null, null, '4000-01-01', '1900-01-01 00:00:00', -7, 1e300),
    (4, 0, 0, 'NULL, \\N, 日本 😀', true, '2026-01-01', '2026-01-01 00:00:00', 0, null);
"""
COMPARED = ("dm.dm_testing_uptake", "dm.dm_field_coverage")
COLUMNS = ("id", "whole", "rate", "name", "is_new", "day", "at", "small", "share")


@pytest.fixture(scope="module")
def marts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    with filled_marts(tmp_path_factory.mktemp("marts")) as connection:
        with connection, connection.cursor() as cursor:
            for statement in EXACT.strip().rstrip(";").split(";\n"):
                cursor.execute(statement)
            cursor.execute("update dm.exact set name = name || chr(10) || 'second line' where id = 1")
        yield connection


def _ask(connection: Connection, query: str) -> list[tuple[object, ...]]:
    with connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def _extract(marts: Connection, view: str, columns: tuple[str, ...], file: Path) -> int:
    with view_rows(marts, view, columns) as rows:
        return write_extract(rows, file)


@pytest.fixture(scope="module")
def engine() -> Iterator[hyper.HyperProcess]:
    with hyper.HyperProcess(
        hyper.Telemetry.DO_NOT_SEND_USAGE_DATA_TO_TABLEAU, parameters={"log_config": ""}
    ) as process:
        yield process


def _read(engine: hyper.HyperProcess, file: Path, query: str) -> list[list[object]]:
    with hyper.Connection(engine.endpoint, str(file)) as connection:
        return connection.execute_list_query(query)


def _python(value: object) -> object:
    """Hyper's dates and times reach further than Python's; ours here do not."""
    if isinstance(value, hyper.Timestamp):
        return value.to_datetime()
    return value.to_date() if isinstance(value, hyper.Date) else value


def test_every_value_is_the_same_in_hyper(
    marts: Connection, engine: hyper.HyperProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Digits beyond 18, quotes, line breaks, empty text and null; over several blocks of rows."""
    monkeypatch.setattr(reading, "ROWS_PER_BLOCK", 3)
    file = tmp_path / "exact.hyper"
    assert _extract(marts, "dm.v_exact", COLUMNS, file) == 4
    found = _read(engine, file, 'SELECT * FROM "Extract"."Extract" ORDER BY "id"')
    assert [tuple(map(_python, row)) for row in found] == _ask(marts, "select * from dm.exact order by id")
    assert list(tmp_path.iterdir()) == [file], "what was needed on the way is gone"


def test_a_mart_in_hyper_counts_and_sums_as_in_the_warehouse(
    marts: Connection, engine: hyper.HyperProcess, tmp_path: Path
) -> None:
    table = "dm.dm_testing_uptake"
    columns = tuple(column.name for column in view_columns(CATALOG.tables[table].columns, columns_of(table)))
    file = tmp_path / "uptake.hyper"
    count = _extract(marts, "dm.v_dm_testing_uptake", columns, file)
    sums = (
        "count(*), sum(tested_patients), sum(testing_rate), min(month), count(mean_tat_days),"
        " count(distinct biomarker_name), max(_loaded_at_utc)"
    )
    expected = _ask(marts, f"select {sums} from dm.dm_testing_uptake")[0]
    found = _read(engine, file, f'SELECT {sums} FROM "Extract"."Extract"')[0]
    assert tuple(map(_python, found)) == expected
    assert count == expected[0] > ROWS[table]


def test_an_empty_view_is_an_empty_extract_with_its_columns(
    marts: Connection, engine: hyper.HyperProcess, tmp_path: Path
) -> None:
    file = tmp_path / "nothing.hyper"
    assert _extract(marts, "dm.v_nothing", ("id", "rate"), file) == 0
    assert _read(engine, file, 'SELECT COUNT(*), SUM("rate") FROM "Extract"."Extract"') == [[0, None]]


@pytest.mark.parametrize("name", ["labs.csv", "labs"])
def test_a_file_may_be_called_as_one_likes(
    name: str, marts: Connection, engine: hyper.HyperProcess, tmp_path: Path
) -> None:
    assert _extract(marts, "dm.v_exact", COLUMNS, tmp_path / name) == 4
    assert _read(engine, tmp_path / name, 'SELECT COUNT(*) FROM "Extract"."Extract"') == [[4]]


def test_what_goes_wrong_leaves_the_old_extract_in_place(marts: Connection, tmp_path: Path) -> None:
    file = tmp_path / "old.hyper"
    file.write_bytes(b"the old one")
    with pytest.raises(ConfigError, match=r"no exact counterpart(.|\n)*key: third"):
        _extract(marts, "dm.v_inexact", ("id", "third"), file)
    with pytest.raises(FatalError, match="refuses a statement"):
        _extract(marts, "dm.v_nowhere", ("id",), file)
    with pytest.raises(ConfigError, match="no folder to write to"):
        _extract(marts, "dm.v_nothing", ("id",), tmp_path / "nowhere" / "x.hyper")
    with pytest.raises(ConfigError, match=r"cannot be written(.|\n)*Is a directory"):
        _extract(marts, "dm.v_nothing", ("id",), tmp_path)
    assert file.read_bytes() == b"the old one" and list(tmp_path.iterdir()) == [file]


def test_what_hyper_loses_while_it_closes_a_file_is_noticed(
    marts: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a disk that fills up then: Hyper says nothing, and the file is an empty database."""
    connection = hyper.Connection

    @contextmanager
    def losing(endpoint: object, file: str, mode: hyper.CreateMode = hyper.CreateMode.NONE) -> Iterator[object]:
        with connection(endpoint, file, mode) as found:
            yield found
        if mode is hyper.CreateMode.CREATE:
            connection(endpoint, file, hyper.CreateMode.CREATE_AND_REPLACE).close()

    file = tmp_path / "old.hyper"
    file.write_bytes(b"the old one")
    monkeypatch.setattr(hyper, "Connection", losing)
    with pytest.raises(FatalError, match=r"cannot write the extract(.|\n)*disk is full"):
        _extract(marts, "dm.v_exact", COLUMNS, file)
    assert file.read_bytes() == b"the old one" and list(tmp_path.iterdir()) == [file]


def test_the_report_shows_what_the_marts_hold(marts: Connection) -> None:
    figures = read_figures(marts, "tests", [])
    months = "month between '2025-01-01' and '2025-12-31'"
    ((eligible, tested),) = _ask(
        marts, f"select sum(eligible_patients), sum(tested_patients) from dm.dm_testing_uptake where {months}"
    )
    rates = Rates.of((row.country_code, row.month, row.tested, row.eligible) for row in figures.uptake)
    assert sum(row.eligible for row in figures.uptake) == eligible > 0
    assert rates.over(ALL, rates.months) == Decimal(str(tested)) / Decimal(str(eligible))
    ((objectives, met),) = _ask(marts, "select sum(objectives), sum(objectives_met) from dm.dm_objective_attainment")
    assert (sum(row.objectives for row in figures.objectives), sum(row.met for row in figures.objectives)) == (
        objectives,
        met,
    )
    ((covered, visits),) = _ask(marts, "select sum(labs_covered), sum(visits) from dm.dm_field_coverage")
    assert (sum(row.covered for row in figures.coverage), sum(row.visits for row in figures.coverage)) == (
        covered,
        visits,
    )
    assert len(figures.freshness) == ROWS["dm.dm_data_freshness"]


def test_the_report_needs_nothing_but_a_browser_and_names_nobody(marts: Connection) -> None:
    page = render_report(read_figures(marts, "tests", []))
    assert not re.search(r"<script|<link|<img|src=|href=|url\(|@import|https?:", page)
    assert page.count("<svg") == 7 and len(page) < 300_000
    assert "territory_name" not in page and "owner_id" not in page, "made-up names begin with their column's"


def test_an_empty_warehouse_has_a_report_too() -> None:
    empty = Figures("tests", datetime(2026, 1, 6), {}, (), (), (), (), (), ())
    assert render_report(empty).count("nothing to show yet</text>") == 7


class _Unclosed:
    """The connection of the module's fixture, which outlives who borrows it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)

    def __enter__(self) -> object:
        return self._connection.__enter__()

    def __exit__(self, *raised: object) -> None:
        self._connection.__exit__(*raised)  # type: ignore[arg-type]

    def close(self) -> None:
        """Not now."""


def test_what_is_published_is_what_the_repository_renders(
    marts: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With types from the warehouse, as on MWAA, where there is no sql/; and what is known of the table's state."""
    place = REPOSITORY / "context" / "local.yaml"
    context = parse_context(place.read_text(encoding="utf-8"), str(place))
    context = context.model_copy(update={"secrets": context.secrets.model_copy(update={"tableau": "tableau"})})
    check = CheckResult("unique_key", "unique_key", "warn", 3, ("qz7",))
    failed = StoredResult("dm.dm_testing_uptake", check, "DE", "run", date(2026, 1, 5), datetime(2026, 1, 6))
    ((rows, loaded_at),) = _ask(marts, "select count(*), max(_loaded_at_utc) from dm.v_dm_testing_uptake")
    with marts, marts.cursor() as cursor:  # one row tells of the load that stands, one of another
        for number, (table, at) in enumerate(zip(COMPARED, (loaded_at, datetime(2020, 1, 1)), strict=True)):
            cursor.execute(
                "update dm.dm_data_freshness set table_name = %s, source_table = 'itg.x', source_live_rows = 7,"
                " status = 'Different', loaded_at_utc = %s where table_rows = %s",
                [table, at, 48 + number],  # each number of rows stands there once
            )
            assert cursor.rowcount == 1
    with running_tableau(tmp_path) as (address, authority, state):
        warehouse = {"host": "warehouse.example.com", "port": "5439", "dbname": "idiscover"}
        server = {"server": address, "token_name": TOKEN_NAME, "token_value": TOKEN_VALUE, "site": SITE}
        secrets = {"tableau": server, context.secrets.redshift: warehouse}
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
        monkeypatch.setattr(tableau_publishing, "read_secret", lambda name, _region: secrets[name])
        monkeypatch.setattr(tableau_publishing, "open_job_metadata", lambda _context: nullcontext())
        monkeypatch.setattr(tableau_publishing, "newest_failures", lambda _metadata: [failed])
        monkeypatch.setattr(postgres, "connect", lambda _secret, _where: _Unclosed(marts))
        told: list[str] = []
        plans = [subject_plan(subject, CATALOG, context) for subject in CATALOG.subjects.values()]
        tableau_publishing.publish_subjects(plans, context, told.append)
    address_of = Warehouse("warehouse.example.com", 5439, "idiscover")
    for subject in CATALOG.subjects.values():
        columns = view_columns(CATALOG.tables[subject.table].columns, columns_of(subject.table))
        assert state.source(subject.title).text == render_data_source(subject, columns, address_of)
        assert state.source(subject.title).login is None
    uptake, coverage = state.source("Testing uptake"), state.source("Field coverage")
    assert len(told) == len(CATALOG.subjects)
    assert f"{rows:,} rows" in uptake.note and "unique_key in DE" in uptake.note and "qz7" not in uptake.note
    assert "Compared with itg.x (7 live rows): Different." in uptake.note and uptake.warning is not None
    assert "Not compared with its source yet." in coverage.note and "Different" not in coverage.note
    assert coverage.warning is None, "the comparison is of another load"
    of_freshness = state.source("Data freshness").note
    assert of_freshness == "Loaded 2026-01-06 02:00:37 UTC, 38 rows. No check has failed.", "it has no row of itself"
