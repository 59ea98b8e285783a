"""What a step has spent so far, as its status document tells it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Log = Callable[[str], None]


@dataclass
class Progress:
    """Seconds per phase over all reads, calls, volumes."""

    phases_seconds: dict[str, float] = field(default_factory=dict)
    api_calls: int = 0
    csv_bytes: int = 0
    resumes: int = 0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the block's time to phase `name`."""
        started = time.monotonic()
        try:
            yield
        finally:
            spent = time.monotonic() - started
            self.phases_seconds[name] = round(self.phases_seconds.get(name, 0.0) + spent, 3)
