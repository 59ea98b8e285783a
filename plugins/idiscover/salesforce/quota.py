"""How much of the org's daily limits the platform may use: it stops before its share is used up, not after. Pure.

What the org has used, whoever used it, stands in each of its answers and costs no call of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from idiscover.errors import NextRunError

LIMIT_HEADER = "Sforce-Limit-Info"
_USAGE = re.compile(r"(?<![\w-])api-usage=(\d+)/(\d+)")  # an app of its own may have a limit beside it
_JOBS = "DailyBulkV2QueryJobs"
_REMEDY = "wait until the rolling 24 hours free some, find out who uses them, or raise {key} in the context"


@dataclass(frozen=True)
class Usage:
    """API calls of 24 hours, of the whole org."""

    used: int
    allowed: int


def usage_in(header: str | None) -> Usage | None:
    """What `Sforce-Limit-Info` says; None where it says nothing of it."""
    found = _USAGE.search(header or "")
    return Usage(int(found[1]), int(found[2])) if found else None


def check_org(usage: Usage | None, most_percent: int) -> None:
    """Before each call.

    Raises:
        NextRunError: the org's calls of 24 hours have reached the share at which the platform stops.
    """
    if usage is not None and usage.used * 100 >= usage.allowed * most_percent:
        raise NextRunError(
            "the org's API calls are used up to the share at which the platform stops",
            key="salesforce.most_calls_percent",
            got=f"{usage.used} of {usage.allowed} calls of 24 hours, whoever made them",
            expected=f"less than {most_percent} % of them",
            remedy=_REMEDY.format(key="salesforce.most_calls_percent"),
        )


def check_run(spent: int, coming: int, usage: Usage | None, most_percent: int) -> None:
    """Before the pages of a job are asked for.

    Args:
        spent: calls of the run so far.
        coming: calls that are still to be made for what is known of.

    Raises:
        NextRunError: together they are more than a run's share.
    """
    if usage is not None and (spent + coming) * 100 > usage.allowed * most_percent:
        raise NextRunError(
            "the run would use more than its share of the org's API calls",
            key="salesforce.most_calls_percent_per_run",
            got=f"{spent} calls made and {coming} to come, of {usage.allowed} in 24 hours",
            expected=f"at most {most_percent} % of them",
            remedy="make the window smaller, raise salesforce.page_rows where pages come one after the other, or raise"
            " salesforce.most_calls_percent_per_run in the context",
        )


def check_jobs(limits: Mapping[str, Any], coming: int, most_percent: int) -> None:
    """Before query jobs are created; `limits` as the org tells them: name → Max, Remaining.

    Raises:
        NextRunError: with these jobs the org's would reach the share at which the platform stops.
    """
    told = limits.get(_JOBS)
    if told is None:
        return
    allowed, used = int(told["Max"]), int(told["Max"]) - int(told["Remaining"])
    if (used + coming) * 100 > allowed * most_percent:
        raise NextRunError(
            "the org's query jobs are used up to the share at which the platform stops",
            key="salesforce.most_calls_percent",
            got=f"{used} of {allowed} jobs of 24 hours, and {coming} to come",
            expected=f"at most {most_percent} % of them",
            remedy=_REMEDY.format(key="salesforce.most_calls_percent"),
        )
