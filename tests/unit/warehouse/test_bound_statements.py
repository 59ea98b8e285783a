"""Statements as text and parameters."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from idiscover.warehouse.statements import parse_statement

DAY = date(2026, 1, 5)


def test_parameters_are_bound_by_name() -> None:
    sql, values = parse_statement("CALL itg.load_lab(:country_code, :as_of_date, :run_id)").bind("DE", DAY, "run")
    assert sql == "call itg.load_lab(%(country_code)s, %(as_of_date)s, %(run_id)s)"
    assert values == {"country_code": "DE", "as_of_date": DAY, "run_id": "run"}


def test_literals_are_bound_too_and_order_is_kept() -> None:
    text = "CALL dm.load_x('100%', :run_id, 3, 2.5, null, true, :run_id, 'run_id')"
    sql, values = parse_statement(text).bind("DE", DAY, "run")
    assert sql == (
        "call dm.load_x(%(literal_1)s, %(run_id)s, %(literal_3)s, %(literal_4)s, %(literal_5)s, %(literal_6)s, "
        "%(run_id)s, %(literal_8)s)"
    )
    assert values == {
        "literal_1": "100%", "run_id": "run", "literal_3": 3, "literal_4": Decimal("2.5"), "literal_5": None,
        "literal_6": True, "literal_8": "run_id",
    }  # fmt: skip


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\\\x00")), st.text(), st.text())
def test_no_value_reaches_the_text(literal: str, country: str, run_id: str) -> None:
    quoted = literal.replace("'", "''")
    sql, values = parse_statement(f"CALL dm.x('{quoted}', :country_code, :run_id)").bind(country, DAY, run_id)
    assert sql == "call dm.x(%(literal_1)s, %(country_code)s, %(run_id)s)"
    assert values == {"literal_1": literal, "country_code": country, "run_id": run_id}
