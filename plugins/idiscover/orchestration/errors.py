"""Where the platform's errors become Airflow's: retry or fail. The only place that decides."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from idiscover.errors import IdiscoverError, RetriableError

if TYPE_CHECKING:
    from airflow.sdk import Context

FAILURE_KEY = "failure"  # XCom key under which a failing task leaves its reason for the closing mail
_REASON_LENGTH = 4000


@contextmanager
def airflow_errors() -> Iterator[None]:
    """Lets a `RetriableError` go to Airflow's retry and fails the task at once for any other error of the platform.

    Errors that are not the platform's (a bug, a library's own exception) are retried like any other of Airflow's.
    """
    try:
        yield
    except RetriableError:
        raise
    except IdiscoverError as error:
        raise AirflowFailException(str(error)) from error


@contextmanager
def failure_recorded(context: Context) -> Iterator[None]:
    """Maps errors, and leaves the reason of a failure in XCom, where the closing mail of the run finds it."""
    try:
        with airflow_errors():
            yield
    except AirflowSkipException:
        raise
    except Exception as error:
        reason = str(error) or type(error).__name__
        context["ti"].xcom_push(key=FAILURE_KEY, value=reason[:_REASON_LENGTH])
        raise
