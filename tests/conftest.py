"""The longest story begins first, so that the workers of `make test` end together."""

from __future__ import annotations

import functools
import gc

import botocore.session
import pytest

# Each session of boto3's reads the descriptions of services anew, and moto has each test begin one: read once here.
botocore.session.create_loader = functools.cache(botocore.session.create_loader)

LONGEST = ("tests/e2e/", "tests/dags/test_failures.py", "tests/chain/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Orders the files of tests by how long they take; within a file nothing changes."""
    items.sort(key=_rank)


def pytest_collection_finish() -> None:
    """What was imported and collected is no garbage: with Airflow that is more than a million objects to look at."""
    gc.collect()
    gc.freeze()


def _rank(item: pytest.Item) -> int:
    return next((rank for rank, path in enumerate(LONGEST) if item.nodeid.startswith(path)), len(LONGEST))
