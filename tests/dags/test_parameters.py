"""What Airflow's own check of a parameter refuses, when a run is triggered, and what it lets through."""

from __future__ import annotations

import re
from typing import Any

import pytest
from airflow.sdk import Param
from idiscover.metadata.countries import COUNTRY_CODES
from idiscover.orchestration.parameters import extraction_parameters, load_parameters, refresh_parameters
from idiscover.plan.model import ExtractionPlan, ReadMode

from tests.dags.compiled import REPOSITORY, repository_plans


@pytest.fixture(scope="module")
def account() -> ExtractionPlan:
    plan = repository_plans()["sfdc_to_s3__account"]
    assert isinstance(plan, ExtractionPlan)
    return plan


def check(params: dict[str, Param], name: str, value: Any) -> Any:
    return params[name].resolve(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "full"),
        ("mode", None),
        ("countries", ["DE", "GB"]),
        ("countries", []),
        ("countries", None),
        ("window_start", "2026-01-05T00:00:00+01:00"),
        ("order_date", "2026-01-05"),
        ("dry_run", True),
        ("reason", "Incident 4711:\nrows were missing"),
    ],
)
def test_what_is_taken(account: ExtractionPlan, name: str, value: Any) -> None:
    assert check(extraction_parameters(account), name, value) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "Full"),
        ("mode", ""),
        ("countries", ["UK"]),
        ("countries", ["de"]),
        ("countries", ["DE", "DE"]),
        ("countries", "DE"),
        ("countries", ["ZZ"]),
        ("window_start", "2026-01-05"),
        ("order_date", "5.1.2026"),
        ("dry_run", "yes"),
        ("dry_run", None),
        ("reason", "x" * 501),
        ("reason", 7),
    ],
)
def test_what_is_refused(account: ExtractionPlan, name: str, value: Any) -> None:
    with pytest.raises(Exception, match=r"Invalid input|not valid|is not|too long|non-unique"):
        check(extraction_parameters(account), name, value)


def test_a_refresh_takes_the_slice_without_a_country_too() -> None:
    assert check(refresh_parameters(), "countries", ["DE", "ZZ"]) == ["DE", "ZZ"]


def test_countries_are_asked_for_only_where_salesforce_knows_them(account: ExtractionPlan) -> None:
    assert "countries" in extraction_parameters(account)
    assert "countries" not in extraction_parameters(account.model_copy(update={"country_field": None}))
    assert set(load_parameters()) == {"dry_run", "reason"}


def test_the_form_says_what_the_daily_run_reads(account: ExtractionPlan) -> None:
    whole = account.model_copy(update={"daily_read_mode": ReadMode.WHOLE})
    shown = extraction_parameters(whole)["mode"].schema["values_display"]
    assert shown["None"] == "as its daily run: every record, whatever its SystemModstamp"


def test_the_countries_are_those_that_dm_has_names_of() -> None:
    text = (REPOSITORY / "sql/procedures/itg_to_dm/load_dim_country.sql").read_text(encoding="utf-8")
    assert set(COUNTRY_CODES) == set(re.findall(r"\('([A-Z]{2})', '", text)) - {"ZZ"}
    assert len(COUNTRY_CODES) == len(set(COUNTRY_CODES)) == 249
