"""One stack for all tests of the chain."""

from tests.support.chain_fixtures import begin, started_stack

__all__ = ["begin", "started_stack"]
