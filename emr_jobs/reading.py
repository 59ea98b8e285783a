"""One read: query jobs for its ranges, and their pages as files, several of both at once.

A single thread talks to Salesforce about jobs; pages are read elsewhere (`PageRunner`), and handed out as soon as their
job is complete, while Salesforce still works on others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import Protocol

from idiscover.salesforce import bulk, soql
from idiscover.salesforce.faults import LocatorFault, QueryTimeout
from idiscover.salesforce.quota import check_run
from idiscover.salesforce.session import SalesforceSession

from emr_jobs.checkpoint import JobRecord
from emr_jobs.pages import PageOrder, PageResult, PageTask, TaskOutcome, page_after
from emr_jobs.progress import Progress
from emr_jobs.query_jobs import CompleteJob, QueryJobs

Submit = Callable[[PageOrder, PageTask], Future[TaskOutcome]]

_LONGEST_WAIT_SECONDS = 60.0


class PageRunner(Protocol):
    """Runs page tasks somewhere."""

    def open(self, parallel: int) -> AbstractContextManager[Submit]:
        """Wait until tasks can be run, `parallel` at once at most; an error that leaves the block stops them."""
        ...


@dataclass
class Reading:
    """The pages of one read.

    Args:
        order: what a page task is told, by its job.
        phase: names the time that is spent (`Extraction.phase`).
    """

    jobs: QueryJobs
    order: Callable[[JobRecord], PageOrder]
    runner: PageRunner
    progress: Progress
    phase: Callable[[str], AbstractContextManager[None]]
    sleep: Callable[[float], None] = time.sleep
    job_rows: dict[int, int] = field(default_factory=dict, init=False)  # by the job's number
    pages: dict[str, PageResult] = field(default_factory=dict, init=False)  # by the file's key
    _running: dict[Future[TaskOutcome], JobRecord] = field(default_factory=dict, init=False)
    _submit: Submit | None = field(default=None, init=False)
    _started: float = field(default_factory=time.monotonic, init=False)

    def run(self) -> None:
        """Reads everything that the jobs' record asks for; then `pages` and `job_rows` are whole.

        Raises:
            IdiscoverError: what `QueryJobs.turn` and `pages.write_page` raise. Jobs that Salesforce still works on are
                aborted; what is safe stays, for the next try.
        """
        try:
            with ExitStack() as stack:
                self.jobs.resume()
                while self.jobs.are_left or self._running:
                    with self.phase("pages" if self._running else "query_job"):
                        complete = self.jobs.turn()
                    for job in complete:
                        self._hand_out(job, stack)
                    self._wait()
        except BaseException as error:
            self.jobs.discard_open(error)
            raise

    def _hand_out(self, job: CompleteJob, stack: ExitStack) -> None:
        """Begins the pages of a job that are not safe yet."""
        record, order = job.record, self.order(job.record)
        tasks = self._tasks(job, order)
        if job.is_resumed:
            tasks = self._unsafe(record, order, tasks)
        if job.rows is not None:
            self.job_rows[record.number] = job.rows
        self._check_quota(order, len(tasks))
        for task in tasks:
            if self._submit is None:
                with self.phase("spark_start"):
                    parallel = order.request.salesforce.parallel_pages
                    self._submit = stack.enter_context(self.runner.open(parallel))
            self._running[self._submit(order, task)] = record

    def _check_quota(self, order: PageOrder, pages: int) -> None:
        session = self.jobs.session
        spent, coming = session.api_calls + self.progress.api_calls, len(self._running) + pages
        check_run(spent, coming, session.usage, order.request.salesforce.most_calls_percent_per_run)

    def _tasks(self, job: CompleteJob, order: PageOrder) -> list[PageTask]:
        """One task per parallel page; where the org has none, one that follows the locators; or one by REST."""
        session, cutter = self.jobs.session, self.jobs.cutter
        if job.rows is None:
            return [PageTask(0, soql=soql.select(cutter.request, cutter.content, job.record.part))]
        if job.rows == 0:
            return []
        paths = bulk.result_pages(session, order.job_id)
        if paths:
            return [PageTask(index, path) for index, path in enumerate(paths)]
        return [page_after(session, order, -1)]

    def _unsafe(self, record: JobRecord, order: PageOrder, tasks: list[PageTask]) -> list[PageTask]:
        """Those of a job's tasks that a try before has not done; its pages are taken, if they are those of the tasks.

        A try that had no parallel pages has cut the job into others: theirs do not go with what is still to be read.
        """
        safe = self.jobs.checkpoint.pages(record)
        left = tasks_left(self.jobs.session, order, tasks, safe)
        if left is None:
            self.jobs.log(f"the pages of job {record.job_id} are cut otherwise than before: read anew")
            self.jobs.checkpoint.forget_pages(record.number)
            return tasks
        if safe:
            self.jobs.log(f"{len(safe)} pages of job {record.job_id or 'by REST'} are safe already")
            self._add(record, safe)
        return left

    def _wait(self) -> None:
        """Until a page is there, or a job is to be asked after."""
        pause = self.jobs.seconds_to_look if self.jobs.are_left else _LONGEST_WAIT_SECONDS
        if not self._running:
            with self.phase("query_job"):
                self.sleep(pause if self.jobs.are_left else 0.0)
            return
        with self.phase("pages"):
            done, _ = wait(self._running, timeout=pause, return_when=FIRST_COMPLETED)
        for future in done:
            self._take(self._running.pop(future), future.result())

    def _take(self, record: JobRecord, outcome: TaskOutcome) -> None:
        self.progress.api_calls += outcome.api_calls
        if isinstance(outcome.error, QueryTimeout) and record.is_rest:
            self.jobs.again(record, outcome.error)
            return
        if outcome.error is not None:
            self.jobs.log(f"a page could not be read\n{outcome.trace}")
            if isinstance(outcome.error, LocatorFault):  # it stands in the record of a page that is safe
                self.jobs.checkpoint.forget_pages(record.number)
            raise outcome.error
        self.progress.csv_bytes += sum(page.csv_bytes for page in outcome.pages)
        self.progress.resumes += sum(page.resumes for page in outcome.pages)
        self._add(record, outcome.pages)
        rows = sum(page.file.rows for page in self.pages.values())
        of = f" of {sum(self.job_rows.values())}" if not self.jobs.are_left else ""
        speed = rows / max(time.monotonic() - self._started, 1e-6)
        self.jobs.log(f"read {rows}{of} rows, pages {len(self.pages)}, {speed:.0f} rows/s")

    def _add(self, record: JobRecord, pages: Sequence[PageResult]) -> None:
        for page in pages:
            self.pages[page.file.key] = page
            if record.is_rest:
                self.job_rows[record.number] = page.announced_rows or 0


def tasks_left(
    session: SalesforceSession, order: PageOrder, tasks: Sequence[PageTask], safe: Sequence[PageResult]
) -> list[PageTask] | None:
    """What is left of a job's tasks when the pages `safe` are there; None where those are not pages of the tasks."""
    if tasks and tasks[0].follow:
        task: PageTask | None = tasks[0]
        for page in safe:
            if task is None or page.path != task.path:
                return None
            task = page_after(session, order, page.index, page.next_locator) if page.next_locator else None
        return [task] if task else []
    paths = {(task.index, task.path) for task in tasks}
    done = {(page.index, page.path) for page in safe}
    return [task for task in tasks if (task.index, task.path) not in done] if done <= paths else None
