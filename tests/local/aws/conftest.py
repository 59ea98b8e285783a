"""Fixtures of the AWS stand-in's tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The helpers lie beside the tests, whatever import mode pytest runs in.
sys.path.insert(0, str(Path(__file__).parent))

from aws_stand import Stand


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """One stand-in for the tests of a module that neither crash it nor mind each other."""
    folder = tmp_path_factory.mktemp("shared") / "state of a stand"
    folder.mkdir()
    made = Stand(folder)
    made.start()
    yield made
    made.end()


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    folder = tmp_path / "state of a stand"
    folder.mkdir()
    made = Stand(folder)
    made.start()
    yield made
    made.end()
