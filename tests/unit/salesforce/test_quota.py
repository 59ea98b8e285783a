"""The platform's share of the org's daily limits: used up to it, never beyond."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from idiscover.errors import NextRunError
from idiscover.salesforce.quota import Usage, check_jobs, check_org, check_run, usage_in

from tests.unit.salesforce.fake_org import DATA, FakeOrg, as_json

LIMITS = f"{DATA}/limits/"


@pytest.mark.parametrize(
    ("header", "usage"),
    [
        ("api-usage=18/5000", Usage(18, 5000)),
        ("api-usage=25/5000; per-app-api-usage=17/250(appName=sample-app)", Usage(25, 5000)),
        ("per-app-api-usage=17/250(appName=sample-app)", None),
        ("api-usage=x/y", None),
        (None, None),
    ],
)
def test_the_orgs_answers_tell_what_it_has_used(header: str | None, usage: Usage | None) -> None:
    assert usage_in(header) == usage


@given(st.integers(0, 200), st.integers(1, 100))
def test_the_share_is_never_passed(used: int, percent: int) -> None:
    """The call that is about to be made is the org's number used + 1."""
    if used + 1 <= 100 * percent / 100:
        check_org(Usage(used, 100), percent)
    else:
        with pytest.raises(NextRunError, match=f"{used} of 100 calls"):
            check_org(Usage(used, 100), percent)


def test_a_run_has_a_share_of_its_own() -> None:
    check_run(15, 5, Usage(0, 100), 20)
    check_run(15, 500, None, 20)
    with pytest.raises(NextRunError, match="15 calls made and 6 to come"):
        check_run(15, 6, Usage(0, 100), 20)


def test_query_jobs_are_counted_before_they_are_made() -> None:
    limits = {"DailyBulkV2QueryJobs": {"Max": 100, "Remaining": 25}}
    check_jobs(limits, 5, 80)
    check_jobs({}, 5, 80)
    with pytest.raises(NextRunError, match="75 of 100 jobs of 24 hours, and 6 to come"):
        check_jobs(limits, 6, 80)


def test_a_session_stops_before_its_share_is_passed(org: FakeOrg) -> None:
    session = org.open()
    session.most_calls_percent = 50
    org.routes[LIMITS] = lambda _seen: as_json({}, **{"Sforce-Limit-Info": f"api-usage={len(org.asked(LIMITS))}/10"})
    for _ in range(5):
        session.limits()
    with pytest.raises(NextRunError, match="5 of 10 calls"):
        session.limits()
    assert (len(org.asked(LIMITS)), session.api_calls) == (5, 5)
