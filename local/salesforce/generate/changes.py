"""What an ordinary change of a record of each object is."""

import random
from collections.abc import Callable, Mapping

from local.salesforce import schema
from local.salesforce.events import Record, Value
from local.salesforce.generate.records import accounts, engagement, field_force, testing

Change = Callable[[random.Random, Record], dict[str, Value]]
# The others are changed in ways of their own.
CHANGES: Mapping[str, Change] = {
    schema.ACCOUNT.name: accounts.changed_account,
    schema.TESTING_VOLUME.name: testing.changed_volume,
    schema.LAB_INTERACTION.name: engagement.changed_interaction,
    schema.TEST_OFFERING.name: testing.changed_offering,
    schema.LAB_CAPABILITY.name: testing.changed_capability,
    schema.LAB_HCP_AFFILIATION.name: engagement.changed_affiliation,
    schema.LAB_OBJECTIVE.name: engagement.changed_objective,
    schema.OBJECT_TERRITORY_ASSOCIATION.name: field_force.changed_coverage,
    schema.USER_TERRITORY_ASSOCIATION.name: field_force.changed_membership,
    schema.USER.name: field_force.changed_user,
    schema.TERRITORY.name: field_force.changed_territory,
}
