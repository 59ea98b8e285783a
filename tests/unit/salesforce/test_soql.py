"""SOQL text: golden forms, refusals, and literals read back by the simulator's parser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from idiscover.errors import ConfigError
from idiscover.metadata.models import FieldType, FilterCondition
from idiscover.plan.model import BatchContent, ColumnPlan, ReadMode
from idiscover.salesforce import soql

from local.salesforce.soql.nodes import Comparison, unescape
from local.salesforce.soql.parser import parse
from tests.unit.salesforce.samples import sample_request

WINDOW = "SystemModstamp >= 2026-01-05T00:00:00.000Z AND SystemModstamp < 2026-01-06T00:00:00.000Z"


def where_of(condition: FilterCondition, kind: FieldType | None = None) -> str:
    """The filter's part of the query, with its field selected as `kind`."""
    columns = () if kind is None else (ColumnPlan(salesforce=condition.field, type=kind, column="f"),)
    request = sample_request(columns=columns).model_copy(update={"filter": (condition,)})
    return soql.count(request).removeprefix(f"SELECT COUNT() FROM Account WHERE {WINDOW} AND ")


def test_select_and_count_ask_for_the_same_records() -> None:
    request = sample_request()
    assert soql.select(request) == f"SELECT Id, Name, SystemModstamp FROM Account WHERE {WINDOW}"
    assert soql.count(request) == f"SELECT COUNT() FROM Account WHERE {WINDOW}"


FILTER = FilterCondition(field="Name", op="!=", value=None)


@pytest.mark.parametrize(("filters", "where"), [((), ""), ((FILTER,), " WHERE Name != null")])
def test_a_whole_read_and_ids_have_the_filter_and_no_window(filters: tuple[FilterCondition, ...], where: str) -> None:
    whole = sample_request(read_mode=ReadMode.WHOLE, filter=filters)
    assert soql.select(whole) == f"SELECT Id, Name, SystemModstamp FROM Account{where}"
    assert soql.count(whole) == f"SELECT COUNT() FROM Account{where}"
    swept = sample_request(read_mode=ReadMode.WINDOW_AND_IDS, filter=filters)
    assert soql.select(swept, BatchContent.IDS) == f"SELECT Id FROM Account{where}"
    assert soql.count(swept, BatchContent.IDS) == f"SELECT COUNT() FROM Account{where}"
    assert WINDOW in soql.select(swept) and WINDOW in soql.count(swept)


@pytest.mark.parametrize(
    ("field", "op", "value", "kind", "expected"),
    [
        ("RecordType.DeveloperName", "=", "Lab", None, "RecordType.DeveloperName = 'Lab'"),
        ("Name", "!=", None, FieldType.STRING, "Name != null"),
        ("Is_Active__c", "=", True, FieldType.BOOLEAN, "Is_Active__c = true"),
        ("Fee__c", ">=", 1e21, FieldType.CURRENCY, "Fee__c >= 1000000000000000000000"),
        ("Fee__c", "<", 0.1, FieldType.DOUBLE, "Fee__c < 0.1"),
        ("Day__c", ">", "2026-01-05", FieldType.DATE, "Day__c > 2026-01-05"),
        ("At__c", ">", "2026-01-05T01:00:00+01:00", FieldType.DATETIME, "At__c > 2026-01-05T00:00:00.000Z"),
        ("Type__c", "in", ("Hospital", "O'Neil"), FieldType.PICKLIST, "Type__c IN ('Hospital', 'O\\'Neil')"),
        ("Rank__c", "not in", (1, 2), FieldType.INT, "Rank__c NOT IN (1, 2)"),
    ],
)
def test_values_are_literals_of_their_field(
    field: str, op: str, value: object, kind: FieldType | None, expected: str
) -> None:
    condition = FilterCondition.model_validate({"field": field, "op": op, "value": value})
    assert where_of(condition, kind) == expected


@pytest.mark.parametrize(
    ("op", "value", "kind"),
    [
        ("in", (), FieldType.STRING),
        ("in", "one", FieldType.STRING),
        ("=", ("one",), FieldType.STRING),
        ("<", None, FieldType.DATE),
        (">", True, FieldType.BOOLEAN),
        ("=", "yes", FieldType.BOOLEAN),
        ("=", True, FieldType.STRING),
        ("=", 5, FieldType.STRING),
        ("=", "five", FieldType.DOUBLE),
        ("=", "NaN", FieldType.DOUBLE),
        ("=", "yesterday", FieldType.DATETIME),
        ("=", "2026-01-05T00:00:00", FieldType.DATETIME),
        ("=", "05.01.2026", FieldType.DATE),
        ("=", "a\0b", FieldType.STRING),
    ],
)
def test_a_value_that_does_not_fit_is_refused(op: str, value: object, kind: FieldType) -> None:
    # some of these the model refuses itself
    condition = FilterCondition.model_construct(field="F__c", op=op, value=value)
    with pytest.raises(ConfigError):
        where_of(condition, kind)


@pytest.mark.parametrize("name", ["", "1Name", "Na me", "Name--", "Name'", "Name\n", "a.b", "Ünï", "x" * 81])
def test_an_object_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        soql.select(sample_request(salesforce_object=name))


@pytest.mark.parametrize("name", ["Id, (SELECT Id FROM Contacts)", "Id FROM User --", ".Name", "A..B", "a.b.c.d.e.f"])
def test_a_field_name_that_is_none_is_refused(name: str) -> None:
    column = ColumnPlan(salesforce=name, type=FieldType.STRING, column="x")
    with pytest.raises(ConfigError):
        soql.select(sample_request(columns=(column,)))


def test_no_columns_and_repeated_columns_are_refused() -> None:
    column = ColumnPlan(salesforce="Id", type=FieldType.ID, column="id")
    for columns in ((), (column, column)):
        with pytest.raises(ConfigError):
            soql.select(sample_request(columns=columns))


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_any_text_is_one_literal_that_reads_back_as_itself(text: str) -> None:
    query = parse(f"SELECT Id FROM Account WHERE Name = {soql.text_literal(text)}")
    assert isinstance(query.where, Comparison)
    (literal,) = query.where.literals
    assert unescape(literal.text) == text


@given(st.datetimes(min_value=datetime(1700, 1, 1), max_value=datetime(4000, 1, 1)), st.integers(-840, 840))
def test_a_moment_is_written_in_utc_to_the_millisecond(local_time: datetime, offset_minutes: int) -> None:
    moment = local_time.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    text = soql.datetime_literal(moment)
    read = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    assert timedelta(0) <= moment - read < timedelta(milliseconds=1)
    assert len(text) == 24
