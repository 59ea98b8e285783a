"""How often and how long apart a passing fault is tried again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential backoff with full jitter, bounded. Salesforce sends no Retry-After.

    With the defaults, a call is given up after 7 tries and about a minute on average.
    """

    tries: int = 7
    first_seconds: float = 1.0
    longest_seconds: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    uniform: Callable[[float, float], float] = random.uniform

    def pause(self, attempt: int) -> None:
        """Wait after the failed attempt number `attempt` (from 0)."""
        longest = min(self.longest_seconds, self.first_seconds * 2**attempt)
        self.sleep(self.uniform(longest / 2, longest))
