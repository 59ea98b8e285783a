"""Where a process finds the AWS of an environment that boto3 would not find by itself, such as a laptop's.

Entry points of the console script fill it in; `places.read_context` makes use of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

_CHOSEN = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID")  # who has set one of these has chosen an AWS

joins: dict[str, Callable[[], Mapping[str, str]]] = {}  # environment → variables of a process that is to reach it


def join(environment: str) -> None:
    """Sets the environment's variables in this process, unless its caller has chosen an AWS."""
    if environment in joins and not any(name in os.environ for name in _CHOSEN):
        os.environ.update(joins[environment]())
