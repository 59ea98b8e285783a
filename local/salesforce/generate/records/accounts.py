"""Labs, organisations and professionals."""

import random

from local.salesforce.events import Record, Value
from local.salesforce.generate.records.common import hurting_turn, is_hurting, joined, other
from local.salesforce.generate.vocabulary import (
    COUNTRIES,
    COUNTRY_WHEEL,
    SPECIALTIES,
    WORDS,
    CountryWords,
    hurting_name,
)
from local.salesforce.schema.accounts import ACCREDITATIONS, LAB_TYPES, SEGMENTS
from local.salesforce.schema.reference_data import RECORD_TYPE_IDS


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
        "RecordTypeId": RECORD_TYPE_IDS[record_type],
        "ParentId": None,
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
    return {
        **_empty_account(country, "Lab", rng),
        **contact,
        "Name": hurting_name(hurting_turn(number), name) if is_hurting(number) else name,
        "ParentId": parent_id,
        "Lab_Type__c": rng.choice(LAB_TYPES),
        "Accreditation__c": joined(rng, ACCREDITATIONS),
        "Segment__c": rng.choice((*SEGMENTS, None)),
    }


def new_hospital(rng: random.Random, number: int) -> dict[str, Value]:
    """A health-care organisation."""
    country = pick_country(rng, number)
    words = WORDS[country]
    name = f"{rng.choice(words.hospital_patterns).format(city=rng.choice(words.places).city)} {number}"
    return {
        **_empty_account(country, "HCO", rng),
        **_contact(rng, words, number),
        "Name": hurting_name(hurting_turn(number) + 4, name) if is_hurting(number) else name,
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
        "Name": hurting_name(hurting_turn(number) + 7, name) if is_hurting(number) else name,
        "ParentId": parent_id,
        "Specialty__c": rng.choice(SPECIALTIES),
        "License_Number__c": "null" if is_hurting(number) else f"{words_of}-{rng.randrange(10**7, 10**8)}",
        "Segment__c": rng.choice((*SEGMENTS, None)),
    }


def changed_account(rng: random.Random, record: Record) -> dict[str, Value]:
    """An ordinary change of an account: contact, segment, activity, or its name; never its country."""
    words = WORDS[str(record["Country_Code__c"] or "GB")]
    what = rng.randrange(5)
    if what == 0:
        return {"Phone": f"{words.calling_code} {rng.randrange(10, 99)} {rng.randrange(100_000, 999_999)}"}
    if what == 1:
        return {"Segment__c": other(rng, (*SEGMENTS, None), record["Segment__c"])}
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
