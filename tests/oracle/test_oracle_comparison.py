"""Differences, each kind, in words."""

from decimal import Decimal

import pytest

from tests.oracle import compare
from tests.oracle.shapes import Row

TABLE = "itg.account"


def _rows(**changes: object) -> list[Row]:
    return [{"id": "A", "name": "Köln", "eligible": Decimal(5), "_run_id": "x", **changes}]


@pytest.mark.parametrize(
    ("actual", "words"),
    [
        (_rows(), []),
        (_rows(_run_id="y"), []),
        (_rows(eligible=Decimal("5.00")), []),
        (_rows(eligible=5), []),
        (_rows(eligible=None), ["itg.account[A].eligible: expected Decimal('5'), got None"]),
        (_rows(eligible="5"), ["itg.account[A].eligible: expected Decimal('5'), got '5'"]),
        (_rows(name="Köln "), ["itg.account[A].name: expected 'Köln', got 'Köln '"]),
        ([], ["itg.account[A]: the row is missing"]),
        (_rows() + _rows(), ["itg.account[A]: the row stands there more than once"]),
        (_rows() + _rows(id="B"), ["itg.account[B]: the row is not expected"]),
        (
            [{"id": "A", "name": "Köln", "more": 1}],
            [
                "itg.account.eligible: the column is missing",
                "itg.account.more: the column is not expected",
            ],
        ),
        ([{"name": "Köln", "eligible": 5}], ["itg.account.id: the column is missing"]),
    ],
)
def test_differences(actual: list[Row], words: list[str]) -> None:
    assert [str(difference) for difference in compare({TABLE: _rows()}, {TABLE: actual})] == words


def test_a_missing_table_and_a_boolean_that_is_a_number() -> None:
    assert [str(d) for d in compare({TABLE: []}, {})] == ["itg.account: the table is missing"]
    assert len(compare({TABLE: _rows(flag=True)}, {TABLE: _rows(flag=1)})) == 1


def test_the_grain_of_a_mart_is_several_columns() -> None:
    row: Row = {"country_code": "DE", "therapeutic_area_id": "T", "biomarker_id": "B", "month": "m", "tested": 1}
    found = compare({"dm.dm_testing_uptake": [row]}, {"dm.dm_testing_uptake": [{**row, "tested": 2}]})
    assert [str(d) for d in found] == ["dm.dm_testing_uptake[DE, T, B, m].tested: expected 1, got 2"]


def _version(content: str, read_at: int, batch_id: str) -> Row:
    return {"id": "A", "system_modstamp": 1, "name": content, "_read_at_utc": read_at, "_batch_id": batch_id}


def test_versions_of_a_history_are_told_apart_by_the_order_of_their_reads() -> None:
    table = "itg.account__history"
    expected = [_version("two", 20, "000000000002"), _version("one", 10, "000000000001")]
    same = [_version("one", 11, "b"), _version("two", 19, "a")]
    assert compare({table: expected}, {table: same}) == []
    swapped = [_version("one", 21, "b"), _version("two", 19, "a")]
    assert [str(d) for d in compare({table: expected}, {table: swapped})] == [
        "itg.account__history[A, 1, 1].name: expected 'one', got 'two'",
        "itg.account__history[A, 1, 2].name: expected 'two', got 'one'",
    ]
    assert [str(d) for d in compare({table: expected}, {table: same[:1]})] == [
        "itg.account__history[A, 1, 2]: the row is missing"
    ]
    assert [str(d) for d in compare({table: expected[:1]}, {table: same})] == [
        "itg.account__history[A, 1, 2]: the row is not expected",
        "itg.account__history[A, 1, 1].name: expected 'two', got 'one'",
    ]
