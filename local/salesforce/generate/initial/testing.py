"""Capabilities, offerings that use them, and volumes mostly of what is offered."""

import random
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta

from local.salesforce import schema
from local.salesforce.generate.history import HISTORY_ENDS, History, between
from local.salesforce.generate.initial.cast import Cast, Marker, Party
from local.salesforce.generate.records import testing as make
from local.salesforce.schema.testing import TECHNOLOGIES
from local.salesforce.times import ORG_DAY_ZERO, month_start

CAPABILITIES, OFFERINGS, VOLUMES = 3_600, 9_000, 108_000
VOLUME_MONTHS = 24
Held = dict[str, list[str]]
Offered = dict[str, list[Marker]]


def add_testing(history: History, cast: Cast) -> None:
    """What labs can, offer and did; a few records belong to an account that is no lab."""
    held = _add_capabilities(history, cast)
    offered = _add_offerings(history, cast, held)
    _add_volumes(history, cast, offered)


def lab_of(rng: random.Random, labs: list[Party], number: int) -> Party:
    """The lab of child `number`: each lab has one, some have many."""
    drawn = labs[rng.randrange(len(labs))]
    return labs[number] if number < len(labs) else drawn


def moment_after(rng: random.Random, party: Party) -> datetime:
    """When a child of an account was made."""
    return between(rng, party.created_at + timedelta(hours=1), HISTORY_ENDS - timedelta(hours=1))


def _add_capabilities(history: History, cast: Cast) -> Held:
    world = history.world
    rng, later = world.rng("initial:capabilities"), world.rng("initial:capabilities:later")
    held: Held = defaultdict(list)
    for number in range(max(len(cast.labs), world.count(CAPABILITIES))):
        lab = lab_of(rng, cast.labs, number)
        lab_id = cast.professionals[number % len(cast.professionals)].id if number % 130 == 25 else lab.id
        values = make.new_capability(rng, number, lab_id, rng.choice(TECHNOLOGIES))
        owner = cast.owner(rng, lab.country)
        record = history.insert(schema.LAB_CAPABILITY, moment_after(rng, lab), values, owner)
        history.live_on(later, schema.LAB_CAPABILITY, record, make.changed_capability, number % 45 == 20)
        held[lab.id].append(str(record["Id"]))
    return held


def _add_offerings(history: History, cast: Cast, held: Held) -> Offered:
    world = history.world
    rng, later = world.rng("initial:offerings"), world.rng("initial:offerings:later")
    offered: Offered = defaultdict(list)
    for number in range(max(len(cast.labs), world.count(OFFERINGS))):
        lab = lab_of(rng, cast.labs, number)
        marker = rng.choice(cast.markers)
        if marker in offered[lab.id]:
            marker = rng.choice(cast.markers)
        # Number 33 and a few more name the technology of another lab.
        holder = cast.labs[0].id if number % 140 == 33 else lab.id
        values = make.new_offering(rng, number, lab.id, marker.id, rng.choice(held[holder]))
        owner = cast.owner(rng, lab.country)
        record = history.insert(schema.TEST_OFFERING, moment_after(rng, lab), values, owner)
        history.live_on(later, schema.TEST_OFFERING, record, make.changed_offering, number % 60 == 25)
        offered[lab.id].append(marker)
    return offered


def _add_volumes(history: History, cast: Cast, offered: Offered) -> None:
    world = history.world
    rng, later = world.rng("initial:volumes"), world.rng("initial:volumes:later")
    slots = _volume_slots(rng, cast, offered, world.count(VOLUMES))
    for number, (lab, marker, month) in enumerate(slots):
        reported = datetime(month.year, month.month, 1, 8, tzinfo=UTC) + timedelta(days=33)
        stamp = min(
            between(rng, reported, reported + timedelta(days=20)),
            between(rng, HISTORY_ENDS - timedelta(days=3), HISTORY_ENDS - timedelta(hours=1)),
        )
        lab_id = cast.professionals[number % len(cast.professionals)].id if number % 900 == 25 else lab.id
        values = make.new_volume(rng, number, lab_id, marker.id, month)
        record = history.insert(schema.TESTING_VOLUME, stamp, values, cast.owner(rng, lab.country))
        history.live_on(later, schema.TESTING_VOLUME, record, make.changed_volume, number % 80 == 9)


def _volume_slots(rng: random.Random, cast: Cast, offered: Offered, wanted: int) -> list[tuple[Party, Marker, date]]:
    """`wanted` different (lab, biomarker, month): a lab reports a handful of markers, with gaps, over two years."""
    slots: list[tuple[Party, Marker, date]] = []
    taken: set[tuple[str, str]] = set()
    turn = 0
    while len(slots) < wanted:
        lab = cast.labs[turn % len(cast.labs)]
        turn += 1
        marker = rng.choice(cast.markers if rng.randrange(7) == 0 else offered[lab.id] or cast.markers)
        if (lab.id, marker.id) in taken:
            continue
        taken.add((lab.id, marker.id))
        first = rng.randrange(VOLUME_MONTHS // 2)
        for back in range(VOLUME_MONTHS - first, 0, -1):
            if rng.random() < 0.9:
                slots.append((lab, marker, month_start(ORG_DAY_ZERO, back)))
    return slots[:wanted]
