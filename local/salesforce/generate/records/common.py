"""What the records of all objects have in common: who gets values that hurt, and how something else is picked."""

import random
from collections.abc import Sequence
from datetime import date, timedelta

from local.salesforce.events import Value

HURTING_EVERY = 40
HURTING_FIRST = 16


def is_hurting(number: int) -> bool:
    """Whether this record has a value that hurts: the first few (so that the smallest org has them all), then some."""
    return number < HURTING_FIRST or number % HURTING_EVERY == 0


def hurting_turn(number: int) -> int:
    """Which of the values that hurt record `number` has."""
    return number if number < HURTING_FIRST else number // HURTING_EVERY


def other(rng: random.Random, choices: Sequence[str | None], current: Value) -> str | None:
    """One of the choices that is not the current value."""
    return rng.choice([item for item in choices if item != current])


def some_day(rng: random.Random, start: date, end: date) -> date:
    """A day, start <= day < end."""
    return start + timedelta(days=rng.randrange((end - start).days))


def joined(rng: random.Random, choices: Sequence[str]) -> str | None:
    """A multi-picklist's value: each of the choices or not; null when none."""
    return ";".join(item for item in choices if rng.random() < 0.5) or None
