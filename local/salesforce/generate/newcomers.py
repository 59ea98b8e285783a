"""How a new record of each object comes about on a day: what it belongs to, and who owns it."""

import random
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from local.salesforce import schema
from local.salesforce.events import Record, Value
from local.salesforce.fields import SObject
from local.salesforce.generate.records import accounts, engagement, field_force, testing
from local.salesforce.generate.vocabulary import COUNTRIES
from local.salesforce.generate.world import World
from local.salesforce.schema.testing import TECHNOLOGIES
from local.salesforce.times import month_start

_ACCOUNT_KINDS = ("Lab", "HCO", "HCP", "HCP", "HCP", "Lab")


class Scene:
    """The org just before an instant: what a new record can belong to."""

    def __init__(self, world: World, rng: random.Random, stamp: datetime) -> None:
        self.world = world
        self.rng = rng
        self.stamp = stamp

    def one(self, sobject: SObject, group: str = "") -> Record | None:
        """A live record that stood before the instant."""
        return self.world.pick(self.rng, self.world.pool(sobject.name, group), sobject.name, self.stamp)

    def parent(self, record: Record, field: str, sobject: SObject) -> Record | None:
        """The record a reference leads to, if it is there."""
        return self.world.records[sobject.name].get(str(record[field]))


Newcomer = Callable[[Scene, int], tuple[dict[str, Value], Value] | None]


def _account(scene: Scene, number: int) -> tuple[dict[str, Value], Value] | None:
    rng, kind = scene.rng, _ACCOUNT_KINDS[number % len(_ACCOUNT_KINDS)]
    if kind == "HCO":
        values = accounts.new_hospital(rng, number)
    else:
        parent = scene.one(schema.ACCOUNT, "HCO" if kind == "Lab" else "Lab")
        make = accounts.new_lab if kind == "Lab" else accounts.new_professional
        values = make(rng, number, None if parent is None else str(parent["Id"]))
    return values, values["Country_Code__c"]


def _volume(scene: Scene, number: int) -> tuple[dict[str, Value], Value] | None:
    """A lab reports a month, mostly the last one."""
    lab, marker = scene.one(schema.ACCOUNT, "Lab"), scene.one(schema.BIOMARKER)
    if lab is None or marker is None:
        return None
    back = 1 if scene.rng.random() < 0.7 else scene.rng.randrange(1, 18)
    month = month_start(scene.stamp.date(), back)
    values = testing.new_volume(scene.rng, number, str(lab["Id"]), str(marker["Id"]), month)
    return values, lab["Country_Code__c"]


def _capability(scene: Scene, number: int) -> tuple[dict[str, Value], Value] | None:
    lab = scene.one(schema.ACCOUNT, "Lab")
    if lab is None:
        return None
    values = testing.new_capability(scene.rng, number, str(lab["Id"]), scene.rng.choice(TECHNOLOGIES))
    return values, lab["Country_Code__c"]


def _offering(scene: Scene, number: int) -> tuple[dict[str, Value], Value] | None:
    """A lab offers a test with a technology that it has."""
    capability, marker = scene.one(schema.LAB_CAPABILITY), scene.one(schema.BIOMARKER)
    if capability is None or marker is None:
        return None
    lab = scene.parent(capability, "Lab__c", schema.ACCOUNT)
    lab_id = None if lab is None else str(lab["Id"])
    values = testing.new_offering(scene.rng, number, lab_id, str(marker["Id"]), str(capability["Id"]))
    return values, None if lab is None else lab["Country_Code__c"]


def _affiliation(scene: Scene, number: int) -> tuple[dict[str, Value], Value] | None:
    lab, person = scene.one(schema.ACCOUNT, "Lab"), scene.one(schema.ACCOUNT, "HCP")
    if lab is None or person is None:
        return None
    is_primary = scene.rng.randrange(3) == 0
    values = engagement.new_affiliation(scene.rng, number, str(lab["Id"]), str(person["Id"]), is_primary)
    return values, lab["Country_Code__c"]


