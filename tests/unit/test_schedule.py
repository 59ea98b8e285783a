"""The simulated schedule against what it can be neither faster nor smaller than."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.schedule import LONG_REQUESTS, Settings, main, schedule

SETTINGS = Settings(
    rows=1_000_000,
    bytes_per_row=515,
    cores=4,
    rows_per_core=100_000,
    parallel_jobs=3,
    parallel_pages=8,
    rows_per_job=200_000,
    page_rows=20_000,
    job_rows_per_second=50_000,
    calls_a_day=100_000,
    price_per_core_hour=0.05,
)


@given(
    st.integers(1, 5_000_000),
    st.integers(1, 64),
    st.integers(1, 12),
    st.integers(1, 40),
    st.integers(50_000, 2_000_000),
)
def test_no_schedule_beats_its_bounds(rows: int, cores: int, jobs: int, pages: int, rows_per_job: int) -> None:
    settings = replace(
        SETTINGS, rows=rows, cores=cores, parallel_jobs=jobs, parallel_pages=pages, rows_per_job=rows_per_job
    )
    done = schedule(settings)
    readers = min(cores, pages, LONG_REQUESTS)
    assert done.seconds >= rows / (readers * settings.rows_per_core) * 0.999
    assert done.seconds >= rows / (jobs * settings.job_rows_per_second) * 0.999
    assert 1 <= done.most_pages_at_once <= readers
    assert math.ceil(rows / rows_per_job) <= done.jobs < 2 * max(1, rows / rows_per_job) + 1
    assert done.pages >= math.ceil(rows / settings.page_rows)
    assert done.api_calls > done.pages + 2 * done.jobs
    assert 0 <= done.waited_for_jobs < done.seconds


def test_one_job_and_one_reader_take_one_after_the_other() -> None:
    settings = replace(SETTINGS, rows=100_000, cores=1, parallel_jobs=1)
    done = schedule(settings)
    assert (done.jobs, done.pages) == (1, 5)
    assert math.isclose(done.seconds, 100_000 / 50_000 + 100_000 / 100_000)
    assert math.isclose(done.waited_for_jobs, 2.0)


def test_more_jobs_at_once_shorten_what_waits_for_jobs() -> None:
    few, many = (schedule(replace(SETTINGS, parallel_jobs=number)) for number in (1, 8))
    assert many.seconds < few.seconds and many.api_calls == few.api_calls


def test_the_page_tells_what_the_simulation_says() -> None:
    """docs/scale.md: rows, jobs at once, cores, rows/s of a job, hours, waiting, jobs, calls, share of result bytes."""
    page = (Path(__file__).parents[2] / "docs" / "scale.md").read_text(encoding="utf-8")
    lines = [line.strip("| ").split(" | ") for line in page.splitlines() if re.match(r"\| 1(00)? (m|b)illion \|", line)]
    assert len(lines) == 7
    for rows, jobs, cores, speed, hours, waiting, made, calls, _ in lines:
        number, unit = rows.split()
        settings = replace(
            SETTINGS,
            rows=int(number) * {"million": 10**6, "billion": 10**9}[unit],
            bytes_per_row=410,
            cores=int(cores),
            rows_per_core=68_000,
            parallel_jobs=int(jobs),
            parallel_pages=20,
            rows_per_job=2_000_000,
            page_rows=100_000,
            job_rows_per_second=int(speed.replace(",", "")),
        )
        done = schedule(settings)
        told = (f"{done.seconds / 3600:.2f}", f"{done.waited_for_jobs / done.seconds:.0%}".replace("%", " %"))
        assert told == (hours, waiting)
        assert (f"{done.jobs:,}", f"{done.api_calls:,}") == (made, calls)


def test_it_is_told_what_it_takes_of_each_limit(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--rows", "1000000000", "--cores", "32"])
    text = capsys.readouterr().out
    assert "query jobs" in text and "of a day's" in text and "rows/s" in text
