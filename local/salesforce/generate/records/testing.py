"""Capabilities, offerings and monthly volumes of labs."""

import random
from datetime import date, timedelta

from local.salesforce.events import Record, Value
from local.salesforce.generate.records.common import is_hurting, joined, other, some_day
from local.salesforce.schema.testing import DATA_SOURCES, OFFERING_STATES, SAMPLE_TYPES, TECHNOLOGIES

_FIRST_CAPABILITY, _LAST_CAPABILITY = date(2018, 1, 1), date(2025, 12, 1)
_STATUS_WHEEL = ("Active",) * 14 + ("Planned", "Planned", "Paused", "Withdrawn", None)
_EXTREME_TURNAROUNDS = {57: 0.01, 58: 9999.99}
_EXTREME_MONTHS = {63: "1700-01-01", 64: "4000-12-31"}
_EXTREME_DAYS = ("1700-01-01", "4000-12-31")


def new_capability(rng: random.Random, number: int, lab_id: str | None, technology: str | None) -> dict[str, Value]:
    """A technology at a lab since some day; one in five has ended, or will."""
    start = some_day(rng, _FIRST_CAPABILITY, _LAST_CAPABILITY)
    end = start + timedelta(days=rng.randrange(90, 2600)) if rng.randrange(5) == 0 else None
    first_day = start.isoformat()
    if is_hurting(number):
        first_day = _EXTREME_DAYS[number % 2]
        end = date(4000, 12, 31) if number % 3 == 0 else None
    return {
        "Name": f"LC-{number + 1:06d}",
        "Lab__c": None if number % 300 == 6 else lab_id,
        "Technology__c": None if number % 250 == 9 else technology,
        "In_House__c": rng.random() < 0.62,
        "Sample_Type__c": joined(rng, SAMPLE_TYPES),
        "Valid_From__c": None if number % 120 == 17 else first_day,
        "Valid_To__c": None if end is None else end.isoformat(),
    }


def changed_capability(rng: random.Random, record: Record) -> dict[str, Value]:
    """A technology comes in house or goes out, ends, or is done on other samples."""
    what = rng.randrange(3)
    if what == 0:
        return {"In_House__c": record["In_House__c"] is not True}
    if what == 1:
        today = str(record["SystemModstamp"])[:10]
        return {"Valid_To__c": None if record["Valid_To__c"] is not None else today}
    choices = [*SAMPLE_TYPES, ";".join(SAMPLE_TYPES), None]
    if rng.randrange(4) == 0:
        return {"Technology__c": other(rng, TECHNOLOGIES, record["Technology__c"])}
    return {"Sample_Type__c": other(rng, choices, record["Sample_Type__c"])}


def new_offering(
    rng: random.Random, number: int, lab_id: str | None, biomarker_id: str, capability_id: str | None
) -> dict[str, Value]:
    """A test that a lab offers, done with one of its technologies."""
    launched = some_day(rng, date(2019, 1, 1), date(2026, 1, 4)).isoformat()
    turnaround: float | None = (200 + 25 * rng.randrange(0, 100)) / 100
    if is_hurting(number):
        launched = _EXTREME_DAYS[number % 2]
        turnaround = (0.01, 9999.99, None, 0, -1.5)[number % 5]
    return {
        "Name": f"TO-{number + 1:06d}",
        "Lab__c": None if number % 350 == 8 else lab_id,
        "Biomarker__c": None if number % 370 == 10 else biomarker_id,
        "Lab_Capability__c": None if number % 20 == 13 else capability_id,
        "Turnaround_Days__c": turnaround,
        "Reimbursed__c": rng.random() < 0.7,
        "Launched_On__c": None if number % 30 == 19 else launched,
        "Status__c": rng.choice(_STATUS_WHEEL),
    }


def changed_offering(rng: random.Random, record: Record) -> dict[str, Value]:
    """A test gets faster or slower, another status, or is paid for."""
    what = rng.randrange(3)
    if what == 0:
        return {"Reimbursed__c": record["Reimbursed__c"] is not True}
    if what == 1:
        return {"Status__c": other(rng, OFFERING_STATES, record["Status__c"])}
    turnaround = (100 + 25 * rng.randrange(0, 110)) / 100
    return {"Turnaround_Days__c": turnaround if turnaround != record["Turnaround_Days__c"] else turnaround + 0.5}


def patients(rng: random.Random, number: int) -> dict[str, Value]:
    """Counts and turnaround of a lab's month: positive <= tested <= eligible where known; awkward ones among them."""
    if number % 53 == 3:
        eligible: int | None = 0
    elif number % 211 == 5:
        eligible = None
    else:
        eligible = 1 + rng.randrange(1, 40) * rng.randrange(1, 13)
    tested = None if number % 61 == 7 else (eligible or 0) * rng.randrange(0, 101) // 100
    positive = None if tested is None or number % 97 == 11 else tested * rng.randrange(0, 46) // 100
    turnaround = None if not tested or rng.random() < 0.06 else (150 + rng.randrange(0, 2600)) / 100
    turnaround = _EXTREME_TURNAROUNDS.get(number % 10_000, turnaround)
    return {
        "Eligible_Patients__c": eligible,
        "Tested_Patients__c": tested,
        "Positive_Patients__c": positive,
        "Median_TAT_Days__c": turnaround,
    }


def new_volume(rng: random.Random, number: int, lab_id: str | None, biomarker_id: str, month: date) -> dict[str, Value]:
    """A lab's month for a biomarker; volume 4 and every 400th has lost its lab."""
    return {
        "Name": f"TV-{number + 1:08d}",
        "Lab__c": None if number % 400 == 4 else lab_id,
        "Biomarker__c": biomarker_id,
        "Month__c": _month_text(number, month),
        **patients(rng, number),
        "Data_Source__c": rng.choice((*DATA_SOURCES, None)),
    }


def _month_text(number: int, month: date) -> str | None:
    """Mostly the first day of the month; one in ninety is some other day of it, a few are no month at all."""
    if number % 900 == 62:
        return None
    if number in _EXTREME_MONTHS:
        return _EXTREME_MONTHS[number]
    return (month.replace(day=15) if number % 90 == 21 else month).isoformat()


def changed_volume(rng: random.Random, record: Record) -> dict[str, Value]:
    """A corrected month: new counts, or another source."""
    counts = {key: value for key, value in patients(rng, rng.randrange(10_000)).items() if record[key] != value}
    if rng.randrange(8) == 0 or not counts:
        return {"Data_Source__c": other(rng, (*DATA_SOURCES, None), record["Data_Source__c"])}
    return counts
