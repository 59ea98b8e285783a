"""The record of a release's SQL, and statements that a run reads before `publish_dags` has looked at them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from idiscover.aws.release_record import STATEMENTS_KEY, recorded_statements, require_released
from idiscover.errors import ConfigError
from idiscover.warehouse.release import ReleaseStatement

from tests.unit.metadata_samples import SQL_OF_FACT_TEST

CALL = "CALL dm.load_fact_test(:country_code, :as_of_date, :run_id)"
OTHER = "CALL dm.load_fact_other(:country_code, :as_of_date, :run_id)"


class FakeBucket:
    """A bucket with the record of a release, or without."""

    def __init__(self, statements: tuple[ReleaseStatement, ...] | None) -> None:
        self.asked = 0
        self._text = None if statements is None else json.dumps({item.name: item.sql for item in statements})

    def exists(self, key: str) -> bool:
        assert key == STATEMENTS_KEY
        self.asked += 1
        return self._text is not None

    def read_text(self, key: str) -> str:
        return str(self._text)


def bucket(statements: tuple[ReleaseStatement, ...] | None) -> Any:
    return FakeBucket(statements)


def test_what_was_recorded_is_read_back() -> None:
    assert recorded_statements(bucket(SQL_OF_FACT_TEST)) == list(SQL_OF_FACT_TEST)
    assert recorded_statements(bucket(None)) is None


def test_a_statement_of_a_procedure_that_no_release_has_brought_is_refused() -> None:
    require_released(bucket(SQL_OF_FACT_TEST), [CALL], "tables/dm.fact_test.yaml")
    with pytest.raises(
        ConfigError, match=r"no release has brought[\s\S]*got: dm\.load_fact_other[\s\S]*idiscover deploy"
    ):
        require_released(bucket(SQL_OF_FACT_TEST), [CALL, OTHER], "tables/dm.fact_test.yaml")


def test_nothing_is_read_where_nothing_is_new_and_nothing_refused_where_nothing_is_known() -> None:
    known = bucket(SQL_OF_FACT_TEST)
    require_released(known, [], "tables/dm.fact_test.yaml")
    assert known.asked == 0
    require_released(bucket(None), [OTHER], "tables/dm.fact_test.yaml")
