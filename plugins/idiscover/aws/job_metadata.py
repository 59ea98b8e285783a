"""Job metadata: the connection. The modules `job_metadata*.py` are the only place with SQL on schema `job`.

By theme: `job_metadata_windows` (frozen windows, locks, watermarks), `job_metadata_batches`, `job_metadata_arrivals`
(what is pending for a table), `job_metadata_claims`, `job_metadata_steps`. Every public function there that is given
the connection is one transaction and may be repeated: a task that is killed between two of them and tried again ends
where it would have ended.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Self

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from idiscover.aws import postgres
from idiscover.aws.secrets import read_secret
from idiscover.errors import RetriableError
from idiscover.metadata.models import Context

log = logging.getLogger(__name__)

WHERE = "job metadata"
_LONGEST_WAIT = "10min"


class JobMetadata:
    """One connection to the job metadata; a context manager that closes it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()  # what was not committed is rolled back

    def transaction(self) -> AbstractContextManager[Cursor]:
        """A cursor in one transaction, READ COMMITTED: each statement sees what was committed before it began."""
        return postgres.transaction(self._connection, WHERE)

    @contextmanager
    def exclusive(self, what: str, key: str) -> Iterator[None]:
        """Over several transactions, here and elsewhere: nobody else is inside with the same two words.

        A process that dies lets go at once, because the lock is its connection's.

        Raises:
            RetriableError: somebody has been inside for too long.
        """
        with self.transaction() as cursor:
            cursor.execute("set local lock_timeout = %s", [_LONGEST_WAIT])
            cursor.execute("select pg_advisory_lock(hashtext(%s), hashtext(%s))", [what, key])
        try:
            yield
        finally:
            try:
                with self.transaction() as cursor:
                    cursor.execute("select pg_advisory_unlock(hashtext(%s), hashtext(%s))", [what, key])
            except RetriableError as error:
                log.warning("the connection of the lock on %s %s broke, which let it go: %s", what, key, error)

    def require_locks(self) -> None:
        """To be asked by whoever is inside `exclusive` for long, before writing what nobody else may write meanwhile.

        Raises:
            RetriableError: the connection broke, and every lock with it.
        """
        with self.transaction() as cursor:
            cursor.execute("select 1")


def open_job_metadata(context: Context) -> JobMetadata:
    """The job metadata of an environment, with credentials read now."""
    secret = read_secret(context.secrets.job_metadata, context.region)
    return JobMetadata(postgres.connect(secret, WHERE))


def decide_alone(cursor: Cursor, what: str, key: str) -> None:
    """Until the end of the transaction, nobody else decides about the same two words.

    Has to be the transaction's first statement: those after it then see what the one before has committed.
    """
    cursor.execute("select pg_advisory_xact_lock(hashtext(%s), hashtext(%s))", [what, key])
