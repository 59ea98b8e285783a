"""Stacks of the soaks: the direct chain's, and a whole one with Airflow and Spark that lives through all its tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.e2e.chain import SCALE, Chain
from tests.support.chain_fixtures import begin, started_stack

__all__ = ["begin", "started_stack"]

HOURS = 3600


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """A small stack after its first day; each test goes on where the one before it ended."""
    environment = dict(os.environ)  # asking a stack points this process at it
    chain = Chain(tmp_path_factory.mktemp("stacks of the soak"))
    try:
        first = chain.verb("demo", "--scale", SCALE, timeout_seconds=2 * HOURS)
        assert first.returncode == 0, first.stdout
        yield chain
    finally:
        chain.verb("reset", "--yes")
        os.environ.clear()
        os.environ.update(environment)
