"""How long many rows take, and what they cost the org: the schedule of all requests of one extraction, simulated.

    .venv/airflow/bin/python -m benchmarks.schedule --rows 1000000000 --cores 32

Jobs and pages are scheduled as emr_jobs/query_jobs.py and emr_jobs/reading.py do it: at most `--parallel-jobs` jobs
that Salesforce works on, at most `--parallel-pages` pages that are read. What Salesforce does in its own time is an
assumption (`--job-rows-per-second`, `--page-rows`) and told with the result; what a core does is measured by
benchmarks/extract. The limits are those that Salesforce documents.
"""

from __future__ import annotations

import argparse
import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from idiscover.salesforce.bulk import FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS, POLL_GROWTH

LONG_REQUESTS = 25  # of 20 seconds or more, at once
QUERY_JOBS_A_DAY = 10_000
RESULT_BYTES_A_DAY = 1_000_000_000_000
URLS_PER_CALL = 5  # of resultPages
LONG_SECONDS = 20.0
_DAY = 86_400.0


@dataclass(frozen=True)
class Settings:
    """What is extracted, and with what."""

    rows: int
    bytes_per_row: int
    cores: int
    rows_per_core: float  # rows/s that one core reads, rewrites, packs and stores
    parallel_jobs: int
    parallel_pages: int
    rows_per_job: int
    page_rows: int
    job_rows_per_second: float
    calls_a_day: int
    price_per_core_hour: float


@dataclass(frozen=True)
class Schedule:
    """What came of it. Seconds are of the whole extraction, Spark's start left out."""

    seconds: float
    jobs: int
    pages: int
    api_calls: int
    most_pages_at_once: int
    page_seconds: float
    waited_for_jobs: float  # seconds in which no page was read

    @property
    def is_long_request(self) -> bool:
        """Whether a page is one of the requests of which Salesforce allows so many at once."""
        return self.page_seconds >= LONG_SECONDS


def schedule(settings: Settings) -> Schedule:
    """Simulate one read: pages are read in the order in which their jobs are complete, by whichever reader is free."""
    jobs = list(_jobs(settings))
    readers = [0.0] * min(settings.parallel_pages, settings.cores, LONG_REQUESTS)  # when each is free
    pages, most, read_until, waited = 0, 0, 0.0, 0.0
    for at, rows in _complete_at(settings, jobs):
        for part in _pages(rows, settings.page_rows):
            begin = max(at, heapq.heappop(readers))
            end = begin + part / settings.rows_per_core
            heapq.heappush(readers, end)
            waited += max(0.0, begin - read_until)
            read_until = max(read_until, end)
            most = max(most, sum(free > begin for free in readers))
            pages += 1
    counts = 2 + len(jobs) - 1  # before and after, and one for each cut
    calls = counts + pages + sum(_calls_of_job(settings, rows) for rows in jobs)
    return Schedule(read_until, len(jobs), pages, calls, most, settings.page_rows / settings.rows_per_core, waited)


def _pages(rows: int, page_rows: int) -> Iterator[int]:
    for first in range(0, rows, page_rows):
        yield min(page_rows, rows - first)


def _jobs(settings: Settings) -> Iterator[int]:
    """The rows of each job: halves until they fit, as RangeCutter cuts evenly spread rows."""
    count = 2 ** max(0, math.ceil(math.log2(settings.rows / settings.rows_per_job)))
    for number in range(count):
        yield settings.rows * (number + 1) // count - settings.rows * number // count


def _complete_at(settings: Settings, jobs: Sequence[int]) -> list[tuple[float, int]]:
    """When each job is complete, and its rows; Salesforce works on `parallel_jobs` at once."""
    workers = [0.0] * settings.parallel_jobs
    found = []
    for rows in jobs:
        end = heapq.heappop(workers) + rows / settings.job_rows_per_second
        heapq.heappush(workers, end)
        found.append((end, rows))
    return sorted(found)


def _calls_of_job(settings: Settings, rows: int) -> int:
    """Created, asked after as `bulk.JobWatch` does, and the calls that tell its pages."""
    left, pause, polls = rows / settings.job_rows_per_second, FIRST_POLL_SECONDS, 1
    while left > 0:
        left -= pause
        pause = min(pause * POLL_GROWTH, LONGEST_POLL_SECONDS)
        polls += 1
    return 1 + polls + math.ceil(math.ceil(rows / settings.page_rows) / URLS_PER_CALL)


def report(settings: Settings, done: Schedule) -> Iterator[str]:
    """Lines for people: what it takes, and how much of each limit."""
    size, days = settings.rows * settings.bytes_per_row, max(1.0, done.seconds / _DAY)
    yield f"{settings.rows:,} rows, {size / 1e9:,.1f} GB as Salesforce sends them, {settings.cores} cores"
    yield f"  hours                {done.seconds / 3600:10.2f}   ({settings.rows / done.seconds:,.0f} rows/s)"
    yield f"  waiting for jobs     {done.waited_for_jobs / done.seconds:10.0%}   no page was there to be read"
    yield f"  query jobs           {done.jobs:10,}   {done.jobs / QUERY_JOBS_A_DAY / days:.1%} of a day's"
    yield f"  API calls            {done.api_calls:10,}   {done.api_calls / settings.calls_a_day / days:.1%} of a day's"
    yield f"  result bytes         {size / 1e9:8,.0f} GB   {size / RESULT_BYTES_A_DAY / days:.1%} of a day's"
    kind = "long" if done.is_long_request else "short"
    yield f"  pages at once        {done.most_pages_at_once:10,}   {kind} requests of {done.page_seconds:.1f} s"
    cost = done.seconds / 3600 * settings.cores * settings.price_per_core_hour
    yield f"  cluster              {cost:10.2f}   at {settings.price_per_core_hour} a core and hour"
    yield f"  cores busy at once   {done.most_pages_at_once / settings.cores:10.0%}"


def main(argv: Sequence[str] | None = None) -> None:
    """Print the schedule's figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.schedule", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000_000)
    parser.add_argument("--bytes-per-row", type=int, default=515, help="of 25 columns, as Salesforce sends them")
    parser.add_argument("--cores", type=int, default=16, help="of all executors together")
    parser.add_argument("--rows-per-core", type=float, default=100_000, help="rows/s of one core, all work included")
    parser.add_argument("--parallel-jobs", type=int, default=10)
    parser.add_argument("--parallel-pages", type=int, default=20)
    parser.add_argument("--rows-per-job", type=int, default=2_000_000)
    parser.add_argument("--page-rows", type=int, default=50_000, help="as Salesforce cuts a job; an assumption")
    parser.add_argument(
        "--job-rows-per-second", type=float, default=20_000, help="that Salesforce makes of one job; an assumption"
    )
    parser.add_argument("--calls-a-day", type=int, default=1_000_000, help="the org's DailyApiRequests")
    parser.add_argument("--price-per-core-hour", type=float, default=0.051, help="instance and EMR together")
    settings = Settings(**vars(parser.parse_args(argv)))
    print("\n".join(report(settings, schedule(settings))))


if __name__ == "__main__":
    main()
