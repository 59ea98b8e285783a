"""itg as docs/marts.md defines it: fields renamed and typed, and the slice."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal

from tests.oracle.shapes import Row, Tables

ELSEWHERE = "ZZ"
Convert = Callable[[object], object]


def text(value: object) -> object:
    """Text without NUL characters; nothing left is NULL."""
    return None if value is None else str(value).replace("\x00", "") or None


def timestamp(value: object) -> object:
    """Salesforce's datetime as a naive UTC timestamp."""
    if value is None:
        return None
    return datetime.fromisoformat(str(value)).astimezone(UTC).replace(tzinfo=None)


def day(value: object) -> object:
    """A date."""
    return None if value is None else date.fromisoformat(str(value))


def numeric(value: object) -> object:
    """An exact decimal."""
    return None if value is None else Decimal(str(value))


def as_is(value: object) -> object:
    """A boolean."""
    return value


_AUDIT: dict[str, tuple[str, Convert]] = {
    "created_date": ("CreatedDate", timestamp),
    "created_by_id": ("CreatedById", text),
    "last_modified_date": ("LastModifiedDate", timestamp),
    "last_modified_by_id": ("LastModifiedById", text),
    "system_modstamp": ("SystemModstamp", timestamp),
}
_OWNED: dict[str, tuple[str, Convert]] = {
    "id": ("Id", text),
    "is_deleted": ("IsDeleted", as_is),
    "name": ("Name", text),
    "owner_id": ("OwnerId", text),
    **_AUDIT,
}
COLUMNS: dict[str, tuple[str, dict[str, tuple[str, Convert]]]] = {
    "itg.account": (
        "Account",
        {
            **_OWNED,
            "record_type_id": ("RecordTypeId", text),
            "parent_id": ("ParentId", text),
            "country_code": ("Country_Code__c", text),
            "billing_city": ("BillingCity", text),
            "billing_state": ("BillingState", text),
            "billing_postal_code": ("BillingPostalCode", text),
            "phone": ("Phone", text),
            "website": ("Website", text),
            "lab_type": ("Lab_Type__c", text),
            "accreditation": ("Accreditation__c", text),
            "specialty": ("Specialty__c", text),
            "license_number": ("License_Number__c", text),
            "segment": ("Segment__c", text),
            "is_active": ("Is_Active__c", as_is),
        },
    ),
    "itg.record_type": (
        "RecordType",
        {
            "id": ("Id", text),
            "name": ("Name", text),
            "developer_name": ("DeveloperName", text),
            "sobject_type": ("SobjectType", text),
            "is_active": ("IsActive", as_is),
            **_AUDIT,
        },
    ),
    "itg.therapeutic_area": ("Therapeutic_Area__c", _OWNED),
    "itg.biomarker": (
        "Biomarker__c",
        {
            **_OWNED,
            "therapeutic_area_id": ("Therapeutic_Area__c", text),
            "indication": ("Indication__c", text),
            "is_companion_diagnostic": ("Is_Companion_Diagnostic__c", as_is),
        },
    ),
    "itg.testing_volume": (
        "Testing_Volume__c",
        {
            **_OWNED,
            "lab_id": ("Lab__c", text),
            "biomarker_id": ("Biomarker__c", text),
            "month": ("Month__c", day),
            "eligible_patients": ("Eligible_Patients__c", numeric),
            "tested_patients": ("Tested_Patients__c", numeric),
            "positive_patients": ("Positive_Patients__c", numeric),
            "median_tat_days": ("Median_TAT_Days__c", numeric),
            "data_source": ("Data_Source__c", text),
        },
    ),
}


def compute_itg(seen: dict[str, list[Row]]) -> Tables:
    """All itg tables, rows in the order of their ids."""
    tables: Tables = {}
    for table, (object_name, columns) in COLUMNS.items():
        rows = [
            {column: convert(record[field]) for column, (field, convert) in columns.items()}
            for record in seen.get(object_name, [])
        ]
        tables[table] = sorted(rows, key=lambda row: str(row["id"]))
    slices = {str(row["id"]): slice_of_country(row["country_code"]) for row in tables["itg.account"]}
    for table, rows in tables.items():
        for row in rows:
            row["_country_code"] = _slice(table, row, slices)
    return tables


def slice_of_country(country_code: object) -> str:
    """The country, where it is two capital letters."""
    code = str(country_code)
    return code if re.fullmatch("[A-Z]{2}", code) else ELSEWHERE


def _slice(table: str, row: Row, slices_of_accounts: dict[str, str]) -> str:
    if table == "itg.account":
        return slices_of_accounts[str(row["id"])]
    if table == "itg.testing_volume":
        return slices_of_accounts.get(str(row["lab_id"]), ELSEWHERE)
    return ELSEWHERE
