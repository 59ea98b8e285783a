"""The org's clock: it ticks through the early hours of a day and waits there until somebody advances it."""

import sqlite3
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from local.salesforce.store import Store
from local.salesforce.times import (
    WINDOW_CLOSES_SECONDS,
    WINDOW_OPENS_SECONDS,
    at,
    day_of,
    from_iso,
    to_iso,
)

_STEP = timedelta(milliseconds=1)
_ANCHOR, _ANCHOR_WALL, _HIGH = "clock_anchor", "clock_anchor_wall", "clock_high"


class OrgClock:
    """Org time = anchor + wall seconds since the anchor was set, never past 05:59:59Z of the anchor's day.

    What was shown is kept (to the second), so neither a kill nor a wall clock set back makes it go backwards.
    """

    def __init__(self, store: Store, wall: Callable[[], float] = time.time) -> None:
        self._store = store
        self._wall = wall
        self._lock = threading.Lock()
        anchor = store.get_meta(_ANCHOR)
        if anchor is None:
            self._set_anchor(at(1, WINDOW_OPENS_SECONDS))
        else:
            self._anchor = from_iso(anchor)
            self._anchor_wall = float(store.get_meta(_ANCHOR_WALL) or 0)
            self._high = from_iso(store.get_meta(_HIGH) or anchor)

    def now(self) -> datetime:
        """The org's time now, aware, UTC."""
        with self._lock:
            moment = self._ticked()
            if moment.replace(microsecond=0) > self._high.replace(microsecond=0):
                self._store.set_meta(_HIGH, to_iso(moment))
            self._high = moment
            return moment

    def step(self) -> datetime:
        """A moment, on the millisecond, that is later than any shown before; from now on no earlier one is shown.

        Whoever asks writes it with `kept` into the transaction that it is for.
        """
        with self._lock:
            moment = self._ticked()
            self._high = moment.replace(microsecond=moment.microsecond // 1000 * 1000) + _STEP
            return self._high

    @staticmethod
    def kept(connection: sqlite3.Connection, moment: datetime) -> None:
        """Keep a moment in the transaction at hand, so that after a kill no earlier one is shown."""
        connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_HIGH, to_iso(moment)))

    def _ticked(self) -> datetime:
        latest = at(day_of(self._anchor), WINDOW_CLOSES_SECONDS)
        ticked = self._anchor + timedelta(seconds=max(0.0, self._wall() - self._anchor_wall))
        return max(self._high, min(ticked, latest))

    def advance(self, days: int) -> datetime:
        """Put the clock at 02:00Z `days` days on. Raises ValueError when `days` is not positive."""
        if days < 1:
            raise ValueError(f"days: got {days}; expected 1 or more, the org's time never goes back")
        today = day_of(self.now())
        with self._lock:
            self._set_anchor(at(today + days, WINDOW_OPENS_SECONDS))
            return self._anchor

    def complete_day(self) -> int:
        """The last org day that is over: 0 at the first start."""
        return day_of(self.now()) - 1

    def _set_anchor(self, anchor: datetime) -> None:
        self._anchor, self._anchor_wall, self._high = anchor, self._wall(), anchor
        with self._store.transaction() as connection:
            settings = (
                (_ANCHOR, to_iso(anchor)),
                (_ANCHOR_WALL, repr(self._anchor_wall)),
                (_HIGH, to_iso(anchor)),
            )
            connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", settings)


def http_date(moment: datetime) -> str:
    """RFC 7231 date of an instant, in English whatever the locale."""
    utc = moment.astimezone(UTC)
    day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[utc.weekday()]
    month = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")[utc.month - 1]
    return f"{day}, {utc.day:02d} {month} {utc.year} {utc:%H:%M:%S} GMT"
