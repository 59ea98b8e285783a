"""One scripted org for all tests of a module; each test finds it empty."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.salesforce.fake_org import FakeOrg, fake_org


@pytest.fixture(scope="module")
def running_org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeOrg]:
    with fake_org(tmp_path_factory.mktemp("org")) as org:
        yield org


@pytest.fixture
def org(running_org: FakeOrg) -> FakeOrg:
    running_org.reset()
    return running_org
