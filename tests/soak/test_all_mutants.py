"""Every change of every procedure: who goes unnoticed is listed in tests/mutation/equivalent.yaml with a reason.

Printed per text: how many changes, and those that go unnoticed.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.itg_world import released_warehouse
from tests.mutation.changes import by_text
from tests.mutation.court import Court
from tests.mutation.test_mutants import CHANGES, EQUIVALENCES, TEXTS


@pytest.fixture(scope="module")
def court(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Court]:
    with released_warehouse(tmp_path_factory.mktemp("warehouse")) as (connection, catalog):
        yield Court(connection, catalog)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("text", TEXTS)
def test_exactly_the_equivalent_changes_go_unnoticed(court: Court, text: str) -> None:
    of_text = by_text(CHANGES)[text]
    told = {str(change) for change in of_text if any(item.names(change) for item in EQUIVALENCES)}
    unnoticed = {str(change) for change in of_text if court.verdict(change) is None}
    print(f"{text}: {len(of_text)} changes, {len(unnoticed)} go unnoticed", *sorted(unnoticed), sep="\n  ")
    assert unnoticed - told == set(), "unnoticed, and without a reason in equivalent.yaml"
    assert told - unnoticed == set(), "in equivalent.yaml, and noticed all the same"
