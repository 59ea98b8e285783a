"""Redshift, one transaction at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from idiscover.aws import postgres
from idiscover.aws.secrets import read_secret

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

WHERE = "Redshift"


@contextmanager
def transaction(secret_name: str, region: str) -> Iterator[Cursor]:
    """A cursor inside one transaction on a connection of its own.

    Raises:
        RetriableError: Redshift cannot be reached, or the transaction lost against another (error 1023).
    """
    connection = postgres.connect(read_secret(secret_name, region), WHERE)
    try:
        with postgres.transaction(connection, WHERE) as cursor:
            yield cursor
    finally:
        connection.close()
