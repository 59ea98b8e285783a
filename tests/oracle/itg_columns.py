"""Columns of the itg tables, as docs/marts.md lists them: column → (Salesforce field, how its value is converted)."""

from collections.abc import Mapping

from tests.oracle.convert import Convert, as_is, day, numeric, text, timestamp

Columns = Mapping[str, tuple[str, Convert]]

_AUDIT: Columns = {
    "created_date": ("CreatedDate", timestamp),
    "created_by_id": ("CreatedById", text),
    "last_modified_date": ("LastModifiedDate", timestamp),
    "last_modified_by_id": ("LastModifiedById", text),
    "system_modstamp": ("SystemModstamp", timestamp),
}
_KEY: Columns = {"id": ("Id", text), **_AUDIT}
_DELETABLE: Columns = {**_KEY, "is_deleted": ("IsDeleted", as_is)}
_OWNED: Columns = {**_DELETABLE, "name": ("Name", text), "owner_id": ("OwnerId", text)}

COLUMNS: Mapping[str, tuple[str, Columns]] = {
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
            **_KEY,
            "name": ("Name", text),
            "developer_name": ("DeveloperName", text),
            "sobject_type": ("SobjectType", text),
            "is_active": ("IsActive", as_is),
        },
    ),
    "itg.therapeutic_area": ("Therapeutic_Area__c", _OWNED),
    "itg.product": (
        "Product__c",
        {
            **_OWNED,
            "therapeutic_area_id": ("Therapeutic_Area__c", text),
            "generic_name": ("Generic_Name__c", text),
            "group": ("Group__c", text),
            "order": ("Order__c", numeric),
            "launched_on": ("Launched_On__c", day),
            "is_active": ("Is_Active__c", as_is),
        },
    ),
    "itg.biomarker": (
        "Biomarker__c",
        {
            **_OWNED,
            "therapeutic_area_id": ("Therapeutic_Area__c", text),
            "product_id": ("Product__c", text),
            "indication": ("Indication__c", text),
            "is_companion_diagnostic": ("Is_Companion_Diagnostic__c", as_is),
        },
    ),
    "itg.lab_capability": (
        "Lab_Capability__c",
        {
            **_OWNED,
            "lab_id": ("Lab__c", text),
            "technology": ("Technology__c", text),
            "in_house": ("In_House__c", as_is),
            "sample_type": ("Sample_Type__c", text),
            "valid_from": ("Valid_From__c", day),
            "valid_to": ("Valid_To__c", day),
            "lab_segment": ("Lab_Segment__c", text),
        },
    ),
    "itg.test_offering": (
        "Test_Offering__c",
        {
            **_OWNED,
            "lab_id": ("Lab__c", text),
            "biomarker_id": ("Biomarker__c", text),
            "lab_capability_id": ("Lab_Capability__c", text),
            "turnaround_days": ("Turnaround_Days__c", numeric),
            "reimbursed": ("Reimbursed__c", as_is),
            "launched_on": ("Launched_On__c", day),
            "status": ("Status__c", text),
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
    "itg.lab_hcp_affiliation": (
        "Lab_HCP_Affiliation__c",
        {
            **_OWNED,
            "lab_id": ("Lab__c", text),
            "hcp_id": ("HCP__c", text),
            "role": ("Role__c", text),
            "is_primary": ("Is_Primary__c", as_is),
            "start_date": ("Start_Date__c", day),
            "end_date": ("End_Date__c", day),
        },
    ),
    "itg.lab_objective": (
        "Lab_Objective__c",
        {
            **_OWNED,
            "lab_id": ("Lab__c", text),
            "therapeutic_area_id": ("Therapeutic_Area__c", text),
            "biomarker_id": ("Biomarker__c", text),
            "type": ("Type__c", text),
            "baseline": ("Baseline__c", numeric),
            "target": ("Target__c", numeric),
            "current": ("Current__c", numeric),
            "unit": ("Unit__c", text),
            "start_date": ("Start_Date__c", day),
            "due_date": ("Due_Date__c", day),
            "status": ("Status__c", text),
            "notes": ("Notes__c", text),
        },
    ),
    "itg.objective_hcp": (
        "Objective_HCP__c",
        {**_OWNED, "lab_objective_id": ("Lab_Objective__c", text), "hcp_id": ("HCP__c", text)},
    ),
    "itg.lab_interaction": (
        "Lab_Interaction__c",
        {
            **_OWNED,
            "lab_id": ("Lab__c", text),
            "hcp_id": ("HCP__c", text),
            "therapeutic_area_id": ("Therapeutic_Area__c", text),
            "channel": ("Channel__c", text),
            "interaction_at": ("Interaction_At__c", timestamp),
            "topic": ("Topic__c", text),
            "outcome": ("Outcome__c", text),
            "next_step": ("Next_Step__c", text),
            "duration_minutes": ("Duration_Minutes__c", numeric),
        },
    ),
    "itg.sf_user": (
        "User",
        {
            **_KEY,
            "username": ("Username", text),
            "name": ("Name", text),
            "email": ("Email", text),
            "title": ("Title", text),
            "department": ("Department", text),
            "division": ("Division", text),
            "manager_id": ("ManagerId", text),
            "is_active": ("IsActive", as_is),
        },
    ),
    "itg.territory": (
        "Territory2",
        {
            **_DELETABLE,
            "name": ("Name", text),
            "developer_name": ("DeveloperName", text),
            "parent_territory2_id": ("ParentTerritory2Id", text),
            "description": ("Description", text),
        },
    ),
    "itg.user_territory_association": (
        "UserTerritory2Association",
        {
            **_KEY,
            "user_id": ("UserId", text),
            "territory2_id": ("Territory2Id", text),
            "is_active": ("IsActive", as_is),
            "role_in_territory2": ("RoleInTerritory2", text),
        },
    ),
    "itg.object_territory_association": (
        "ObjectTerritory2Association",
        {
            **_DELETABLE,
            "object_id": ("ObjectId", text),
            "territory2_id": ("Territory2Id", text),
            "association_cause": ("AssociationCause", text),
            "sobject_type": ("SobjectType", text),
        },
    ),
}
