"""Kill -9 after any effect: the n-th commit of a write, or write or delete in S3, is the last thing a process does.

To die before an effect is to die after the one before it: an open transaction is rolled back with its connection. An
error that no code of the platform catches stands in for the signal. Status documents do not count.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from idiscover.aws import postgres
from idiscover.aws.object_versions import VersionedBucket
from idiscover.aws.s3 import Bucket
from psycopg2 import extensions

S3_EFFECTS = ("write_text", "copy", "delete")
_READS = (b"select", b"with", b"set ", b"lock ")


class Killed(BaseException):
    """The process is gone."""


class RememberingCursor(extensions.cursor):
    """Knows its last statement that was no question: checks ask after a refresh has written."""

    last_write = b""

    def execute(self, query: Any, vars: Any = None) -> None:
        super().execute(query, vars)
        if not (sent := (self.query or b"").strip()).startswith(_READS):
            self.last_write = sent


class Killer:
    """Names effects, and kills after the one that it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.effects: list[str] = []
        self._is_the_last: Callable[[str], bool] | None = None
        real = postgres.transaction

        @contextmanager
        def transaction(connection: Any, where: str) -> Iterator[Any]:
            connection.cursor_factory = RememberingCursor
            with real(connection, where) as cursor:
                yield cursor
                last = cursor.last_write
            if last and b"job.step_log" not in last:
                self.done(f"{where}: {last.decode()}")

        monkeypatch.setattr(postgres, "transaction", transaction)
        for name in S3_EFFECTS:
            monkeypatch.setattr(Bucket, name, self._around(name, getattr(Bucket, name)))
        delete = VersionedBucket.delete
        monkeypatch.setattr(VersionedBucket, "delete", self._around("delete versions", delete))

    def run(self, work: Callable[[], object], is_the_last: Callable[[str], bool] = lambda effect: False) -> bool:
        """Does `work`, and dies after the first effect for which `is_the_last` says so; whether it died."""
        self.effects, self._is_the_last = [], is_the_last
        try:
            work()
        except Killed:
            return True
        finally:
            self._is_the_last = None
        return False

    def done(self, effect: str) -> None:
        """An effect has been had, here or by whoever plays another service."""
        if self._is_the_last is None:
            return
        name = re.sub(r"[0-9]+", "#", effect)[:200]  # ids and times differ from try to try
        self.effects.append(name)
        if self._is_the_last(name):
            raise Killed

    def _around(self, name: str, effect: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(bucket: Bucket, *arguments: Any) -> Any:
            answer = effect(bucket, *arguments)
            if not str(arguments[0]).startswith("status/"):
                self.done(f"{name} {arguments[0]}")
            return answer

        return wrapped
