"""Waiting a little before deferring.

A deferral is not free: the triggerer makes a client of its own, the task starts a second process, and Airflow fails a
deferred task that is due again before its first process has been seen to end. What is over within
`emr.defer_after_seconds` is therefore waited for where the task already runs.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import Any

from airflow.sdk import BaseOperator


class WaitsBeforeDeferring(BaseOperator):
    """For a deferrable operator: its `defer` returns if what it waits for ends well in time, and defers if not.

    What ends badly is deferred too: its trigger fires at once, and the operator tells of it as always.
    """

    patience_seconds: int = 0
    patience_poll_seconds: int = 1

    @abstractmethod
    def ended_well(self) -> bool | None:
        """Whether what is waited for has ended well (True) or badly (False); None while it has not ended."""

    def defer(self, **deferral: Any) -> None:
        """Takes what `BaseOperator.defer` takes."""
        give_up_at = time.monotonic() + self.patience_seconds
        while time.monotonic() < give_up_at and (ended := self.ended_well()) is not False:
            if ended:
                return
            time.sleep(self.patience_poll_seconds)
        super().defer(**deferral)
