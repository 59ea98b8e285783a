"""Connections over the PostgreSQL protocol, to Redshift and to the job metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from idiscover.errors import ConfigError, DataQualityError, FatalError, IdiscoverError, RetriableError

_NEEDED = ("host", "port", "dbname", "username", "password")
# serialization failure, deadlock, lock not available, out of memory, too many connections, cancelled by an operator or
# a queue's rule, shutting down (3 kinds)
_RETRIABLE_STATES = frozenset({"40001", "40P01", "55P03", "53200", "53300", "57014", "57P01", "57P02", "57P03"})
_RAISED = frozenset({"P0001"})  # a procedure's own RAISE EXCEPTION
_CONNECTION_CLASS = "08"
# A server that cannot be reached may come back; one that says this will say it again.
_REFUSALS = ("authentication failed", "does not exist", "no pg_hba.conf entry", "permission denied", "not permitted")


def connect(secret: Mapping[str, str], where: str, application_name: str = "idiscover") -> Connection:
    """A connection whose transactions begin by themselves (psycopg2's default: autocommit is off).

    Args:
        secret: host, port, dbname, username, password.
        where: what error messages call the place; never the secret itself.

    Raises:
        ConfigError: the secret lacks a key, or the server refuses the login.
        RetriableError: the server cannot be reached.
    """
    check_secret(secret, where)
    try:
        return psycopg2.connect(
            host=secret["host"],
            port=int(secret["port"]),
            dbname=secret["dbname"],
            user=secret["username"],
            password=secret["password"],
            application_name=application_name,
            connect_timeout=10,
            keepalives=1,
            keepalives_idle=30,
            keepalives_interval=10,
            keepalives_count=6,
        )
    except psycopg2.OperationalError as error:
        text = str(error).strip()
        if secret["password"]:
            text = text.replace(secret["password"], "…")
        if any(refusal in text for refusal in _REFUSALS):
            raise ConfigError("the database refuses the login", where=where, got=text) from None
        raise RetriableError("the database cannot be reached", where=where, got=text) from None


def check_secret(secret: Mapping[str, str], where: str) -> None:
    """Raises:
    ConfigError: the secret lacks what a connection needs.
    """
    if any(key not in secret for key in _NEEDED) or not secret["port"].isdigit():
        raise ConfigError(
            "a database secret is incomplete",
            where=where,
            got=f"keys {', '.join(sorted(secret))}",
            expected=f"{', '.join(_NEEDED)}; port a number",
        )


@contextmanager
def transaction(connection: Connection, where: str) -> Iterator[Cursor]:
    """One transaction: committed at the end of the block, rolled back on any error.

    Raises:
        RetriableError: the transaction lost against another (Redshift's error 1023 among them), or the connection
            broke. After a connection that broke while committing nobody knows which way it went: what runs in a
            transaction has to bear being run again.
        DataQualityError: a procedure raised an exception of its own.
        FatalError: the server refuses the statement.
    """
    with database_errors(where), connection, connection.cursor() as cursor:
        yield cursor


@contextmanager
def database_errors(where: str, key: str | None = None) -> Iterator[None]:
    """psycopg2's errors as the platform's, as `transaction` raises them; for those who can say more of the place.

    Args:
        where: what the statement is about.
        key: the statement.
    """
    try:
        yield
    except psycopg2.Error as error:
        # without its cause, whose DETAIL quotes whole rows: a task's log prints causes
        raise _translated(error, where, key) from None


def is_retriable(error: psycopg2.Error) -> bool:
    """Whether the same transaction may succeed later: a lost race or a broken connection."""
    if error.pgcode is None:
        return isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
    if error.pgcode in _RETRIABLE_STATES or error.pgcode.startswith(_CONNECTION_CLASS):
        return True
    return "1023" in str(error) and "serializable" in str(error).lower()


def _translated(error: psycopg2.Error, where: str, key: str | None) -> IdiscoverError:
    got = describe(error)
    if is_retriable(error):
        return RetriableError("a transaction did not get through", where=where, key=key, got=got)
    if error.pgcode in _RAISED:
        return DataQualityError("a procedure refuses to go on", where=where, key=key, got=got)
    return FatalError("the database refuses a statement", where=where, key=key, got=got)


def describe(error: psycopg2.Error) -> str:
    """The error's code, message and place. Its DETAIL is left out: it quotes whole rows, with all they hold."""
    parts = [error.diag.message_primary or str(error).strip(), error.diag.context]
    text = "; ".join(part.strip() for part in parts if part)
    return f"{error.pgcode}: {text}" if error.pgcode else text
