"""Affiliations, objectives with their professionals, and two years of interactions."""

import random
from datetime import date, timedelta

from local.salesforce import schema
from local.salesforce.generate.history import HISTORY_ENDS, History
from local.salesforce.generate.initial.cast import Cast, Marker, Party
from local.salesforce.generate.initial.testing import lab_of, moment_after
from local.salesforce.generate.records import engagement as make
from local.salesforce.times import ORG_DAY_ZERO

AFFILIATIONS, OBJECTIVES, OBJECTIVE_HCPS, INTERACTIONS = 9_000, 5_000, 8_000, 38_000
_YEAR_DAYS = 365
_NO_MARKER = Marker("", "biomarker", None)


def add_engagement(history: History, cast: Cast) -> None:
    """Who works where, what was agreed, who was met; a few references lead to accounts of the wrong type."""
    _add_affiliations(history, cast)
    _add_objectives(history, cast)
    _add_interactions(history, cast)


def _add_affiliations(history: History, cast: Cast) -> None:
    """A professional's first link is mostly the primary one; a few have none, a few two."""
    world = history.world
    rng, later = world.rng("initial:affiliations"), world.rng("initial:affiliations:later")
    linked: set[str] = set()
    for number in range(max(len(cast.labs), world.count(AFFILIATIONS))):
        lab, person = lab_of(rng, cast.labs, number), rng.choice(cast.professionals)
        is_primary = person.id not in linked if rng.randrange(12) else rng.randrange(2) == 0
        linked.add(person.id)
        lab_id = cast.hospitals[0].id if number % 150 == 27 else lab.id
        hcp_id = cast.labs[1].id if number % 160 == 28 else person.id
        values = make.new_affiliation(rng, number, lab_id, hcp_id, is_primary)
        later_of = lab if lab.created_at > person.created_at else person
        owner = cast.owner(rng, lab.country)
        record = history.insert(schema.LAB_HCP_AFFILIATION, moment_after(rng, later_of), values, owner)
        history.live_on(later, schema.LAB_HCP_AFFILIATION, record, make.changed_affiliation, number % 70 == 30)
        cast.people_of[lab.id].append(person)


def _add_objectives(history: History, cast: Cast) -> None:
    world = history.world
    rng, later = world.rng("initial:objectives"), world.rng("initial:objectives:later")
    objectives = []
    for number in range(max(len(cast.labs), world.count(OBJECTIVES))):
        lab = lab_of(rng, cast.labs, number)
        marker = _NO_MARKER if rng.randrange(5) == 0 else rng.choice(cast.markers)
        area_id = rng.choice(cast.areas) if marker.area_id is None or rng.randrange(25) == 0 else marker.area_id
        lab_id = cast.professionals[number % len(cast.professionals)].id if number % 140 == 29 else lab.id
        values = make.new_objective(rng, number, lab_id, area_id, (marker.id or None, marker.name))
        owner = rng.choice(schema.QUEUE_IDS) if number % 110 == 35 else cast.owner(rng, lab.country)
        record = history.insert(schema.LAB_OBJECTIVE, moment_after(rng, lab), values, owner)
        history.live_on(later, schema.LAB_OBJECTIVE, record, make.changed_objective, number % 50 == 22)
        objectives.append((str(record["Id"]), lab, owner))
    _add_objective_hcps(history, cast, objectives)


def _add_objective_hcps(history: History, cast: Cast, objectives: list[tuple[str, Party, str]]) -> None:
    world = history.world
    rng = world.rng("initial:objective hcps")
    for number in range(max(len(objectives), world.count(OBJECTIVE_HCPS))):
        objective_id, lab, owner = objectives[rng.randrange(len(objectives))]
        people = cast.people_of[lab.id] if rng.randrange(8) else []
        person = rng.choice(people or cast.professionals)
        hcp_id = cast.labs[2].id if number % 170 == 32 else person.id
        values = make.new_objective_hcp(number, objective_id, hcp_id)
        later_of = lab if lab.created_at > person.created_at else person
        record = history.insert(schema.OBJECTIVE_HCP, moment_after(rng, later_of), values, owner)
        history.live_on(rng, schema.OBJECTIVE_HCP, record, None, number % 65 == 31)


def _add_interactions(history: History, cast: Cast) -> None:
    """Some labs are seen often, some never; nearly three in four visits were in the last year."""
    world = history.world
    rng, later = world.rng("initial:interactions"), world.rng("initial:interactions:later")
    for number in range(world.count(INTERACTIONS)):
        lab = cast.labs[min(rng.randrange(len(cast.labs)), rng.randrange(len(cast.labs)))]
        moment = make.working_moment(rng, _visit_day(rng))
        person = _met(rng, cast, lab)
        hcp_id = person.id if person is not None and person.created_at < moment else None
        if number % 700 == 31:
            hcp_id = cast.labs[3].id
        area_id = rng.choice(cast.areas) if rng.randrange(12) else None
        lab_id = cast.professionals[number % len(cast.professionals)].id if number % 750 == 34 else lab.id
        values = make.new_interaction(rng, number, lab_id, (hcp_id, area_id), moment)
        stamp = min(
            moment + timedelta(minutes=rng.randrange(10, 4000)), HISTORY_ENDS - timedelta(seconds=number % 3600)
        )
        owner = rng.choice(schema.QUEUE_IDS) if number % 800 == 36 else cast.owner(rng, lab.country)
        record = history.insert(schema.LAB_INTERACTION, stamp, values, owner)
        history.live_on(later, schema.LAB_INTERACTION, record, make.changed_interaction, number % 90 == 40)


def _visit_day(rng: random.Random) -> date:
    back = rng.randrange(1, _YEAR_DAYS) + (0 if rng.randrange(100) < 72 else _YEAR_DAYS)
    return ORG_DAY_ZERO - timedelta(days=back)


def _met(rng: random.Random, cast: Cast, lab: Party) -> Party | None:
    people = cast.people_of[lab.id]
    turn = rng.randrange(20)
    if turn < 4:
        return None
    return rng.choice(people if people and turn < 19 else cast.professionals)
