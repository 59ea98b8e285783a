"""What an environment has of its own, such as a laptop: where a process finds its AWS, what its doctor asks besides.

Entry points of the console script fill it in; `places.read_context` and the doctor make use of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from idiscover.cli.doctor.checks import Check

_CHOSEN = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID")  # who has set one of these has chosen an AWS

joins: dict[str, Callable[[], Mapping[str, str]]] = {}  # environment → variables of a process that is to reach it

more_checks: dict[str, Callable[[], Sequence[Check]]] = {}  # environment → what its doctor asks besides


def join(environment: str) -> None:
    """Sets the environment's variables in this process, unless its caller has chosen an AWS."""
    if environment in joins and not any(name in os.environ for name in _CHOSEN):
        os.environ.update(joins[environment]())
