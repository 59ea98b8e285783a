"""The platform's stores, started once for all tests of `idiscover.aws` and emptied before each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from idiscover.aws import extraction_run

from tests.support.aws_platform import Platform, running_platform
from tests.support.aws_runs import Org


@pytest.fixture(scope="session")
def started_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The stores, with whatever tests have left in them."""
    with running_platform(tmp_path_factory.mktemp("platform")) as platform:
        yield platform


@pytest.fixture
def platform(started_platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """The stores, empty, and the environment that points at them."""
    for name, value in started_platform.environment().items():
        monkeypatch.setenv(name, value)
    started_platform.empty()
    return started_platform


@pytest.fixture
def org(monkeypatch: pytest.MonkeyPatch) -> Org:
    """The org, of which extractions only ask the time."""
    org = Org()
    monkeypatch.setattr(extraction_run, "open_session", lambda _secret, _api_version: org)
    return org
