"""From a simulator's state: each read as the simulator itself answered it, and tables that hold what the org holds."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path

import pytest

from local.salesforce import schema
from local.salesforce.events import iter_events
from local.salesforce.fields import SObject
from local.salesforce.org import Org
from local.salesforce.request_log import insert_read
from local.salesforce.soql.execution import bind
from local.salesforce.store import Store
from local.salesforce.times import to_iso
from tests import oracle
from tests.oracle.arithmetic import total
from tests.oracle.dm.common import UNKNOWN
from tests.oracle.dm.history import BEGINNING, END
from tests.oracle.itg_columns import COLUMNS
from tests.oracle.org_state import FORMULA
from tests.oracle.replay import bulk_reads
from tests.oracle.samples import FIELDS
from tests.oracle.shapes import Row, Tables

DAY_0 = date(2026, 1, 5)
NIGHTS = 5
LOOKBACK = timedelta(hours=12)
WHOLE = ("RecordType", "UserTerritory2Association", "Lab_Capability__c")
TABLES = {name: table for table, (name, _) in COLUMNS.items()}


@dataclass(frozen=True)
class Past:
    """A state in which an org lived on, and was read each night."""

    state_dir: Path
    org: Org
    answers: dict[str, list[Row]]  # job id → the rows of its result, by the names of fields

    def order_date(self, night: int) -> date:
        """The day that a night's reads close."""
        return DAY_0 + timedelta(days=night)


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """Five nights of an org of 4,000 rows: windows and Ids, whole reads where the metadata say so."""
    state_dir = tmp_path_factory.mktemp("org")
    store = Store(state_dir)
    org = Org(store, scale=0.02)
    answers: dict[str, list[Row]] = {}
    for night in range(NIGHTS):
        if night:
            org.advance(1)
        for sobject in schema.OBJECTS.values():
            for soql in _queries(sobject, org, night):
                job_id = f"750{len(answers)}"
                answers[job_id] = _read(store, org, sobject, soql, job_id)
    yield Past(state_dir, org, answers)
    store.close()


@pytest.fixture(scope="module")
def tables(past: Past) -> Tables:
    """What the oracle makes of all nights."""
    return oracle.compute(past.state_dir, past.order_date(NIGHTS - 1))


def _queries(sobject: SObject, org: Org, night: int) -> list[str]:
    select = f"SELECT {', '.join(FIELDS[sobject.name])} FROM {sobject.name}"
    if sobject.name in WHOLE:
        return [select]
    now = org.clock.now()
    start = "2015-01-01T00:00:00Z" if night == 0 else to_iso(now - timedelta(days=1) - LOOKBACK)
    window = f"{select} WHERE SystemModstamp >= {start} AND SystemModstamp < {to_iso(now)}"
    return [window, f"SELECT Id FROM {sobject.name}"]


def _read(store: Store, org: Org, sobject: SObject, soql: str, job_id: str) -> list[Row]:
    """What the simulator answers, logged as a Bulk job's read, and the counting of it, which brings no rows."""
    view, bound = org.view(), bind(soql)
    records = bound.select(view, with_deleted=sobject.has_is_deleted)
    operation = "queryAll" if sobject.has_is_deleted else "query"
    with store.transaction() as connection:
        for kind, of_job in (("bulk", job_id), ("count", None)):
            what = (to_iso(view.as_of), kind, operation, sobject.name, soql)
            insert_read(connection, what, bound.window, of_job, len(records))
    getters = [(column.path[-1], column.getter()) for column in bound.columns]
    return [{name: get(record, view.records) for name, get in getters} for record in records]


def test_each_read_brought_what_the_simulator_answered(past: Past) -> None:
    sights = list(oracle.look_at_state(past.state_dir, bulk_reads(past.state_dir, past.order_date(NIGHTS))))
    assert len(sights) == len(past.answers) == NIGHTS * (2 * 13 + 3)
    for sight in sights:
        answer = past.answers[str(sight.read.job_id)]
        if sight.ids is not None:
            assert set(sight.ids) == {row["Id"] for row in answer}
        if "WHERE" in sight.read.soql or sight.read.object in WHOLE:
            shown = {row["Id"]: {field: row[field] for field in answer[0]} for row in sight.records.values()}
            assert shown == {row["Id"]: row for row in answer}
        else:
            assert sight.records == {}


@pytest.mark.parametrize("name", schema.OBJECTS)
def test_itg_is_the_org(past: Past, tables: Tables, name: str) -> None:
    here = {key: row.get("IsDeleted") for key, row in past.org.view().records[name].items()}
    assert len(here) > 2
    assert {row["id"]: row.get("is_deleted") for row in tables[TABLES[name]]} == here


