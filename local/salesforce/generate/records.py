"""The business values of new and changed records."""

import random
from datetime import date

from local.salesforce import schema
from local.salesforce.events import Record, Value
from local.salesforce.generate.vocabulary import (
    COUNTRIES,
    COUNTRY_WHEEL,
    SPECIALTIES,
    WORDS,
    CountryWords,
    hurting_name,
)

HURTING_EVERY = 40
HURTING_FIRST = 11


def is_hurting(number: int) -> bool:
    """Whether this record has a value that hurts: the first few (so that the smallest org has them all), then some."""
    return number < HURTING_FIRST or number % HURTING_EVERY == 0


def _hurting_turn(number: int) -> int:
    return number if number < HURTING_FIRST else number // HURTING_EVERY


def pick_country(rng: random.Random, number: int) -> str:
    """A country: the first records cover all of them, the rest are spread unevenly."""
    drawn = rng.choice(COUNTRY_WHEEL)
    return COUNTRIES[number % len(COUNTRIES)] if number < 2 * len(COUNTRIES) else drawn


def _contact(rng: random.Random, words: CountryWords, number: int) -> dict[str, Value]:
    place = rng.choice(words.places)
    phone = f"{words.calling_code} {rng.randrange(10, 99)} {rng.randrange(100_000, 999_999)}"
    site = f"https://www.site-{number}.example.{words.domain}/"
    hurting = is_hurting(number)
    return {
        "BillingCity": (place.city * 40)[:40] if hurting and number % 3 == 0 else place.city,
        "BillingState": "NA" if hurting and number % 3 == 1 else place.state,
        "BillingPostalCode": place.postal_code,
        "Phone": (phone + " ext. 0123456789 0123456789")[:40] if hurting else (phone if rng.random() < 0.9 else None),
        "Website": (site + "x" * 255)[:255] if hurting and number % 3 == 2 else (site if rng.random() < 0.6 else None),
    }


def _empty_account(country: str | None, record_type: str, rng: random.Random) -> dict[str, Value]:
    return {
        "RecordTypeId": schema.RECORD_TYPE_IDS[record_type],
        "ParentId": None,
        "OwnerId": rng.choice(schema.USER_IDS),
        "Country_Code__c": country,
        "Lab_Type__c": None,
        "Accreditation__c": None,
        "Specialty__c": None,
        "License_Number__c": None,
        "Segment__c": None,
        "Is_Active__c": rng.random() < 0.93,
    }


def new_lab(rng: random.Random, number: int, parent_id: str | None) -> dict[str, Value]:
    """A lab; lab 7 and every fiftieth has no country."""
    words_of = pick_country(rng, number)
    words = WORDS[words_of]
    country = None if number % 50 == 7 else words_of
    contact = _contact(rng, words, number)
    name = f"{rng.choice(words.lab_patterns).format(city=rng.choice(words.places).city)} {number}"
    held = [item for item in schema.ACCREDITATIONS if rng.random() < 0.5]
    return {
        **_empty_account(country, "Lab", rng),
        **contact,
        "Name": hurting_name(_hurting_turn(number), name) if is_hurting(number) else name,
        "ParentId": parent_id,
        "Lab_Type__c": rng.choice(schema.LAB_TYPES),
        "Accreditation__c": ";".join(held) or None,
        "Segment__c": rng.choice((*schema.SEGMENTS, None)),
    }


def new_hospital(rng: random.Random, number: int) -> dict[str, Value]:
    """A health-care organisation."""
    country = pick_country(rng, number)
    words = WORDS[country]
    name = f"{rng.choice(words.hospital_patterns).format(city=rng.choice(words.places).city)} {number}"
    return {
        **_empty_account(country, "HCO", rng),
        **_contact(rng, words, number),
        "Name": hurting_name(_hurting_turn(number) + 4, name) if is_hurting(number) else name,
    }


def new_professional(rng: random.Random, number: int, parent_id: str | None) -> dict[str, Value]:
    """A health-care professional; one in seventy has no country."""
    words_of = pick_country(rng, number)
    words = WORDS[words_of]
    given, family = rng.choice(words.given_names), rng.choice(words.family_names)
    name = f"{family} {given}" if words.family_first else f"{given} {family}"
    return {
        **_empty_account(None if number % 70 == 13 else words_of, "HCP", rng),
        **_contact(rng, words, number),
        "Name": hurting_name(_hurting_turn(number) + 7, name) if is_hurting(number) else name,
        "ParentId": parent_id,
        "Specialty__c": rng.choice(SPECIALTIES),
        "License_Number__c": "null" if is_hurting(number) else f"{words_of}-{rng.randrange(10**7, 10**8)}",
        "Segment__c": rng.choice((*schema.SEGMENTS, None)),
    }


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
        "OwnerId": rng.choice(schema.USER_IDS),
        "Lab__c": None if number % 400 == 4 else lab_id,
        "Biomarker__c": biomarker_id,
        "Month__c": month.isoformat(),
        **patients(rng, number),
        "Data_Source__c": rng.choice((*schema.DATA_SOURCES, None)),
    }


def changed_account(rng: random.Random, record: Record) -> dict[str, Value]:
    """An ordinary change of an account: contact, segment, activity, or its name; never its country."""
    words = WORDS[str(record["Country_Code__c"] or "GB")]
    what = rng.randrange(5)
    if what == 0:
        return {"Phone": f"{words.calling_code} {rng.randrange(10, 99)} {rng.randrange(100_000, 999_999)}"}
    if what == 1:
        return {"Segment__c": _other(rng, (*schema.SEGMENTS, None), record["Segment__c"])}
    if what == 2:
        return {"Is_Active__c": record["Is_Active__c"] is not True}
    if what == 3:
        place = rng.choice(words.places)
        return {
            "BillingCity": place.city,
            "BillingState": place.state,
            "BillingPostalCode": f"{place.postal_code}-{rng.randrange(10, 99)}",
        }
    return {"Name": hurting_name(rng.randrange(100), f"{words.places[0].city} {rng.randrange(10_000)}")}


def changed_volume(rng: random.Random, record: Record) -> dict[str, Value]:
    """A corrected month: new counts, or another source."""
    counts = {key: value for key, value in patients(rng, rng.randrange(10_000)).items() if record[key] != value}
    if rng.randrange(8) == 0 or not counts:
        return {"Data_Source__c": _other(rng, (*schema.DATA_SOURCES, None), record["Data_Source__c"])}
    return counts


def _other(rng: random.Random, choices: tuple[str | None, ...], current: Value) -> str | None:
    return rng.choice([item for item in choices if item != current])
