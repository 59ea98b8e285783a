"""The org's objects and fields, as data: drives describe, SOQL validation and generation."""

from collections.abc import Mapping

from local.salesforce.fields import Field, FieldType, SObject
from local.salesforce.ids import make_id

RECORD_TYPES = ("Lab", "HCO", "HCP")
RECORD_TYPE_PREFIX = "012"
RECORD_TYPE_IDS: Mapping[str, str] = {
    name: make_id(RECORD_TYPE_PREFIX, 1_000_000 + 31 * i) for i, name in enumerate(RECORD_TYPES)
}
LAB_TYPES = ("Academic", "Commercial Reference", "Hospital", "Public")
ACCREDITATIONS = ("CAP", "CLIA", "ISO15189")
SEGMENTS = ("A", "B", "C", "D")
DATA_SOURCES = ("LIMS", "Manual", "Survey", "Claims")
USER_PREFIX = "005"
ORG_ID = make_id("00D", 7_654_321)
USER_IDS = tuple(make_id(USER_PREFIX, 90_000 + 17 * i) for i in range(8))


def _reference(name: str, label: str, target: str, relationship: str, **options: bool) -> Field:
    return Field(
        name, FieldType.REFERENCE, label, 18, reference_to=(target,), relationship_name=relationship, **options
    )


def _datetime(name: str, label: str) -> Field:
    return Field(name, FieldType.DATETIME, label, nillable=False, updateable=False)


_ID = Field("Id", FieldType.ID, "Record ID", 18, nillable=False, updateable=False)
_IS_DELETED = Field("IsDeleted", FieldType.BOOLEAN, "Deleted", nillable=False, updateable=False, default_value=False)
_OWNER = _reference("OwnerId", "Owner ID", "User", "Owner", nillable=False)
_AUDIT = (
    _datetime("CreatedDate", "Created Date"),
    _reference("CreatedById", "Created By ID", "User", "CreatedBy", nillable=False, updateable=False),
    _datetime("LastModifiedDate", "Last Modified Date"),
    _reference("LastModifiedById", "Last Modified By ID", "User", "LastModifiedBy", nillable=False, updateable=False),
    _datetime("SystemModstamp", "System Modstamp"),
)


def _string(name: str, label: str, length: int, **options: bool | str) -> Field:
    return Field(name, FieldType.STRING, label, length, **options)  # type: ignore[arg-type]


def _name(label: str, length: int, auto_number: bool = False) -> Field:
    return Field(
        "Name",
        FieldType.STRING,
        label,
        length,
        nillable=False,
        name_field=True,
        auto_number=auto_number,
        updateable=not auto_number,
    )


def _count(name: str, label: str) -> Field:
    return Field(name, FieldType.DOUBLE, label, precision=18, scale=0)


RECORD_TYPE = SObject(
    "RecordType",
    "Record Type",
    "Record Types",
    RECORD_TYPE_PREFIX,
    (
        _ID,
        _name("Name", 80),
        _string("DeveloperName", "Record Type Name", 80, nillable=False),
        _string("NamespacePrefix", "Namespace Prefix", 15),
        _string("Description", "Description", 255),
        Field("SobjectType", FieldType.PICKLIST, "SObject Type Name", 40, nillable=False, picklist=("Account",)),
        Field("IsActive", FieldType.BOOLEAN, "Active", nillable=False, default_value=False),
        _AUDIT[1],
        _AUDIT[0],
        _AUDIT[3],
        _AUDIT[2],
        _AUDIT[4],
    ),
    updateable=False,
    pk_chunking=False,
)

THERAPEUTIC_AREA = SObject(
    "Therapeutic_Area__c",
    "Therapeutic Area",
    "Therapeutic Areas",
    "a00",
    (_ID, _OWNER, _IS_DELETED, _name("Therapeutic Area Name", 80), *_AUDIT),
)

BIOMARKER = SObject(
    "Biomarker__c",
    "Biomarker",
    "Biomarkers",
    "a01",
    (
        _ID,
        _OWNER,
        _IS_DELETED,
        _name("Biomarker Name", 80),
        *_AUDIT,
        _reference("Therapeutic_Area__c", "Therapeutic Area", "Therapeutic_Area__c", "Therapeutic_Area__r"),
        _string("Indication__c", "Indication", 255),
        Field(
            "Is_Companion_Diagnostic__c",
            FieldType.BOOLEAN,
            "Is Companion Diagnostic",
            nillable=False,
            default_value=False,
        ),
    ),
)

_BILLING = "BillingAddress"
_BILLING_PARTS = ("BillingCity", "BillingState", "BillingPostalCode")

ACCOUNT = SObject(
    "Account",
    "Account",
    "Accounts",
    "001",
    (
        _ID,
        _IS_DELETED,
        _name("Account Name", 255),
        _reference("RecordTypeId", "Record Type ID", "RecordType", "RecordType"),
        _reference("ParentId", "Parent Account ID", "Account", "Parent"),
        _string("BillingCity", "Billing City", 40, compound_field=_BILLING),
        _string("BillingState", "Billing State/Province", 80, compound_field=_BILLING),
        _string("BillingPostalCode", "Billing Zip/Postal Code", 20, compound_field=_BILLING),
        Field(_BILLING, FieldType.ADDRESS, "Billing Address", updateable=False, components=_BILLING_PARTS),
        Field("Phone", FieldType.PHONE, "Account Phone", 40),
        Field("Website", FieldType.URL, "Website", 255),
        _OWNER,
        *_AUDIT,
        _string("Country_Code__c", "Country Code", 2),
        Field("Lab_Type__c", FieldType.PICKLIST, "Lab Type", 255, picklist=LAB_TYPES),
        Field("Accreditation__c", FieldType.MULTIPICKLIST, "Accreditation", 4099, precision=3, picklist=ACCREDITATIONS),
        _string("Specialty__c", "Specialty", 120),
        _string("License_Number__c", "License Number", 40),
        Field("Segment__c", FieldType.PICKLIST, "Segment", 255, picklist=SEGMENTS),
        Field("Is_Active__c", FieldType.BOOLEAN, "Is Active", nillable=False, default_value=True),
    ),
    record_type_ids=tuple(RECORD_TYPE_IDS.items()),
)

TESTING_VOLUME = SObject(
    "Testing_Volume__c",
    "Testing Volume",
    "Testing Volumes",
    "a02",
    (
        _ID,
        _OWNER,
        _IS_DELETED,
        _name("Testing Volume Number", 80, auto_number=True),
        *_AUDIT,
        _reference("Lab__c", "Lab", "Account", "Lab__r"),
        _reference("Biomarker__c", "Biomarker", "Biomarker__c", "Biomarker__r"),
        Field("Month__c", FieldType.DATE, "Month"),
        _count("Eligible_Patients__c", "Eligible Patients"),
        _count("Tested_Patients__c", "Tested Patients"),
        _count("Positive_Patients__c", "Positive Patients"),
        Field("Median_TAT_Days__c", FieldType.DOUBLE, "Median TAT Days", precision=6, scale=2),
        Field("Data_Source__c", FieldType.PICKLIST, "Data Source", 255, picklist=DATA_SOURCES),
    ),
)

OBJECTS: Mapping[str, SObject] = {
    item.name: item for item in (RECORD_TYPE, THERAPEUTIC_AREA, BIOMARKER, ACCOUNT, TESTING_VOLUME)
}
_BY_LOWER_NAME = {name.lower(): item for name, item in OBJECTS.items()}


def find_object(name: str) -> SObject | None:
    """The object of this name in any case, or None."""
    return _BY_LOWER_NAME.get(name.lower())
