"""What the error of one task says when several of its units of countries fail."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, cast

import pytest
from idiscover.aws import refresher
from idiscover.errors import DataQualityError, RetriableError
from idiscover.plan.model import RefreshPlan, RunIdentity

RUN = RunIdentity(dag_id="itg_to_dm__fact_test", run_id="r", run_type="manual")


class Plan:
    """As much of a plan as is asked for before the units are called."""

    table, context = "dm.fact_test", None


def call(monkeypatch: pytest.MonkeyPatch, errors: dict[str, Exception | None]) -> None:
    def call_unit(_plan: Any, _run: Any, unit: list[str]) -> dict[str, float]:
        error = errors[unit[0]]
        if error is not None:
            raise error
        return {"calls": 1, "seconds": 0.0}

    monkeypatch.setattr(refresher, "open_job_metadata", lambda _context: nullcontext())
    monkeypatch.setattr(refresher, "claim_of_run", lambda *_: None)
    monkeypatch.setattr(refresher, "call_unit", call_unit)
    refresher.call_units(cast(RefreshPlan, Plan), RUN, [[code] for code in errors])


def refusal(country: str) -> DataQualityError:
    return DataQualityError("a procedure refuses to go on", where=f"dm.fact_test, country {country}", got="P0001: no")


def test_every_unit_that_failed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = {
        "AT": None,
        "DE": RetriableError("a transaction did not get through"),
        "FR": refusal("FR"),
        "IT": OSError(),
    }
    with pytest.raises(DataQualityError) as raised:
        call(monkeypatch, errors)
    assert raised.value.where == "dm.fact_test, country FR"
    assert raised.value.got == "P0001: no; failed too: DE (a transaction did not get through); IT (OSError)"


def test_of_very_many_some_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataQualityError) as raised:
        call(monkeypatch, {f"{number:02}": refusal(str(number)) for number in range(14)})
    text = str(raised.value)
    assert "01 (a procedure refuses to go on)" in text and "10 (" in text and "11 (" not in text
    assert "and 3 more" in text


def test_one_alone_is_raised_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    error = refusal("DE")
    with pytest.raises(DataQualityError) as raised:
        call(monkeypatch, {"DE": error, "FR": None})
    assert raised.value is error


def test_errors_that_nobody_foresaw_name_the_others_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyError) as raised:
        call(monkeypatch, {"DE": KeyError("x"), "FR": OSError("y")})
    assert raised.value.__notes__ == ["failed too: FR (OSError)"]
