"""What is over soon is waited for in the task's own process; what is not, or ended badly, is deferred."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred
from airflow.triggers.testing import SuccessTrigger
from idiscover.orchestration.patience import WaitsBeforeDeferring


class Waiting(WaitsBeforeDeferring):
    """Waits for something that ends as `looks` say; the last look holds for good."""

    def __init__(self, *, looks: list[bool | None], patience_seconds: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.patience_seconds = patience_seconds
        self._looks = iter([*looks, *[looks[-1]] * 1000])
        self.looked = 0

    def ended_well(self) -> bool | None:
        self.looked += 1
        return next(self._looks)

    def wait(self) -> bool:
        """Whether it ended without a deferral."""
        try:
            self.defer(trigger=SuccessTrigger(), method_name="execute_complete")
        except TaskDeferred:
            return False
        return True


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Seconds slept; nobody waits for them."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(time, "monotonic", lambda: sum(slept))
    return slept


def test_what_ends_well_in_time_is_not_deferred(clock: list[float]) -> None:
    waiting = Waiting(task_id="wait", looks=[None, None, True], patience_seconds=5)
    assert waiting.wait()
    assert (waiting.looked, clock) == (3, [1, 1])


def test_what_ends_badly_is_deferred_at_once(clock: list[float]) -> None:
    """Its trigger fires at once, and the operator tells what went wrong as it always does."""
    waiting = Waiting(task_id="wait", looks=[None, False], patience_seconds=5)
    assert not waiting.wait()
    assert clock == [1]


def test_what_takes_longer_is_deferred(clock: list[float]) -> None:
    assert not Waiting(task_id="wait", looks=[None], patience_seconds=5).wait()
    assert sum(clock) == 5


def test_without_patience_nothing_is_asked() -> None:
    waiting = Waiting(task_id="wait", looks=[True], patience_seconds=0)
    assert not waiting.wait() and waiting.looked == 0
