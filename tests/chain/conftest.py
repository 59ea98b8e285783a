"""One stack for all tests of the chain; each test begins with a fresh org and empty stores."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

import pytest

from tests.support.direct_chain import DirectChain
from tests.support.direct_stack import DirectStack, running_stack
from tests.support.kept import keep

SEED = 20260105
SCALE = 0.02

Begin = Callable[..., DirectChain]


@pytest.fixture(scope="session")
def started_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DirectStack]:
    """The stack, with whatever tests have left in it."""
    with running_stack(tmp_path_factory.mktemp("direct chain")) as stack:
        yield stack


@pytest.fixture
def begin(started_stack: DirectStack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Begin]:
    """Begins a chain on the org's first day: `begin(tables=None, seed=SEED, scale=SCALE)`; by default of all tables."""
    for name, value in started_stack.environment().items():
        monkeypatch.setenv(name, value)

    def new_chain(tables: Collection[str] | None = None, seed: int = SEED, scale: float = SCALE) -> DirectChain:
        started_stack.empty(seed, scale)
        catalog = started_stack.catalog if tables is None else started_stack.some_tables(tables)
        return DirectChain(started_stack, catalog)

    connections = keep(monkeypatch)
    yield new_chain
    connections.close()
