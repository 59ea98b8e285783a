"""Faults on demand: what a busy cluster does now and then, done to the statements that a test names."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum

from .errors import INTERNAL_ERROR, SqlError

MAX_TIMES = 1000
_SPACE = re.compile(r"\s+")


class FaultKind(Enum):
    """What happens to a statement."""

    SERIALIZATION = "1023"  # it fails with error 1023, and so does its transaction
    DROP = "drop"  # the connection breaks before it is run
    DROP_AFTER = "drop_after"  # it is run, and the connection breaks before its answer has come


@dataclass
class Fault:
    """A fault that waits for statements that match."""

    kind: FaultKind
    pattern: re.Pattern[str]
    left: int


class Faults:
    """The faults of one front: in memory, shared by its sessions, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, kind: str, pattern: str, times: int) -> str:
        """Let the next `times` statements that match `pattern` (a regular expression, case aside) have a fault.

        Returns a sentence that says so. Raises SqlError (22023) for an unknown kind, no pattern or no number of times.
        """
        try:
            fault = Fault(FaultKind(kind), re.compile(pattern, re.IGNORECASE), times)
        except ValueError:
            known = ", ".join(kind.value for kind in FaultKind)
            raise SqlError(f"fault {kind!r} is unknown: expected one of {known}", code="22023") from None
        except re.error as error:
            raise SqlError(f"{pattern!r} is not a regular expression: {error}", code="22023") from None
        if not pattern:
            raise SqlError(
                "got an empty pattern, expected a regular expression that some statements match", code="22023"
            )
        if not 1 <= times <= MAX_TIMES:
            raise SqlError(f"got {times} times, expected 1 to {MAX_TIMES}", code="22023")
        self._waiting.append(fault)
        return f"{kind} for the next {times} statements that match {pattern!r}"

    def clear(self) -> int:
        """Forget the faults that wait; how many statements they were for."""
        left = sum(fault.left for fault in self._waiting)
        self._waiting.clear()
        return left

    def take(self, sql: str) -> FaultKind | None:
        """The fault that this statement, as the client wrote it, is to have; it is used up."""
        if not self._waiting:
            return None
        text = _SPACE.sub(" ", sql).strip()
        if "rs.inject" in text:
            return None
        for fault in self._waiting:
            if fault.pattern.search(text):
                fault.left -= 1
                if not fault.left:
                    self._waiting.remove(fault)
                return fault.kind
        return None

    def control(self, order: str) -> str:
        """Carry out what rs.inject() or rs.inject_clear() asks for: a JSON object; the answer as text."""
        wanted = json.loads(order)
        if "clear" in wanted:
            return str(self.clear())
        return self.add(wanted["fault"], wanted["pattern"], wanted["times"])


def serialization_failure(process: int = 0, table: int = 0) -> SqlError:
    """Error 1023 as Redshift words it. The ids are made up where nobody knows them."""
    detail = (
        f"Serializable isolation violation on table - {table or 100000}, transactions forming the cycle are: "
        f"{process * 10 + 1}, {process * 10 + 2} (pid:{process})"
    )
    return SqlError("1023", code=INTERNAL_ERROR, detail=detail)
