"""Connections over the PostgreSQL protocol, to Redshift and to the job metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from idiscover.errors import ConfigError, RetriableError

if TYPE_CHECKING:
    from types import TracebackType

_NEEDED = ("host", "port", "dbname", "username", "password")
# Redshift: 1023 serializable isolation violation; PostgreSQL: serialization failure, deadlock, lock not available,
# too many connections, shutting down, cannot connect now
_RETRIABLE_STATES = frozenset({"40001", "40P01", "55P03", "53300", "57P01", "57P02", "57P03"})


def connect(secret: Mapping[str, str], where: str, application_name: str = "idiscover") -> Connection:
    """A connection whose transactions begin by themselves (psycopg2's default).

    Args:
        secret: host, port, dbname, username, password.
        where: what error messages call the place; never the secret itself.

    Raises:
        ConfigError: the secret lacks a key, or the server refuses the login.
        RetriableError: the server cannot be reached.
    """
    missing = [key for key in _NEEDED if key not in secret]
    if missing:
        raise ConfigError(
            "a database secret is incomplete",
            where=where,
            got=f"keys {', '.join(sorted(secret))}",
            expected=", ".join(_NEEDED),
        )
    try:
        return psycopg2.connect(
            host=secret["host"],
            port=int(secret["port"]),
            dbname=secret["dbname"],
            user=secret["username"],
            password=secret["password"],
            application_name=application_name,
            connect_timeout=10,
            keepalives_idle=30,
        )
    except psycopg2.OperationalError as error:
        text = str(error).replace(secret["password"], "…")
        if "authentication failed" in text:
            raise ConfigError("the database refuses the login", where=where, got=text.strip()) from None
        raise RetriableError("the database cannot be reached", where=where, got=text.strip()) from None


@contextmanager
def transaction(connection: Connection, where: str) -> Iterator[Cursor]:
    """One transaction: committed at the end of the block, rolled back on any error.

    Raises:
        RetriableError: the transaction lost against another, or the connection broke.
    """
    try:
        with connection, connection.cursor() as cursor:
            yield cursor
    except psycopg2.Error as error:
        if is_retriable(error):
            raise RetriableError("a transaction did not get through", where=where, got=str(error).strip()) from error
        raise


def is_retriable(error: psycopg2.Error) -> bool:
    """Whether the same transaction may succeed later: a lost race or a broken connection."""
    if error.pgcode in _RETRIABLE_STATES:
        return True
    if error.pgcode is None and isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError):
        return True
    return "1023" in str(error) and "serializable" in str(error).lower()


class Closing:
    """A holder of one connection, closed at the end of a `with` block."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def close(self) -> None:
        """Closes the connection; what was not committed is rolled back."""
        self._connection.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
