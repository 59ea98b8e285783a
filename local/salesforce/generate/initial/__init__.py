"""The org's history before day 0: who was created when, and what changed since."""

from collections.abc import Iterator

from local.salesforce.events import Event
from local.salesforce.generate.history import History
from local.salesforce.generate.initial.accounts import add_accounts
from local.salesforce.generate.initial.cast import Cast
from local.salesforce.generate.initial.engagement import add_engagement
from local.salesforce.generate.initial.field_force import add_coverages, add_field_force
from local.salesforce.generate.initial.reference_data import add_reference_data
from local.salesforce.generate.initial.testing import add_testing
from local.salesforce.generate.world import World


def generate_initial(world: World) -> Iterator[Event]:
    """Everything from the end of 2022 to the evening before day 0."""
    history, cast = History(world), Cast()
    add_reference_data(history, cast)
    add_field_force(history, cast)
    add_accounts(history, cast)
    add_coverages(history, cast)
    add_testing(history, cast)
    add_engagement(history, cast)
    return history.emit_all()
