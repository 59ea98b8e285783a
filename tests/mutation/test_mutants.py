"""Procedures are what the definitions say, and a choice of wrong ones is found out: the mutation test of the SQL.

All changes, and whether those of `equivalent.yaml` really go unnoticed: tests/soak/test_all_mutants.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import pytest
from idiscover.metadata.loading import FolderReader, load_catalog

from tests.integration.itg_world import released_warehouse
from tests.mutation.changes import ITG_TEMPLATE, by_text, changes, chosen
from tests.mutation.court import Court
from tests.mutation.equivalence import Equivalence, equivalences
from tests.mutation.operators import OPERATORS
from tests.mutation.procedures import REPOSITORY, dm_procedures, itg_procedures

SEED = 20260105
CATALOG = load_catalog(FolderReader(REPOSITORY / "metadata"))
PROCEDURES = [*itg_procedures(CATALOG).values(), *dm_procedures(CATALOG).values()]
CHANGES = changes(PROCEDURES)
EQUIVALENCES = equivalences()
VISIBLE = [change for change in CHANGES if not any(equivalence.names(change) for equivalence in EQUIVALENCES)]
CHOSEN = by_text(chosen(VISIBLE, SEED, defaultdict(lambda: 4, {ITG_TEMPLATE: 24}), per_operator=3))
# itg before dm: the warehouse is filled for the one, then for the other
TEXTS = sorted(by_text(CHANGES), reverse=True)


@pytest.fixture(scope="module")
def court(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Court]:
    with released_warehouse(tmp_path_factory.mktemp("warehouse")) as (connection, catalog):
        yield Court(connection, catalog)


@pytest.mark.parametrize("text", TEXTS)
def test_procedures_are_as_defined_and_wrong_ones_are_found_out(court: Court, text: str) -> None:
    rendered = [procedure.name for procedure in PROCEDURES if text in (procedure.name, ITG_TEMPLATE)]
    names = [name for name in rendered if name.startswith("itg.") == (text == ITG_TEMPLATE)]
    assert {name: court.sound(name) for name in names} == dict.fromkeys(names)
    assert [str(change) for change in CHOSEN[text] if court.verdict(change) is None] == []


def test_the_choice_is_representative() -> None:
    picked = [change for of_text in CHOSEN.values() for change in of_text]
    assert len(picked) >= 60
    assert sorted(CHOSEN, reverse=True) == TEXTS
    assert {change.operator for change in picked} == set(OPERATORS)


@pytest.mark.parametrize("equivalence", EQUIVALENCES, ids=lambda item: f"{item.operator}: {item.code}"[:80])
def test_what_is_said_to_go_unnoticed_is_there_and_has_a_reason(equivalence: Equivalence) -> None:
    assert {change.text for change in CHANGES if equivalence.names(change)} == set(equivalence.texts)
    assert len(equivalence.why.split()) >= 5
