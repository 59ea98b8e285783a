"""Organisations, labs and professionals."""

import random
from datetime import UTC, datetime

from local.salesforce import schema
from local.salesforce.events import Value
from local.salesforce.generate.history import History, between
from local.salesforce.generate.initial.cast import Cast, Party
from local.salesforce.generate.records import accounts as make

LABS, HOSPITALS, PROFESSIONALS = 1_200, 120, 12_000
_HOSPITALS_MADE = (datetime(2023, 1, 10, tzinfo=UTC), datetime(2023, 3, 1, tzinfo=UTC))
_LABS_MADE = (datetime(2023, 3, 1, tzinfo=UTC), datetime(2023, 9, 1, tzinfo=UTC))
_PROFESSIONALS_MADE = (datetime(2023, 6, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC))
_NEWCOMERS_MADE = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC))
_DELETED_EVERY, _DELETED_AT = 30, 13


def add_accounts(history: History, cast: Cast) -> None:
    """All accounts; professionals come in at all times."""
    world = history.world
    rng, later = world.rng("initial:accounts"), world.rng("initial:accounts:later")

    def add(number: int, values: dict[str, Value], made: tuple[datetime, datetime]) -> Party:
        country = values["Country_Code__c"]
        owner = cast.owner(rng, None if country is None else str(country))
        record = history.insert(schema.ACCOUNT, between(rng, *made), values, owner)
        history.live_on(later, schema.ACCOUNT, record, make.changed_account, number % _DELETED_EVERY == _DELETED_AT)
        return Party.of(record)

    for number in range(max(3, world.count(HOSPITALS))):
        cast.hospitals.append(add(number, make.new_hospital(rng, number), _HOSPITALS_MADE))
    for number in range(max(12, world.count(LABS))):
        parent = _parent(rng, cast.hospitals, 60)
        cast.labs.append(add(number, make.new_lab(rng, number, parent), _LABS_MADE))
    for number in range(max(24, world.count(PROFESSIONALS))):
        parent = _parent(rng, cast.labs, 70)
        made = _NEWCOMERS_MADE if rng.randrange(5) == 0 else _PROFESSIONALS_MADE
        cast.professionals.append(add(number, make.new_professional(rng, number, parent), made))


def _parent(rng: random.Random, parents: list[Party], percent: int) -> str | None:
    parent = rng.choice(parents)
    return parent.id if rng.randrange(100) < percent else None