def _objective(scene: Scene, number: int) -> tuple[dict[str, Value], Value] | None:
    lab, marker = scene.one(schema.ACCOUNT, "Lab"), scene.one(schema.BIOMARKER)
    area = scene.one(schema.THERAPEUTIC_AREA)
    if lab is None or marker is None or area is None:
        return None
    area_id = str(marker["Therapeutic_Area__c"] or area["Id"])
    named = (str(marker["Id"]), str(marker["Name"]))
    values = engagement.new_objective(scene.rng, number, str(lab["Id"]), area_id, named)
    return values, lab["Country_Code__c"]


def _objective_hcp(scene: Scene, number: int) -> tuple[dict[str, Value], Value] | None:
    objective, person = scene.one(schema.LAB_OBJECTIVE), scene.one(schema.ACCOUNT, "HCP")
    if objective is None or person is None:
        return None
    return engagement.new_objective_hcp(number, str(objective["Id"]), str(person["Id"])), person["Country_Code__c"]


def _interaction(scene: Scene, number: int) -> tuple[dict[str, Value], Value] | None:
    """Somebody of an affiliated pair was met today or in the days before, at times nobody in particular."""
    link, area = scene.one(schema.LAB_HCP_AFFILIATION), scene.one(schema.THERAPEUTIC_AREA)
    if link is None or area is None:
        return None
    lab = scene.parent(link, "Lab__c", schema.ACCOUNT) or scene.one(schema.ACCOUNT, "Lab")
    if lab is None:
        return None
    hcp_id = None if link["HCP__c"] is None or scene.rng.randrange(5) == 0 else str(link["HCP__c"])
    day = scene.stamp.date() - timedelta(days=scene.rng.choice((0, 0, 0, 1, 1, 3, 10)))
    moment = min(engagement.working_moment(scene.rng, day), scene.stamp)
    values = engagement.new_interaction(scene.rng, number, str(lab["Id"]), (hcp_id, str(area["Id"])), moment)
    return values, lab["Country_Code__c"]


def _user(scene: Scene, number: int) -> tuple[dict[str, Value], Value] | None:
    country = COUNTRIES[number % len(COUNTRIES)]
    manager = scene.one(schema.USER, country)
    return field_force.new_user(scene.rng, number, country, None if manager is None else str(manager["Id"])), None


def _territory(scene: Scene, number: int) -> tuple[dict[str, Value], Value] | None:
    parent = scene.one(schema.TERRITORY)
    country = COUNTRIES[number % len(COUNTRIES)]
    parent_id = None if parent is None else str(parent["Id"])
    return field_force.new_territory(number, country, f"New {number}", parent_id), None


def _membership(scene: Scene, number: int) -> tuple[dict[str, Value], Value] | None:
    user, territory = scene.one(schema.USER, COUNTRIES[number % len(COUNTRIES)]), scene.one(schema.TERRITORY)
    if user is None or territory is None:
        return None
    return field_force.new_membership(scene.rng, str(user["Id"]), str(territory["Id"]), True), None


def _coverage(scene: Scene, number: int) -> tuple[dict[str, Value], Value] | None:
    account, territory = scene.one(schema.ACCOUNT, "HCP" if number % 3 else "Lab"), scene.one(schema.TERRITORY)
    if account is None or territory is None:
        return None
    return field_force.new_coverage(scene.rng, str(account["Id"]), str(territory["Id"])), None


# Business values and the country whose people own the record; None when there is nothing that it could belong to.
NEWCOMERS: Mapping[str, Newcomer] = {
    schema.ACCOUNT.name: _account,
    schema.TESTING_VOLUME.name: _volume,
    schema.LAB_CAPABILITY.name: _capability,
    schema.TEST_OFFERING.name: _offering,
    schema.LAB_HCP_AFFILIATION.name: _affiliation,
    schema.LAB_OBJECTIVE.name: _objective,
    schema.OBJECTIVE_HCP.name: _objective_hcp,
    schema.LAB_INTERACTION.name: _interaction,
    schema.USER.name: _user,
    schema.TERRITORY.name: _territory,
    schema.USER_TERRITORY_ASSOCIATION.name: _membership,
    schema.OBJECT_TERRITORY_ASSOCIATION.name: _coverage,
}
