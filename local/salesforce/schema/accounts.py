"""Account: labs, organisations and professionals."""

from local.salesforce.fields import Field, FieldType, SObject
from local.salesforce.schema.building import (
    AUDIT,
    ID,
    IS_DELETED,
    OWNER_USER,
    checkbox,
    picklist,
    record_name,
    reference,
    string,
)
from local.salesforce.schema.reference_data import RECORD_TYPE_IDS

LAB_TYPES = ("Academic", "Commercial Reference", "Hospital", "Public")
ACCREDITATIONS = ("CAP", "CLIA", "ISO15189")
SEGMENTS = ("A", "B", "C", "D")
_BILLING = "BillingAddress"
_BILLING_PARTS = ("BillingCity", "BillingState", "BillingPostalCode")

ACCOUNT = SObject(
    "Account",
    "Account",
    "Accounts",
    "001",
    (
        ID,
        IS_DELETED,
        record_name("Account Name", 255),
        reference("RecordTypeId", "Record Type ID", "RecordType", "RecordType"),
        reference("ParentId", "Parent Account ID", "Account", "Parent"),
        string("BillingCity", "Billing City", 40, compound_field=_BILLING),
        string("BillingState", "Billing State/Province", 80, compound_field=_BILLING),
        string("BillingPostalCode", "Billing Zip/Postal Code", 20, compound_field=_BILLING),
        Field(_BILLING, FieldType.ADDRESS, "Billing Address", updateable=False, components=_BILLING_PARTS),
        Field("Phone", FieldType.PHONE, "Account Phone", 40),
        Field("Website", FieldType.URL, "Website", 255),
        OWNER_USER,
        *AUDIT,
        string("Country_Code__c", "Country Code", 2),
        picklist("Lab_Type__c", "Lab Type", LAB_TYPES),
        Field("Accreditation__c", FieldType.MULTIPICKLIST, "Accreditation", 4099, precision=3, picklist=ACCREDITATIONS),
        string("Specialty__c", "Specialty", 120),
        string("License_Number__c", "License Number", 40),
        picklist("Segment__c", "Segment", SEGMENTS),
        checkbox("Is_Active__c", "Is Active", default=True),
    ),
    record_type_ids=tuple(RECORD_TYPE_IDS.items()),
)
