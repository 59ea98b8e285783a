"""Reference data: record types, therapeutic areas, products, biomarkers."""

from collections.abc import Mapping

from local.salesforce.fields import SObject
from local.salesforce.ids import make_id
from local.salesforce.schema.building import (
    AUDIT,
    CREATED,
    ID,
    IS_DELETED,
    MODIFIED,
    OWNER,
    checkbox,
    day,
    number,
    picklist,
    record_name,
    reference,
    string,
)

RECORD_TYPES = ("Lab", "HCO", "HCP")
RECORD_TYPE_PREFIX = "012"
RECORD_TYPE_IDS: Mapping[str, str] = {
    name: make_id(RECORD_TYPE_PREFIX, 1_000_000 + 31 * i) for i, name in enumerate(RECORD_TYPES)
}
PRODUCT_GROUPS = ("TKI", "ADC", "Checkpoint inhibitor", "PARP inhibitor", "Other")

RECORD_TYPE = SObject(
    "RecordType",
    "Record Type",
    "Record Types",
    RECORD_TYPE_PREFIX,
    (
        ID,
        record_name("Name", 80),
        string("DeveloperName", "Record Type Name", 80, nillable=False),
        string("NamespacePrefix", "Namespace Prefix", 15),
        string("Description", "Description", 255),
        picklist("SobjectType", "SObject Type Name", ("Account",), 40, nillable=False),
        checkbox("IsActive", "Active"),
        *reversed(CREATED),
        MODIFIED[1],
        MODIFIED[0],
        MODIFIED[2],
    ),
    updateable=False,
    pk_chunking=False,
)

THERAPEUTIC_AREA = SObject(
    "Therapeutic_Area__c",
    "Therapeutic Area",
    "Therapeutic Areas",
    "a00",
    (ID, OWNER, IS_DELETED, record_name("Therapeutic Area Name", 80), *AUDIT),
)

PRODUCT = SObject(
    "Product__c",
    "Product",
    "Products",
    "a03",
    (
        ID,
        OWNER,
        IS_DELETED,
        record_name("Product Name", 80),
        *AUDIT,
        reference("Therapeutic_Area__c", "Therapeutic Area", "Therapeutic_Area__c", "Therapeutic_Area__r"),
        string("Generic_Name__c", "Generic Name", 255),
        picklist("Group__c", "Group", PRODUCT_GROUPS),
        number("Order__c", "Order", 18, 0),
        day("Launched_On__c", "Launched On"),
        checkbox("Is_Active__c", "Is Active", default=True),
    ),
)

BIOMARKER = SObject(
    "Biomarker__c",
    "Biomarker",
    "Biomarkers",
    "a01",
    (
        ID,
        OWNER,
        IS_DELETED,
        record_name("Biomarker Name", 80),
        *AUDIT,
        reference("Therapeutic_Area__c", "Therapeutic Area", "Therapeutic_Area__c", "Therapeutic_Area__r"),
        reference("Product__c", "Product", "Product__c", "Product__r"),
        string("Indication__c", "Indication", 255),
        checkbox("Is_Companion_Diagnostic__c", "Is Companion Diagnostic"),
    ),
)
