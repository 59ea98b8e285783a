"""Who works at a lab, what was agreed with it, and who was met there."""

from local.salesforce.fields import Field, FieldType, SObject
from local.salesforce.schema.building import (
    AUDIT,
    ID,
    IS_DELETED,
    OWNER,
    checkbox,
    day,
    number,
    picklist,
    record_name,
    reference,
    string,
)
from local.salesforce.schema.testing import LAB, TESTED_BIOMARKER

ROLES = ("Lab Director", "Pathologist", "Ordering Oncologist")
OBJECTIVE_TYPES = ("Onboard test", "Reduce TAT", "Raise testing rate", "Educate")
OBJECTIVE_UNITS = ("tests", "days", "percent", "people")
OBJECTIVE_STATES = ("Draft", "Open", "Met", "Missed", "Cancelled")
CHANNELS = ("Visit", "Phone", "Video", "E-mail")
_HCP = reference("HCP__c", "HCP", "Account", "HCP__r")
_AREA = reference("Therapeutic_Area__c", "Therapeutic Area", "Therapeutic_Area__c", "Therapeutic_Area__r")

LAB_HCP_AFFILIATION = SObject(
    "Lab_HCP_Affiliation__c",
    "Lab HCP Affiliation",
    "Lab HCP Affiliations",
    "a06",
    (
        ID,
        OWNER,
        IS_DELETED,
        record_name("Affiliation Number", 80, auto_number=True),
        *AUDIT,
        LAB,
        _HCP,
        picklist("Role__c", "Role", ROLES),
        checkbox("Is_Primary__c", "Is Primary"),
        day("Start_Date__c", "Start Date"),
        day("End_Date__c", "End Date"),
    ),
)

LAB_OBJECTIVE = SObject(
    "Lab_Objective__c",
    "Lab Objective",
    "Lab Objectives",
    "a07",
    (
        ID,
        OWNER,
        IS_DELETED,
        record_name("Objective", 80),
        *AUDIT,
        LAB,
        _AREA,
        TESTED_BIOMARKER,
        picklist("Type__c", "Type", OBJECTIVE_TYPES),
        number("Baseline__c", "Baseline", 18, 4),
        number("Target__c", "Target", 18, 4),
        number("Current__c", "Current", 18, 4),
        picklist("Unit__c", "Unit", OBJECTIVE_UNITS),
        day("Start_Date__c", "Start Date"),
        day("Due_Date__c", "Due Date"),
        picklist("Status__c", "Status", OBJECTIVE_STATES),
        Field("Notes__c", FieldType.TEXTAREA, "Notes", 16_000),
    ),
)

OBJECTIVE_HCP = SObject(
    "Objective_HCP__c",
    "Objective HCP",
    "Objective HCPs",
    "a08",
    (
        ID,
        OWNER,
        IS_DELETED,
        record_name("Objective HCP Number", 80, auto_number=True),
        *AUDIT,
        reference("Lab_Objective__c", "Lab Objective", "Lab_Objective__c", "Lab_Objective__r"),
        _HCP,
    ),
)

LAB_INTERACTION = SObject(
    "Lab_Interaction__c",
    "Lab Interaction",
    "Lab Interactions",
    "a09",
    (
        ID,
        OWNER,
        IS_DELETED,
        record_name("Interaction Number", 80, auto_number=True),
        *AUDIT,
        LAB,
        _HCP,
        _AREA,
        picklist("Channel__c", "Channel", CHANNELS),
        Field("Interaction_At__c", FieldType.DATETIME, "Interaction At"),
        string("Topic__c", "Topic", 255),
        Field("Outcome__c", FieldType.TEXTAREA, "Outcome", 4000),
        string("Next_Step__c", "Next Step", 255),
        number("Duration_Minutes__c", "Duration (Minutes)", 6, 0),
    ),
)
