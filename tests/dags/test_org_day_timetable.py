"""When extractions run: by the scheduler, in a backfill, by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pendulum
import pytest
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction
from hypothesis import given
from hypothesis import strategies as st
from idiscover.orchestration.timetable import OrgDayTimetable

DAY = timedelta(days=1)


def at(*parts: int) -> pendulum.DateTime:
    return pendulum.datetime(*parts, tz="UTC")


def serialized(timetable: OrgDayTimetable) -> DAG:
    """The DAG as scheduler and backfill see it: read back from its serialized form."""
    dag = DAG("probe", schedule=timetable, start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False)
    return DagSerialization.from_dict(DagSerialization.to_dict(dag))


def test_the_scheduler_finds_no_run_where_schedules_start_nothing() -> None:
    dag = serialized(OrgDayTimetable("0 0 * * *", starts_runs=False))
    assert dag.next_dagrun_info(last_automated_run_info=None) is None
    last = DagRunInfo.interval(start=at(2026, 1, 5), end=at(2026, 1, 6))
    assert dag.next_dagrun_info(last_automated_run_info=last) is None, "not after a backfill either"


def test_the_scheduler_runs_the_latest_whole_day_where_schedules_start_runs() -> None:
    dag = serialized(OrgDayTimetable("0 0 * * *", starts_runs=True))
    info = dag.next_dagrun_info(last_automated_run_info=None)
    today = pendulum.now("UTC").start_of("day")
    assert info is not None and info.data_interval is not None
    assert info.data_interval.end in (today, today.subtract(days=1)), (
        "the last complete day, around midnight the one before"
    )
    assert info.data_interval.end - info.data_interval.start == DAY
    assert info.run_after == info.data_interval.end
    following = dag.next_dagrun_info(last_automated_run_info=info)
    assert following is not None and following.data_interval is not None
    assert following.data_interval.start == info.data_interval.end, "days follow each other without a gap"


@pytest.mark.parametrize("starts_runs", [True, False])
def test_a_backfill_gets_each_day_once(starts_runs: bool) -> None:
    dag = serialized(OrgDayTimetable("0 0 * * *", starts_runs))
    assert dag.timetable.periodic is True
    infos = list(dag.iter_dagrun_infos_between(at(2026, 1, 5), at(2026, 1, 8)))
    starts = [info.data_interval.start for info in infos]
    assert starts == [at(2026, 1, 5), at(2026, 1, 6), at(2026, 1, 7), at(2026, 1, 8)]
    assert all(info.data_interval.end - info.data_interval.start == DAY for info in infos)
    assert [info.logical_date for info in infos] == starts


def test_a_manual_run_gets_the_last_whole_day() -> None:
    interval = OrgDayTimetable("0 0 * * *", False).infer_manual_data_interval(run_after=at(2026, 1, 6, 13, 45))
    assert interval == DataInterval(start=at(2026, 1, 5), end=at(2026, 1, 6))


def test_a_rest_run_at_a_days_midnight_keeps_what_it_is_given() -> None:
    """What the laptop does: logical_date and both ends of the interval are given, nothing is inferred."""
    dag = serialized(OrgDayTimetable("0 0 * * *", False))
    assert dag.timetable.infer_manual_data_interval(run_after=at(2026, 1, 6)).start == at(2026, 1, 5)


def test_the_two_kinds_differ_and_say_so() -> None:
    starts, rests = OrgDayTimetable("0 0 * * *", True), OrgDayTimetable("0 0 * * *", False)
    assert starts != rests and starts == OrgDayTimetable("0 0 * * *", True)
    assert starts.summary == "0 0 * * *" and "starts nothing" in rests.summary
    assert "00:00" in starts.description and "by hand" in rests.description


@given(st.sampled_from(["0 0 * * *", "30 1 * * *", "0 */6 * * *", "0 3 * * 1"]), st.booleans())
def test_serialized_and_back(cron: str, starts_runs: bool) -> None:
    timetable = OrgDayTimetable(cron, starts_runs)
    restored = OrgDayTimetable.deserialize(timetable.serialize())
    assert restored == timetable and restored.summary == timetable.summary


@given(st.sampled_from(["0 0 * * *", "30 1 * * *", "0 */6 * * *", "0 3 * * 1"]), st.integers(0, 3_000_000))
def test_intervals_tile_time(cron: str, offset_minutes: int) -> None:
    """From any start, runs of a backfill leave no moment out and take none twice."""
    timetable = OrgDayTimetable(cron, False)
    start = at(2020, 1, 1).add(minutes=offset_minutes)
    restriction = TimeRestriction(earliest=start, latest=start.add(days=40), catchup=True)
    info, end = None, None
    for _ in range(6):
        info = timetable.next_dagrun_info_v2(last_dagrun_info=info, restriction=restriction)
        if info is None:
            break
        assert info.data_interval is not None
        assert info.data_interval.start < info.data_interval.end
        assert info.data_interval.start >= start if end is None else info.data_interval.start == end
        end = info.data_interval.end
    assert end is not None
