"""One running simulator for the tests of a module."""

from collections.abc import Iterator

import pytest

from tests.local.salesforce.sf_process import Simulator

SCALE = "0.02"


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """One simulator for the tests of a module, logged in; pages of 100 rows so that there are several."""
    running = Simulator(tmp_path_factory.mktemp("org") / "state", "--scale", SCALE, "--page-rows", "100")
    running.start()
    try:
        running.log_in()
        yield running
    finally:
        running.stop()
