"""What labs can test, what they offer, and what they tested."""

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
)

TECHNOLOGIES = ("NGS", "PCR", "IHC", "FISH", "ddPCR")
SAMPLE_TYPES = ("Tissue", "Blood", "Cytology")
OFFERING_STATES = ("Planned", "Active", "Paused", "Withdrawn")
DATA_SOURCES = ("LIMS", "Manual", "Survey", "Claims")
LAB = reference("Lab__c", "Lab", "Account", "Lab__r")
TESTED_BIOMARKER = reference("Biomarker__c", "Biomarker", "Biomarker__c", "Biomarker__r")

LAB_CAPABILITY = SObject(
    "Lab_Capability__c",
    "Lab Capability",
    "Lab Capabilities",
    "a04",
    (
        ID,
        OWNER,
        IS_DELETED,
        record_name("Lab Capability Number", 80, auto_number=True),
        *AUDIT,
        LAB,
        picklist("Technology__c", "Technology", TECHNOLOGIES),
        checkbox("In_House__c", "In House"),
        Field("Sample_Type__c", FieldType.MULTIPICKLIST, "Sample Type", 4099, precision=3, picklist=SAMPLE_TYPES),
        day("Valid_From__c", "Valid From"),
        day("Valid_To__c", "Valid To"),
        Field(
            "Lab_Segment__c",
            FieldType.STRING,
            "Lab Segment",
            1300,
            updateable=False,
            formula=("Lab__r", "Segment__c"),
        ),
    ),
)

TEST_OFFERING = SObject(
    "Test_Offering__c",
    "Test Offering",
    "Test Offerings",
    "a05",
    (
        ID,
        OWNER,
        IS_DELETED,
        record_name("Test Offering Number", 80, auto_number=True),
        *AUDIT,
        LAB,
        TESTED_BIOMARKER,
        reference("Lab_Capability__c", "Lab Capability", "Lab_Capability__c", "Lab_Capability__r"),
        number("Turnaround_Days__c", "Turnaround Days", 6, 2),
        checkbox("Reimbursed__c", "Reimbursed"),
        day("Launched_On__c", "Launched On"),
        picklist("Status__c", "Status", OFFERING_STATES),
    ),
)

TESTING_VOLUME = SObject(
    "Testing_Volume__c",
    "Testing Volume",
    "Testing Volumes",
    "a02",
    (
        ID,
        OWNER,
        IS_DELETED,
        record_name("Testing Volume Number", 80, auto_number=True),
        *AUDIT,
        LAB,
        TESTED_BIOMARKER,
        day("Month__c", "Month"),
        number("Eligible_Patients__c", "Eligible Patients", 18, 0),
        number("Tested_Patients__c", "Tested Patients", 18, 0),
        number("Positive_Patients__c", "Positive Patients", 18, 0),
        number("Median_TAT_Days__c", "Median TAT Days", 6, 2),
        picklist("Data_Source__c", "Data Source", DATA_SOURCES),
    ),
)
