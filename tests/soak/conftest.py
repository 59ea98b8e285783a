"""The direct chain's stack, for the tests here that run on it."""

from tests.support.chain_fixtures import begin, started_stack

__all__ = ["begin", "started_stack"]
