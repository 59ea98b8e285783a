"""Page tasks on Spark's executors."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from idiscover.errors import RetriableError
from py4j.protocol import Py4JJavaError
from pyspark import SparkConf, SparkContext

from emr_jobs.between_tasks import prepare_for_next_task
from emr_jobs.pages import PageOrder, PageTask, TaskOutcome, run_task
from emr_jobs.reading import Submit


class SparkPages:
    """Starts Spark beside the driver's first calls to Salesforce, and runs page tasks on it.

    Spark is started whatever there is to read: in YARN's cluster mode an application that never makes
    a context, or makes it late, is taken for a failed one.
    """

    def __init__(self, app_name: str) -> None:
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="spark-start")
        self._context: Future[SparkContext] = self._starter.submit(_start, app_name)

    @contextmanager
    def open(self, parallel: int) -> Iterator[Submit]:
        """Waits for Spark; each page is a Spark job of one task, at most `parallel` at once: Salesforce bounds long
        requests per org, whatever the cluster's size, and a lost executor costs its own pages only.
        """
        context = self._context.result()
        threads = ThreadPoolExecutor(parallel, thread_name_prefix="page")
        try:
            yield lambda order, task: threads.submit(_run_on_executor, context, order, task)
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            context.cancelAllJobs()
            raise
        threads.shutdown()

    def stop(self, last_words: str = "") -> None:
        """Stop Spark; also when it never came up. `last_words` become the last line on stderr."""
        self._starter.shutdown(wait=True)
        if self._context.exception() is None:
            context = self._context.result()
            stderr = context._jvm.java.lang.System.err
            context.stop()
            if last_words:
                # spark-submit merges what Python writes to stderr into stdout; only the JVM reaches the real one.
                stderr.println(last_words)
        elif last_words:
            print(last_words, file=sys.stderr, flush=True)


def _start(app_name: str) -> SparkContext:
    # No session: nothing here is SQL, and one costs a fifth of what starting Spark does.
    context = SparkContext.getOrCreate(SparkConf().setAppName(app_name))
    # The last line on stderr is shown to people when a step fails: let it be ours.
    context.setLogLevel("ERROR")
    return context


def _run_on_executor(context: SparkContext, order: PageOrder, task: PageTask) -> TaskOutcome:
    """One page as a Spark job.

    Raises:
        RetriableError: its workers died, as often as Spark tries a task; errors of the page itself are in the outcome.
    """
    try:
        outcomes = context.parallelize([task], 1).map(lambda one: _run_in_worker(order, one)).collect()
    except Py4JJavaError as error:
        raise RetriableError(
            "Spark has given a page up",
            where=task.where,
            got=str(error.java_exception.getMessage()).split("\n", 1)[0],
            remedy="run it again; if it stays, read the executors' logs, and give them more memory",
        ) from error
    return outcomes[0]


def _run_in_worker(order: PageOrder, task: PageTask) -> TaskOutcome:
    outcome = run_task(order, task)
    prepare_for_next_task()
    return outcome
