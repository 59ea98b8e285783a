"""Redshift, one transaction at a time."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from psycopg2.extensions import cursor as Cursor

from idiscover.aws import postgres
from idiscover.aws.secrets import read_secret
from idiscover.errors import RetriableError

log = logging.getLogger(__name__)

WHERE = "Redshift"
_FIRST_WAIT_SECONDS = 0.5

Result = TypeVar("Result")


@contextmanager
def transaction(secret_name: str, region: str, *, of_one_moment: bool = False) -> Iterator[Cursor]:
    """A cursor inside one transaction on a connection of its own.

    Args:
        secret_name: where the login is.
        region: of Secrets Manager.
        of_one_moment: what others commit meanwhile is not seen, as Redshift's isolation has it anyway, whatever a
            transaction asks for. To be asked for all the same: a database that behaves like Redshift may show it.

    Raises:
        RetriableError: Redshift cannot be reached, or the transaction lost against another (error 1023).
        DataQualityError, FatalError: see `postgres.transaction`.
    """
    connection = postgres.connect(read_secret(secret_name, region), WHERE)
    try:
        if of_one_moment:
            connection.set_session(isolation_level="REPEATABLE READ")
        with postgres.transaction(connection, WHERE) as cursor:
            yield cursor
    finally:
        connection.close()


def run_transaction(
    secret_name: str,
    region: str,
    work: Callable[[Cursor], Result],
    tries: int = 3,
    *,
    of_one_moment: bool = False,
) -> Result:
    """What `work` returns, its transaction committed; tried again where it lost a race or its connection.

    Args:
        work: everything the transaction does. It has to bear being run again after a commit whose answer was lost.
        secret_name: where the login is.
        region: of Secrets Manager.
        tries: how often at most, with waits that double and differ, so that two losers do not meet again.
        of_one_moment: see `transaction`.

    Raises:
        RetriableError: the last try failed too.
        DataQualityError, FatalError: see `postgres.transaction`; not tried again.
    """
    for number in range(1, tries + 1):
        try:
            with transaction(secret_name, region, of_one_moment=of_one_moment) as cursor:
                return work(cursor)
        except RetriableError as error:
            if number == tries:
                raise
            log.warning("try %d of %d in Redshift failed, once more: %s", number, tries, error)
            time.sleep(_FIRST_WAIT_SECONDS * 2 ** (number - 1) * random.uniform(0.5, 1.5))
    raise AssertionError("tries is 1 or more")


@contextmanager
def statements_alone(secret_name: str, region: str) -> Iterator[Cursor]:
    """A cursor on a connection of its own where each statement is a transaction: for what Redshift refuses inside one.

    Raises:
        RetriableError, DataQualityError, FatalError: see `postgres.transaction`.
    """
    connection = postgres.connect(read_secret(secret_name, region), WHERE)
    try:
        connection.autocommit = True
        with postgres.database_errors(WHERE), connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()