def test_what_hurts_has_happened(past: Past) -> None:
    """Else the tests above would prove little."""
    now = to_iso(past.org.clock.now())
    events = [one for one in iter_events(past.state_dir) if one.committed_at <= now]
    kinds = {one.kind.value for one in events}
    assert kinds == {"insert", "update", "delete", "undelete", "purge"}
    assert any(one.system_modstamp[:10] < one.committed_at[:10] for one in events)
    reads = [past.answers[key] for key, rows in past.answers.items() if rows and FORMULA in rows[0]]
    formulas = [{row["Id"]: (row["SystemModstamp"], row[FORMULA]) for row in rows} for rows in reads]
    changed = [key for key, value in formulas[0].items() if formulas[-1].get(key, value)[1] != value[1]]
    assert any(formulas[-1][key][0] == formulas[0][key][0] for key in changed)


def test_every_table_has_rows_and_its_grain_holds(tables: Tables) -> None:
    assert [table for table, rows in tables.items() if not rows] == []
    assert len(tables) == 16 + 2 + 23
    # A table against itself: no row stands there twice, and every grain is known.
    assert oracle.compare(tables, tables) == []


@pytest.mark.parametrize(("table", "key"), [("dm.dim_lab", "lab_id"), ("dm.dim_hcp", "hcp_key")])
def test_histories_are_without_gap_or_overlap(tables: Tables, table: str, key: str) -> None:
    ordered = sorted(tables[table], key=lambda row: (str(row[key]), str(row["valid_from"])))
    histories = [list(rows) for _, rows in groupby(ordered, key=lambda row: row[key])]
    assert any(len(rows) > 1 for rows in histories)
    for rows in histories:
        bounds = [BEGINNING, *(row["valid_to"] for row in rows)]
        assert [row["valid_from"] for row in rows] == bounds[:-1] and bounds[-1] == END
        assert bounds == sorted(set(bounds))  # type: ignore[type-var]
        assert [row["is_current"] for row in rows] == [False] * (len(rows) - 1) + [True]
        assert len({row["country_code"] for row in rows}) == 1


def test_keys_of_facts_point_to_members_of_the_same_slice(tables: Tables) -> None:
    labs = {(row["country_code"], row["lab_id"]) for row in tables["dm.dim_lab"]}
    found = 0
    for table in sorted(tables.keys() - {"dm.dim_lab"}):
        if table.startswith("dm.") and "lab_id" in tables[table][0]:
            known = [row for row in tables[table] if row["lab_id"] != UNKNOWN]
            assert {(row["country_code"], row["lab_id"]) for row in known} <= labs
            found += len(known)
    assert found > 1000
    days = {row["date_key"] for row in tables["dm.dim_date"]}
    assert {row["interaction_date_key"] for row in tables["dm.fact_interaction"]} <= days
    countries = {row["iso_country_code"] for row in tables["dm.dim_country"]}
    for table, rows in tables.items():
        if table.startswith("dm."):
            assert {row["country_code"] for row in rows} <= countries


def test_marts_lose_nothing_on_the_way(tables: Tables) -> None:
    for column in ("eligible_patients", "tested_patients", "positive_patients"):
        of_facts, of_cells = (
            total(row[column] for row in tables[f"dm.{table}"])
            for table in ("fact_testing_volume", "dm_testing_uptake")
        )
        assert of_facts == of_cells > 0
    agreed = {"Open", "Met", "Missed"}
    current = [row for row in tables["dm.fact_lab_objective"] if row["is_current"] and not row["is_deleted"]]
    objectives = [row["objectives"] for row in tables["dm.dm_objective_attainment"]]
    assert sum(objectives) == sum(row["status"] in agreed for row in current)  # type: ignore[arg-type]
    assert "Different" not in {row["status"] for row in tables["dm.dm_data_freshness"]}


def test_the_day_and_the_lost_jobs_bound_what_is_seen(past: Past) -> None:
    first = oracle.compute(past.state_dir, past.order_date(0))
    later = oracle.compute(past.state_dir, past.order_date(1))
    assert oracle.compare(first, later) != []
    lost = [
        read.job_id for read in bulk_reads(past.state_dir, past.order_date(1)) if read.org_time[:10] == "2026-01-07"
    ]
    again = oracle.compute(past.state_dir, past.order_date(1), [str(job_id) for job_id in lost])
    itg = {name: rows for name, rows in first.items() if name.startswith("itg.")}
    assert lost and oracle.compare(itg, again) == []


def test_nothing_is_there_without_a_state(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        oracle.compute(tmp_path, DAY_0)
