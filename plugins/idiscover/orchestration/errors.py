"""Where the platform's errors become Airflow's: retry or fail. The only place that decides.

| error | Airflow | kind in the mail |
|---|---|---|
| `RetriableError` | tries again, as often as the task may | passing |
| `UnforeseenError`, anything else (a bug, a library's own) | tries again, as often as the task may | needs a person |
| `NextRunError` | fails at once | passing |
| `ConfigError`, `FatalError`, `DataQualityError` | fails at once | needs a person |
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowSkipException,
    DownstreamTasksSkipped,
    TaskDeferralError,
    TaskDeferralTimeout,
)

from idiscover.errors import IdiscoverError, RetriableError
from idiscover.notify.failures import FailedTask, Failure, failure_of

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import RuntimeTaskInstanceProtocol

log = logging.getLogger(__name__)

FAILURE_KEY = "failure"  # XCom key under which a failing try leaves its word for the mail of the run
_FAILURE, _TRIES, _LOG = "failure", "tries", "log_uri"


@contextmanager
def airflow_errors() -> Iterator[None]:
    """Lets a `RetriableError` go to Airflow's retry and fails the task at once for any other error of the platform.

    Errors that are not the platform's are retried like any other of Airflow's.
    """
    try:
        yield
    except RetriableError:
        raise
    except IdiscoverError as error:
        raise AirflowFailException(str(error)) from error
    except (TaskDeferralError, TaskDeferralTimeout) as error:
        raise RetriableError("waiting was interrupted", where="Airflow's triggerer", got=str(error)) from error


@contextmanager
def failure_recorded(context: Context, log_uri: Callable[[], str] | None = None) -> Iterator[None]:
    """Maps errors, and leaves word of a failure in XCom, where the mail of the run finds it.

    Each try begins without the word of the one before: Airflow clears a task's XComs.

    Args:
        context: Airflow's.
        log_uri: where a person finds more than in the task's own log; asked once the block has failed.
    """
    try:
        with airflow_errors():
            yield
    except (AirflowSkipException, DownstreamTasksSkipped):
        raise
    except Exception as error:
        _leave_word(context["ti"], error, log_uri)
        raise


def _leave_word(ti: RuntimeTaskInstanceProtocol, error: Exception, log_uri: Callable[[], str] | None) -> None:
    """Never raises: the error is on its way, and matters more."""
    try:
        where = log_uri() if log_uri else ti.log_url
        word = {_FAILURE: failure_of(error).model_dump(mode="json"), _TRIES: tries_of(ti), _LOG: where}
        ti.xcom_push(key=FAILURE_KEY, value=word)
    except Exception:
        log.warning("no word of the failure could be left for the mail", exc_info=True)


def tries_of(ti: RuntimeTaskInstanceProtocol) -> int:
    """How often the task was tried, this try included, since the run began or the task was cleared."""
    return int(ti.try_number) - (int(ti.max_tries) - int(ti.task.retries or 0))


def own_failure(context: Context) -> FailedTask:
    """The task that has just failed for good; in the scheduler's name too, if its process was killed."""
    ti = context["ti"]
    told = failed_task(context, ti.task_id, "failed", -1 if ti.map_index is None else ti.map_index)
    if told.failure is not None:
        return told
    return told.model_copy(update={"tries": tries_of(ti), "log_uri": ti.log_url})


def failed_task(context: Context, task_id: str, state: str, map_index: int = -1) -> FailedTask:
    """A task of this run that did not do its work, with the word that it left."""
    word = None
    if state == "failed":  # the word of a task that did not even start is of an earlier round
        word = context["ti"].xcom_pull(task_ids=task_id, key=FAILURE_KEY, map_indexes=map_index)
    if not word:
        return FailedTask(task_id=task_id, state=state)
    return FailedTask(
        task_id=task_id,
        state=state,
        failure=Failure.model_validate(word[_FAILURE]),
        tries=word[_TRIES],
        log_uri=word[_LOG],
    )
