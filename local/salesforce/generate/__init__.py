"""Makes the org's event log from a seed: history first, then day after day, each a function of what came before."""

from collections.abc import Iterable

from local.salesforce.events import Event
from local.salesforce.generate.day import generate_day
from local.salesforce.generate.initial import generate_initial
from local.salesforce.generate.world import World


def new_world(seed: int, scale: float, last_day: int) -> World:
    """A fresh org with its history and days 0…last_day; the events are in `pending`."""
    world = World(seed, scale)
    generate_initial(world)
    add_days(world, 0, last_day)
    return world


def resumed_world(seed: int, scale: float, events: Iterable[Event]) -> World:
    """The world after events that were generated before, ready for further days."""
    world = World(seed, scale)
    for event in events:
        world.replay(event)
    return world


def add_days(world: World, first_day: int, last_day: int) -> None:
    """Generate days first_day…last_day; the result is the same in one go or in several."""
    for day in range(first_day, last_day + 1):
        generate_day(world, day)
