"""Fixtures of the direct chain: one stack for a whole session, a fresh org and empty stores for whoever begins."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Protocol

import pytest

from tests.support.direct_chain import DirectChain
from tests.support.direct_stack import DirectStack, running_stack
from tests.support.kept import keep

SEED = 20260105
SCALE = 0.02


class Begin(Protocol):
    """Begins a chain on the org's first day, by default of all tables of the repository."""

    def __call__(
        self, tables: Collection[str] | None = None, seed: int = SEED, scale: float = SCALE
    ) -> DirectChain: ...


@pytest.fixture(scope="session")
def started_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DirectStack]:
    """The stack, with whatever tests have left in it."""
    with running_stack(tmp_path_factory.mktemp("direct chain")) as stack:
        yield stack


@pytest.fixture
def begin(started_stack: DirectStack) -> Iterator[Begin]:
    """Begins a chain; one at a time, for they share the stack."""
    with beginning(started_stack) as begin_chain:
        yield begin_chain


@contextmanager
def beginning(stack: DirectStack) -> Iterator[Begin]:
    """Within the block, this process's environment is that of the stack."""

    def begin_chain(tables: Collection[str] | None = None, seed: int = SEED, scale: float = SCALE) -> DirectChain:
        stack.empty(seed, scale)
        catalog = stack.catalog if tables is None else stack.some_tables(tables)
        return DirectChain(stack, catalog, kept=connections)

    with pytest.MonkeyPatch.context() as patch:
        for name, value in stack.environment().items():
            patch.setenv(name, value)
        connections = keep(patch)
        try:
            yield begin_chain
        finally:
            connections.close()
