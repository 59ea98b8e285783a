"""Makes the org's event log from a seed: history first, then day after day, each a function of what came before."""

from collections.abc import Iterable, Iterator

from local.salesforce.events import Event
from local.salesforce.generate.day import generate_day
from local.salesforce.generate.initial import generate_initial
from local.salesforce.generate.world import World


def generated(world: World, first_day: int, last_day: int) -> Iterator[Event]:
    """The events of org days first_day…last_day, made as they are taken; day 0 comes with all that was before it.

    The result is the same in one go or in several, over the same world or a resumed one.
    """
    if first_day == 0:
        yield from generate_initial(world)
    for day in range(first_day, last_day + 1):
        yield from generate_day(world, day)


def resumed_world(seed: int, scale: float, events: Iterable[Event]) -> World:
    """The world after events that were generated before, ready for further days."""
    world = World(seed, scale)
    for event in events:
        world.replay(event)
    return world
