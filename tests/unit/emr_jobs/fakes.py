"""A bucket in memory, tasks run in this process, and an org with one table that can move while it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import pytest
from idiscover.salesforce.session import SalesforceSession

import emr_jobs.pages
import emr_jobs.step
from emr_jobs.csv_rewriter import CsvRewriter
from emr_jobs.pages import PageOrder, PageTask, TaskOutcome, run_task
from emr_jobs.reading import Submit
from tests.unit.salesforce.fake_org import DATA, FakeOrg, Reply, Seen, as_json, fault, quick_retry

JOBS = f"{DATA}/jobs/query"


class ByValues(CsvRewriter):
    """Never takes a block at once: what blocks are compared with."""

    def _by_blocks(self, pieces: Iterator[bytes]) -> Generator[bytes, None, bytes]:
        yield from ()
        return b""


class FakeBucket:
    """Stands for `idiscover.aws.s3.Bucket`."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.log: list[str] = []

    def read_text(self, key: str) -> str:
        return self.objects[key].decode()

    def write_text(self, key: str, text: str) -> None:
        self.log.append(f"put {key}")
        self.objects[key] = text.encode()

    def exists(self, key: str) -> bool:
        return key in self.objects

    def list(self, prefix: str) -> list[str]:
        return sorted(key for key in self.objects if key.startswith(prefix))

    def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.log.append(f"delete {key}")
            self.objects.pop(key, None)  # as S3: what is not there is no error

    def open_writer(self, key: str) -> FakeWriter:
        return FakeWriter(self, key)


class FakeWriter:
    """The object appears when the block ends well."""

    def __init__(self, bucket: FakeBucket, key: str) -> None:
        self._bucket, self._key = bucket, key
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(data)
        return len(data)

    @property
    def bytes_written(self) -> int:
        return sum(map(len, self._parts))

    @property
    def sha256(self) -> str:
        return hashlib.sha256(b"".join(self._parts)).hexdigest()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._bucket.log.append(f"put {self._key}")
            self._bucket.objects[self._key] = b"".join(self._parts)


class InProcess:
    """Runs page tasks in this process, the newest that waits first: the order of outcomes must not matter."""

    def __init__(self) -> None:
        self.tasks: list[PageTask] = []

    @contextmanager
    def open(self, parallel: int) -> Iterator[Submit]:
        with ThreadPoolExecutor(1) as thread:
            waiting: list[tuple[PageOrder, PageTask, Future[TaskOutcome]]] = []

            def run_last() -> None:
                order, task, done = waiting.pop()
                done.set_result(run_task(order, task))

            def submit(order: PageOrder, task: PageTask) -> Future[TaskOutcome]:
                assert parallel == order.request.salesforce.parallel_pages
                self.tasks.append(task)
                done: Future[TaskOutcome] = Future()
                waiting.append((order, task, done))
                thread.submit(run_last)
                return done

            yield submit


@dataclass
class OrgTable:
    """One object of an org. Each list is used up from the front; its last entry stays."""

    counts: list[int]  # what COUNT() says, call after call
    snapshots: list[list[tuple[str, ...]]]  # what each new job reads
    columns: tuple[str, ...] = ("Id", "Name", "SystemModstamp")
    page_rows: int = 3
    has_result_pages: bool = True
    announces_rows: bool = True
    short_pages: int = 0  # so many answers with a page leave its last row out
    wrong_job_rows: int = 0
    jobs: list[list[tuple[str, ...]]] = field(default_factory=list)

    def serve(self, org: FakeOrg) -> None:
        """Put the table behind the org's addresses."""
        org.routes[f"{DATA}/limits/"] = lambda _seen: as_json({"DailyApiRequests": {"Max": 1, "Remaining": 1}})
        org.routes[f"{DATA}/queryAll/"] = lambda _seen: as_json({"totalSize": _next(self.counts)})
        org.routes[JOBS] = lambda seen: self._create(org, seen)

    def _create(self, org: FakeOrg, seen: Seen) -> Reply:
        """A job over the next snapshot, with the columns that its query selects."""
        names = seen.json["query"].removeprefix("SELECT ").split(" FROM ")[0].split(", ")
        rows = [tuple(row[self.columns.index(name)] for name in names) for row in _next(self.snapshots)]
        job_id = f"750{len(self.jobs)}"
        self.jobs.append(rows)
        info = {"id": job_id, "state": "JobComplete", "numberRecordsProcessed": len(rows) + self.wrong_job_rows}
        org.routes[f"{JOBS}/{job_id}"] = lambda _seen: as_json(info)
        org.routes[f"{JOBS}/{job_id}/results"] = lambda seen: self._page(names, rows, seen)
        org.routes[f"{JOBS}/{job_id}/resultPages"] = lambda _seen: self._pages(job_id, rows)
        return as_json({**info, "state": "UploadComplete"})

    def _pages(self, job_id: str, rows: list[tuple[str, ...]]) -> Reply:
        if not self.has_result_pages:
            return fault(404, "NOT_FOUND")
        starts = range(0, len(rows), self.page_rows)
        urls = [{"resultUrl": f"{JOBS}/{job_id}/results?locator={start}"} for start in starts]
        return as_json({"resultPages": urls, "nextRecordUrl": None, "done": True})

    def _page(self, header: list[str], rows: list[tuple[str, ...]], seen: Seen) -> Reply:
        first = int(seen.query.get("locator", "0"))
        part = rows[first : first + self.page_rows]
        following = str(first + self.page_rows) if first + self.page_rows < len(rows) else "null"
        headers = {"Sforce-Locator": following, "Sforce-NumberOfRecords": str(len(part))}
        if not self.announces_rows:
            del headers["Sforce-NumberOfRecords"]
        if self.short_pages:
            self.short_pages -= 1
            part = part[:-1]
        lines = [",".join(f'"{value}"' for value in row) for row in (header, *part)]
        return Reply(200, ("\n".join(lines) + "\n").encode(), headers)


def _next(values: list[object]) -> object:
    return values.pop(0) if len(values) > 1 else values[0]


def outside_world(org: FakeOrg, monkeypatch: pytest.MonkeyPatch, **secret: str) -> FakeBucket:
    """All that a step meets: one bucket, one secret (the org's login, and what `secret` adds), one org."""
    found = FakeBucket()
    for module in (emr_jobs.step, emr_jobs.pages):
        monkeypatch.setattr(module, "read_secret", lambda _name, _region: {**org.secret, **secret})
        monkeypatch.setattr(
            module, "open_session", lambda login, version: SalesforceSession(login, version, quick_retry())
        )
        monkeypatch.setattr(module, "source_bucket", lambda _request: found)
        monkeypatch.setattr(module, "Bucket", lambda _name, _region: found)
    emr_jobs.pages._sessions.clear()
    emr_jobs.pages._buckets.clear()
    return found
