"""Faults of S3, and processes that are ended. Pure."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.integration.fault_model import PAGES


@dataclass(frozen=True)
class StoreFault:
    """One fault of S3's: what some of its answers are, in the place of its own."""

    name: str
    fault: str
    outcome: str
    operation: str
    status: int
    code: str
    nth: int = 1
    times: int = 1
    error: str | None = None
    says: str = ""
    again: Mapping[str, int] = field(default_factory=dict)


_AWS_TRIES = 6
S3_FAULTS = (
    StoreFault(
        "s3_slow_down",
        "S3 answers SlowDown while a page is written",
        "the request is made again, six times in all, after pauses",
        *("PutObject", 503, "SlowDown"),
        nth=3,
        times=_AWS_TRIES - 1,
    ),
    StoreFault(
        "s3_internal_error",
        "S3 answers 500 while a page is written",
        "as above",
        *("PutObject", 500, "InternalError"),
        nth=4,
    ),
    StoreFault(
        "s3_does_not_list",
        "S3 answers 503 to a list of keys",
        "as above",
        *("ListObjectsV2", 503, "ServiceUnavailable"),
    ),
    StoreFault(
        "s3_slow_down_for_long",
        "S3 answers SlowDown until the tries are used up",
        "the try ends; the next one reads the pages that are not safe yet",
        *("PutObject", 503, "SlowDown"),
        nth=5,
        times=_AWS_TRIES,
        error="RetriableError",
        says="AWS is busy",
    ),
    StoreFault(
        "s3_rights_lapse",
        "the rights to write lapse while a page is written",
        "the try ends; the next one asks for them anew, and reads the pages that are not safe yet",
        *("PutObject", 400, "ExpiredToken"),
        nth=5,
        error="RetriableError",
        says="AWS is busy",
    ),
    StoreFault(
        "s3_refuses_the_manifest",
        "S3 does not take the manifest",
        "there is no batch without it: the next try reads everything anew",
        *("PutObject", 503, "SlowDown"),
        nth=9,
        times=_AWS_TRIES,
        error="RetriableError",
        says="manifest.json",
        again={"page": PAGES},
    ),
)


@dataclass(frozen=True)
class Kill:
    """What is ended, and when: while the query job runs, or while the last page is on its way."""

    name: str
    fault: str
    outcome: str
    at: str = "page"
    sign: signal.Signals = signal.SIGKILL
    on_spark: str | None = None  # its master; else the step's own code with threads in the place of Spark
    again: Mapping[str, int] = field(default_factory=lambda: {"create_job": 0, "page": 1})  # in the second try


KILLS = (
    Kill(
        "worker_then_step",
        "kill -9 of an executor's Python workers; then of the step, with all its processes",
        "Spark runs the workers' pages again, on others; the next try reads the pages that are not safe yet",
        on_spark="local[2,4]",  # a task is tried as often as on YARN
    ),
    Kill(
        "worker_for_good",
        "kill -9 of the Python workers, as often as Spark tries a task",
        "the try ends and says so; the next one reads the pages that are not safe yet",
        on_spark="local[2]",
    ),
    Kill(
        "driver",
        "kill -9 of the driver while pages are read",
        "as above",
    ),
    Kill(
        "driver_at_a_job",
        "kill -9 of the driver while a query job runs",
        "the next try finds the job, and watches it on",
        at="job",
        again={"create_job": 0, "page": PAGES},
    ),
    Kill(
        "cancelled_at_a_job",
        "the step is cancelled (SIGTERM) while a query job runs",
        "the job is aborted and deleted, and the step ends with what happened in one line; the next try makes it anew",
        at="job",
        sign=signal.SIGTERM,
        again={"create_job": 1, "page": PAGES},
    ),
)
