"""Connections, secrets and sessions that are kept instead of made anew: most of what a chain of tiny runs would cost.

What is sent over them is the same. Whoever closes a kept connection gives back what closing would: the open transaction
and the locks, and its isolation. Status documents of loads and refreshes, which nobody reads, stay in memory;
job.step_log has them too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import pytest
from idiscover.aws import extraction_run, job_metadata, postgres, redshift, step_log
from idiscover.aws.s3 import Bucket
from idiscover.plan.model import ExtractionRequest
from idiscover.salesforce.session import SalesforceSession, open_session
from psycopg2 import extensions

from emr_jobs import pages, step


class KeptConnections:
    """Takes the place of `postgres.connect`; one idle connection per database is lent out again."""

    def __init__(self) -> None:
        self._real = postgres.connect
        self._idle: dict[tuple[str, ...], list[extensions.connection]] = {}

    def connect(self, secret: Mapping[str, str], where: str, application_name: str = "idiscover") -> LentConnection:
        """As `postgres.connect`."""
        key = (*(secret[name] for name in ("host", "port", "dbname", "username")), application_name)
        idle = self._idle.setdefault(key, [])
        connection = idle.pop() if idle else self._real(secret, where, application_name)
        return LentConnection(connection, idle)

    def close(self) -> None:
        """Close those that nobody has."""
        for idle in self._idle.values():
            while idle:
                idle.pop().close()


class LentConnection:
    """A psycopg2 connection that goes back instead of being closed."""

    def __init__(self, connection: extensions.connection, idle: list[extensions.connection]) -> None:
        self._connection = connection
        self._idle = idle

    def __enter__(self) -> Self:
        self._connection.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.__exit__(kind, error, trace)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    @property
    def cursor_factory(self) -> type[extensions.cursor] | None:
        """As a connection's own, which only the connection itself heeds."""
        return self._connection.cursor_factory

    @cursor_factory.setter
    def cursor_factory(self, factory: type[extensions.cursor] | None) -> None:
        self._connection.cursor_factory = factory

    def close(self) -> None:
        """Give it back: nothing open, nothing locked."""
        if self._connection.closed:
            return
        self._connection.rollback()
        self._connection.set_session(isolation_level="DEFAULT")
        self._connection.cursor_factory = None
        if self._connection.info.dbname == "jobmeta":
            with self._connection, self._connection.cursor() as cursor:
                cursor.execute("select pg_advisory_unlock_all()")
        self._idle.append(self._connection)


def keep(monkeypatch: pytest.MonkeyPatch) -> KeptConnections:
    """Until `monkeypatch` is undone, everything below `idiscover.aws` and `emr_jobs` keeps what it opens.

    Returns:
        The connections, to be closed by the caller.
    """
    connections = KeptConnections()
    monkeypatch.setattr(postgres, "connect", connections.connect)
    read_secret = _remembering(redshift.read_secret)
    for module in (redshift, job_metadata, extraction_run, step, pages):
        monkeypatch.setattr(module, "read_secret", read_secret)
    sessions: dict[str, SalesforceSession] = {}

    def session(secret: Mapping[str, str], api_version: str) -> SalesforceSession:
        if api_version not in sessions:
            sessions[api_version] = open_session(secret, api_version)
        return sessions[api_version]

    for module in (extraction_run, step, pages):
        monkeypatch.setattr(module, "open_session", session)
    monkeypatch.setattr(pages, "_sessions", {})
    monkeypatch.setattr(pages, "_buckets", {})
    source = _remembering_one(pages.source_bucket)
    monkeypatch.setattr(pages, "source_bucket", source)
    monkeypatch.setattr(step, "source_bucket", source)
    monkeypatch.setattr(step_log, "Bucket", ForgottenDocuments)
    return connections


class ForgottenDocuments:
    """Takes the place of the bucket where documents are written that nobody reads."""

    def __init__(self, name: str, region: str) -> None: ...

    def write_text(self, key: str, text: str, content_type: str = "application/json") -> None:
        """Takes the document."""


def _remembering_one(make: Callable[[ExtractionRequest], Bucket]) -> Callable[[ExtractionRequest], Bucket]:
    """One bucket for all requests: its rights, an hour's, outlive the test."""
    made: list[Bucket] = []

    def remembered(request: ExtractionRequest) -> Bucket:
        if not made:
            made.append(make(request))
        return made[0]

    return remembered


def _remembering(read: Callable[[str, str], Any]) -> Callable[[str, str], Any]:
    known: dict[tuple[str, str], Any] = {}

    def remembered(name: str, region: str) -> Any:
        if (name, region) not in known:
            known[name, region] = read(name, region)
        return known[name, region]

    return remembered
