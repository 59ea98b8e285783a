"""SOQL: what parses, what is refused and how, and what a query finds, against plain Python over the same records."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.salesforce.bulk import bind_for_bulk
from local.salesforce.events import Record
from local.salesforce.org import Org, OrgView
from local.salesforce.soql.binding import instant_text
from local.salesforce.soql.errors import SoqlError
from local.salesforce.soql.execution import Window, bind
from local.salesforce.soql.nodes import unescape
from local.salesforce.soql.parser import parse
from local.salesforce.store import Store


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrgView]:
    store = Store(tmp_path_factory.mktemp("org"))
    yield Org(store, scale=0.02).view()
    store.close()


def _ids(view: OrgView, condition: str, name: str = "Account", with_deleted: bool = True) -> list[str]:
    rows = bind(f"SELECT Id FROM {name} WHERE {condition}").select(view, with_deleted)
    return [str(row["Id"]) for row in rows]


def _where(view: OrgView, name: str, keep: object) -> list[str]:
    return [str(row["Id"]) for row in view.records[name].values() if keep(row)]  # type: ignore[operator]


def _lower(row: Record, name: str) -> str:
    return str(row[name] or "").lower()


def test_text_compares_without_case_and_unlike_finds_nulls(view: OrgView) -> None:
    german = _where(view, "Account", lambda r: r["Country_Code__c"] == "DE")
    others = _where(view, "Account", lambda r: r["Country_Code__c"] != "DE")
    assert german and _ids(view, "Country_Code__c = 'de'") == german
    assert (
        _ids(view, "country_code__c != 'DE'")
        == others
        == _ids(view, "NOT (Country_Code__c <> 'x' AND Country_Code__c = 'DE')")
    )
    none = _where(view, "Account", lambda r: r["Country_Code__c"] is None)
    assert none and set(none) <= set(others)
    assert _ids(view, "Country_Code__c = null") == _ids(view, "Country_Code__c = ''") == none
    assert _ids(view, "Country_Code__c IN ('DE', null)") == _where(
        view, "Account", lambda r: r["Country_Code__c"] in ("DE", None)
    )
    assert _ids(view, "Country_Code__c NOT IN ('FR', 'GB')") == _where(
        view, "Account", lambda r: r["Country_Code__c"] not in ("FR", "GB")
    )


def test_like(view: OrgView) -> None:
    assert _ids(view, "Name LIKE '%annex%'") == _where(view, "Account", lambda r: "annex" in _lower(r, "Name"))
    assert _ids(view, "Name LIKE '_a'") == _where(
        view, "Account", lambda r: re.fullmatch(".a", _lower(r, "Name"), re.DOTALL)
    )
    assert _ids(view, r"Name LIKE '%\%%'") == _where(view, "Account", lambda r: "%" in _lower(r, "Name"))
    assert _ids(view, r"Name LIKE '\"%'") == _where(view, "Account", lambda r: _lower(r, "Name").startswith('"'))


def test_numbers_dates_and_booleans(view: OrgView) -> None:
    name = "Testing_Volume__c"
    assert _ids(view, "Median_TAT_Days__c >= 12.5", name) == _where(
        view, name, lambda r: r["Median_TAT_Days__c"] is not None and Decimal(str(r["Median_TAT_Days__c"])) >= 12.5
    )
    assert _ids(view, "Eligible_Patients__c = 0", name) == _where(view, name, lambda r: r["Eligible_Patients__c"] == 0)
    assert _ids(view, "Month__c < 2025-03-01", name) == _where(view, name, lambda r: str(r["Month__c"]) < "2025-03-01")
    assert _ids(view, "IsDeleted = TRUE", name) == _where(view, name, lambda r: r["IsDeleted"])


def test_parents_are_followed_and_missing_ones_are_null(view: OrgView) -> None:
    accounts, name = view.records["Account"], "Testing_Volume__c"

    def country(row: Record) -> object:
        lab = accounts.get(str(row["Lab__c"]))
        return None if lab is None else lab["Country_Code__c"]

    assert _ids(view, "Lab__r.Country_Code__c = 'FR'", name) == _where(view, name, lambda r: country(r) == "FR")
    assert _ids(view, "Lab__r.Country_Code__c = null", name) == _where(view, name, lambda r: country(r) is None)
    assert len(_ids(view, "Lab__r.RecordType.DeveloperName = 'Lab'", name)) > 500
    assert _ids(view, "a.RecordType.DeveloperName = 'HCO'", "Account a")


def _segment(view: OrgView, row: Record) -> object:
    """What the formula of a capability says, from its definition."""
    lab = view.records["Account"].get(str(row["Lab__c"]))
    return None if lab is None else lab["Segment__c"]


def test_a_formula_is_the_labs_value_at_the_moment_of_the_read(view: OrgView) -> None:
    name = "Lab_Capability__c"
    bound = bind(f"SELECT Id, Lab_Segment__c, Lab__r.Segment__c FROM {name}")
    formula, parents = (column.getter() for column in bound.columns[1:])
    rows = bound.select(view, True)
    values = [formula(row, view.records) for row in rows]
    assert values == [parents(row, view.records) for row in rows] == [_segment(view, row) for row in rows]
    assert {"A", "B", "C", "D", None} == set(values)
    assert _ids(view, "Lab_Segment__c = 'a'", name) == _where(view, name, lambda r: _segment(view, r) == "A")
    assert _ids(view, "Lab_Segment__c = null", name) == _where(view, name, lambda r: _segment(view, r) is None)
    ordered = bind(f"SELECT Id FROM {name} ORDER BY Lab_Segment__c NULLS LAST").select(view, True)
    assert [_segment(view, row) for row in ordered] == sorted(values, key=lambda item: str(item or "Z"))


def test_a_formula_is_reached_over_a_parent(view: OrgView) -> None:
    name, capabilities = "Test_Offering__c", view.records["Lab_Capability__c"]

    def expected(row: Record) -> bool:
        capability = capabilities.get(str(row["Lab_Capability__c"]))
        return capability is not None and _segment(view, capability) == "B"

    found = _ids(view, "Lab_Capability__r.Lab_Segment__c = 'B'", name)
    assert found == _where(view, name, expected) != []


def test_a_formula_changes_without_its_record_and_is_null_without_a_lab(tmp_path: Path) -> None:
    store = Store(tmp_path)
    org = Org(store, scale=0.02)
    before = org.view()
    org.advance(20)
    after = org.view()
    store.close()
    changed = orphaned = 0
    formula = bind("SELECT Lab_Segment__c FROM Lab_Capability__c").columns[0].getter()
    for record_id, row in after.records["Lab_Capability__c"].items():
        assert formula(row, after.records) == _segment(after, row)
        old = before.records["Lab_Capability__c"].get(record_id)
        if old is not None and old["SystemModstamp"] == row["SystemModstamp"]:
            changed += formula(old, before.records) != formula(row, after.records)
        orphaned += row["Lab__c"] is not None and str(row["Lab__c"]) not in after.records["Account"]
    assert changed > 3 and orphaned > 0


def test_an_owner_who_is_no_user_has_no_name(view: OrgView) -> None:
    queues = _where(view, "Lab_Objective__c", lambda r: str(r["OwnerId"]).startswith("00G"))
    assert queues and _ids(view, "Owner.Name = null", "Lab_Objective__c") == queues


def test_deleted_rows_show_only_when_asked_for(view: OrgView) -> None:
    everything, live = _ids(view, "Id != null"), _ids(view, "Id != null", with_deleted=False)
    assert set(everything) - set(live) == set(_where(view, "Account", lambda r: r["IsDeleted"])) != set()
    assert len(_ids(view, "Id != null", "RecordType", with_deleted=False)) == 3


def test_id_ranges_are_base_62_and_case_sensitive(view: OrgView) -> None:
    ordered = sorted(view.records["Testing_Volume__c"], key=lambda item: item[:15])
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    assert ordered == sorted(ordered, key=lambda item: [digits.index(c) for c in item[:15]])
    low, high = ordered[50], ordered[400]
    found = _ids(view, f"Id >= '{low}' AND Id < '{high[:15]}'", "Testing_Volume__c")
    assert sorted(found, key=lambda item: item[:15]) == ordered[50:400]
    assert _ids(view, f"Id = '{low[:15]}'", "Testing_Volume__c") == [low]
    assert low.swapcase()[:15] != low[:15] and _ids(view, f"Id = '{low[:15].swapcase()}'", "Testing_Volume__c") != [low]


@pytest.mark.parametrize("direction", ["", "ASC", "DESC"])
@pytest.mark.parametrize("nulls", ["", "NULLS FIRST", "NULLS LAST"])
def test_order(view: OrgView, direction: str, nulls: str) -> None:
    soql = f"SELECT Id FROM Testing_Volume__c ORDER BY Median_TAT_Days__c {direction} {nulls}, Id DESC"
    rows = bind(soql).select(view, True)
    values = [None if r["Median_TAT_Days__c"] is None else Decimal(str(r["Median_TAT_Days__c"])) for r in rows]
    known = [value for value in values if value is not None]
    assert known == sorted(known, reverse=direction == "DESC") and len(known) < len(values)
    blanks = [None] * (len(values) - len(known))
    assert values == (known + blanks if nulls == "NULLS LAST" else blanks + known)
    first = [str(r["Id"])[:15] for r in rows if r["Median_TAT_Days__c"] is None]
    assert first == sorted(first, reverse=True)


def test_limit_and_offset(view: OrgView) -> None:
    whole = [r["Id"] for r in bind("SELECT Id FROM Account ORDER BY Id").select(view, True)]
    part = bind("SELECT Id FROM Account ORDER BY Id LIMIT 5 OFFSET 3").select(view, True)
    assert [r["Id"] for r in part] == whole[3:8]


def test_window_of_a_query() -> None:
    soql = (
        "SELECT Id FROM Account WHERE (SystemModstamp >= 2026-01-05T02:00:00.123000+02:00 AND IsDeleted = false) "
        "AND systemmodstamp < 2026-01-06T00:00:00Z"
    )
    assert bind(soql).window == Window("2026-01-05T00:00:00.123Z", "2026-01-06T00:00:00.000Z")
    assert bind("SELECT Id FROM Account").window == Window(None, None)
    one_sided = "SELECT Id FROM Account WHERE SystemModstamp < 2026-01-06T00:00:00.000001Z"
    assert bind(one_sided).window == Window(None, "2026-01-06T00:00:00.000001Z")
    either = "SELECT Id FROM Account WHERE SystemModstamp >= 2026-01-05T00:00:00Z OR IsDeleted = true"
    assert bind(either).window == Window(None, None)


@settings(deadline=None)
@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)), st.integers(-14, 14), st.booleans())
def test_instants_keep_their_order_whatever_their_zone(moment: datetime, hours: int, colon: bool) -> None:
    aware = moment.replace(tzinfo=UTC)
    zone = f"{hours:+03d}:00" if colon else f"{hours:+03d}00"
    local = aware.astimezone(timezone(timedelta(hours=hours)))
    text = instant_text(f"{local:%Y-%m-%dT%H:%M:%S}.{local.microsecond:06d}{zone}")
    assert datetime.fromisoformat(text).replace(tzinfo=UTC) == aware
    later = aware + timedelta(microseconds=1)
    assert text < instant_text(f"{later:%Y-%m-%dT%H:%M:%S}.{later.microsecond:06d}Z")


@settings(deadline=None)
@given(st.text())
def test_any_text_can_be_quoted(value: str) -> None:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    query = parse(f"SELECT Id FROM Account WHERE Name = '{escaped}'")
    assert unescape(query.where.literals[0].text) == value  # type: ignore[union-attr]


@settings(deadline=None)
@given(st.text(alphabet="SELECT FROMWHEridAcount()'=<>,.%_-0123456789TZ:+\n"))
def test_nonsense_is_refused_and_nothing_else_happens(text: str) -> None:
    with pytest.raises(SoqlError):
        bind(text)


@pytest.mark.parametrize(
    ("soql", "code", "words"),
    [
        ("", "MALFORMED_QUERY", "expecting 'SELECT', found '<EOF>'"),
        ("SELECT Id", "MALFORMED_QUERY", "expecting 'FROM'"),
        ("SELECT Id FROM Account WHERE", "MALFORMED_QUERY", "unexpected token: '<EOF>'"),
        ("SELECT Id FROM Account LIMIT x", "MALFORMED_QUERY", "unexpected token: 'x'"),
        ("SELECT Id FROM Account; DROP", "MALFORMED_QUERY", "unexpected token: ';'"),
        ("SELECT Id FROM Account WHERE Name = 'a", "MALFORMED_QUERY", "no closing quote"),
        (
            "SELECT Id FROM Account WHERE Id = '1' AND Name = 'a' OR Name = 'b'",
            "MALFORMED_QUERY",
            "unexpected token: 'OR'",
        ),
        ("SELECT Id FROM Account WHERE CreatedDate > 2026-13-01T00:00:00Z", "MALFORMED_QUERY", "2026-13-01"),
        (
            "SELECT Id, Wrong FROM Account",
            "INVALID_FIELD",
            "Row:1:Column:12\nNo such column 'Wrong' on entity 'Account'.",
        ),
        ("SELECT Id\nFROM Account\nWHERE Wrong = 1", "INVALID_FIELD", "Row:3:Column:7\nNo such column 'Wrong'"),
        ("SELECT Lab__r.Wrong FROM Testing_Volume__c", "INVALID_FIELD", "'Wrong' on entity 'Account'"),
        ("SELECT Wrong__r.Name FROM Account", "INVALID_FIELD", "Didn't understand relationship 'Wrong__r'"),
        ("SELECT Id FROM Wrong__c", "INVALID_TYPE", "sObject type 'Wrong__c' is not supported."),
        ("SELECT Id FROM Account WHERE CreatedDate = '2026'", "INVALID_FIELD", "dateTime and should not be enclosed"),
        ("SELECT Id FROM Account WHERE CreatedDate > 2026-01-01", "INVALID_FIELD", "must be of type dateTime"),
        ("SELECT Id FROM Account WHERE Name > 1", "INVALID_FIELD", "must be of type string and should be enclosed"),
        ("SELECT Id FROM Account WHERE BillingAddress = null", "INVALID_FIELD", "can not be filtered"),
        ("SELECT Id FROM Account WHERE Id = 'x'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: x"),
        ("SELECT Id FROM Account WHERE Id > null", "INVALID_QUERY_FILTER_OPERATOR", "invalid operator"),
        ("SELECT FIELDS(ALL) FROM Account", "MALFORMED_QUERY", "LIMIT of at most 200"),
        ("SELECT MAX(Name) FROM Account", "MALFORMED_QUERY", "aggregate functions"),
        ("SELECT Id FROM Account OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "2000"),
        ("SELECT Id FROM Account WHERE " + "(" * 500, "MALFORMED_QUERY", "unexpected token"),
    ],
)
def test_what_is_refused(soql: str, code: str, words: str) -> None:
    with pytest.raises(SoqlError) as caught:
        bind(soql)
    assert caught.value.code == code
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("soql", "code", "words"),
    [
        ("SELECT COUNT() FROM Account", "MALFORMED_QUERY", "COUNT()"),
        ("SELECT COUNT(Id) FROM Account", "MALFORMED_QUERY", "aggregate functions"),
        ("SELECT Name, MAX(Id) m FROM Account GROUP BY Name", "MALFORMED_QUERY", "aggregate functions"),
        ("SELECT Name FROM Account GROUP BY Name", "MALFORMED_QUERY", "GROUP BY"),
        ("SELECT Id FROM Account LIMIT 1 OFFSET 1", "MALFORMED_QUERY", "OFFSET"),
        ("SELECT TYPEOF Owner WHEN User THEN Name END FROM Account", "MALFORMED_QUERY", "TYPEOF"),
        ("SELECT FIELDS(ALL) FROM Account LIMIT 200", "MALFORMED_QUERY", "FIELDS()"),
        ("SELECT Id, (SELECT Id FROM Testing_Volumes__r) FROM Account", "MALFORMED_QUERY", "nested queries"),
        ("SELECT Id, BillingAddress FROM Account", "INVALID_FIELD", "compound data not supported in Bulk Query"),
        ("SELECT Id FROM Nowhere", "INVALIDENTITY", "Entity 'Nowhere' is not supported by the Bulk API."),
        ("SELECT Wrong FROM Account", "INVALID_FIELD", "No such column 'Wrong'"),
    ],
)
def test_what_bulk_refuses(soql: str, code: str, words: str) -> None:
    with pytest.raises(SoqlError) as caught:
        bind_for_bulk(soql)
    assert caught.value.code == code
    assert words in caught.value.message


def test_bulk_takes_order_limit_and_parents() -> None:
    soql = "SELECT Id, Lab__r.Country_Code__c FROM Testing_Volume__c ORDER BY Id NULLS LAST LIMIT 3"
    assert [".".join(column.path) for column in bind_for_bulk(soql).columns] == ["Id", "Lab__r.Country_Code__c"]
