"""Applies requests one at a time, keeps those that change state, and replays them after a crash."""

from __future__ import annotations

import datetime as dt
import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from local.aws import blobs as blob_module
from local.aws import determinism, snapshot
from local.aws.blobs import BlobStore
from local.aws.journal import Entry, Journal, Request, segment_numbers, segment_path
from local.aws.wire import Response

log = logging.getLogger(__name__)
Handler = Callable[[Request], Response]
# Compact when replaying the journal would cost this much, and several times what a snapshot costs.
MIN_REPLAY_SECONDS = 3.0
REPLAY_PER_SNAPSHOT = 5.0


class Engine:
    """State of all services, kept in `folder`.

    `write` journals a request before it applies it, so whatever was answered is found again after a kill -9; the order
    of the journal is the order of application, because one lock is held around both. Reads take the same lock: they see
    no half-applied request, and moto's structures are never changed under an iteration.
    """

    def __init__(self, folder: Path, handler: Handler) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._handler = handler
        self._lock = threading.RLock()
        self.blobs = BlobStore(folder / "blobs")
        self._last_at_utc = dt.datetime.min
        self._replay_seconds = 0.0
        self._snapshot_seconds = 0.0
        self._journal: Journal

    def open(self) -> int:
        """Load the newest snapshot, replay the journal after it, compact; returns the number of replayed requests."""
        blob_module.use(self.blobs)
        number = snapshot.latest_number(self._folder)
        if number is None:
            snapshot.reset()
        else:
            snapshot.load(self._folder, number)
        self._journal = Journal(self._folder, number or 0)
        replayed = 0
        for entry in self._journal.entries():
            self._apply(entry)
            replayed += 1
        if replayed:
            # Nothing is being served yet, so bodies that nobody refers to can go.
            self.blobs.keep_only(self._compact())
        return replayed

    def write(self, request: Request) -> Response:
        """Apply a request that may change state; when this returns, a kill -9 no longer loses its effect."""
        with self._lock:
            # Strictly ascending, so that what moto sorts by time keeps the order of application.
            at_utc = max(_wall_clock(), self._last_at_utc + dt.timedelta(microseconds=1))
            entry = Entry(at_utc, secrets.randbits(64), request)
            self._journal.append(entry)
            response = self._apply(entry)
            if self._replay_seconds > max(MIN_REPLAY_SECONDS, REPLAY_PER_SNAPSHOT * self._snapshot_seconds):
                self._compact()
            return response

    def read(self, request: Request) -> Response:
        """Answer a request that changes nothing."""
        with self._lock:
            return self._handler(request)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the state still."""
        with self._lock:
            yield

    def compact(self) -> None:
        """Fold the journal into a snapshot now."""
        with self._lock:
            self._compact()

    def close(self) -> None:
        """Fold the journal into a snapshot, so that the next start is quick."""
        with self._lock:
            if self._journal.size_bytes:
                self._compact()
            self._journal.close()

    def status(self) -> dict[str, float]:
        """Size of the journal in bytes and what replaying it would cost in seconds."""
        return {"journal_bytes": self._journal.size_bytes, "replay_seconds": round(self._replay_seconds, 3)}

    def _apply(self, entry: Entry) -> Response:
        started = time.monotonic()
        self._last_at_utc = entry.at_utc
        with determinism.applying(entry.at_utc, entry.seed):
            response = self._handler(entry.request)
        self._replay_seconds += time.monotonic() - started
        return response

    def _compact(self) -> set[str]:
        """Write the next snapshot, start an empty journal, drop what they replace."""
        started = time.monotonic()
        number = self._journal.number + 1
        digests = snapshot.write(self._folder, number)
        # From here on a restart begins with the new snapshot; a leftover journal of that number cannot exist.
        self._journal.close()
        self._journal = Journal(self._folder, number)
        for old in segment_numbers(self._folder):
            if old < number:
                segment_path(self._folder, old).unlink()
                snapshot.path_of(self._folder, old).unlink(missing_ok=True)
        self._snapshot_seconds = time.monotonic() - started
        self._replay_seconds = 0.0
        log.info("compacted to snapshot %d in %.2f s", number, self._snapshot_seconds)
        return digests


def _wall_clock() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)
