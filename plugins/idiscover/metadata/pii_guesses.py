"""Guesses of what is personal, from a field's type, name and label. A person confirms or corrects each of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from idiscover.metadata.models import FieldType, PiiClass
from idiscover.metadata.naming import snake_case
from idiscover.metadata.org_describe import OrgField


@dataclass(frozen=True)
class PiiGuess:
    """What a field's content may be, and what says so."""

    pii: PiiClass
    why: str


_TYPES = {FieldType.EMAIL: "type email", FieldType.PHONE: "type phone"}
_TEXT_LIKE = frozenset({FieldType.STRING, FieldType.TEXTAREA, FieldType.URL, FieldType.PICKLIST})
_NUMBER_LIKE = frozenset({FieldType.DOUBLE, FieldType.INT})
_TEXT_OR_NUMBER = _TEXT_LIKE | _NUMBER_LIKE
_DAYS = frozenset({FieldType.DATE, FieldType.DATETIME}) | _TEXT_OR_NUMBER

# Words of a name in snake case → types that may hold it, class, and what is guessed.
_PATTERNS = tuple(
    (re.compile(rf"(?:^|_)(?:{words})(?:_|$)"), types, pii, why)
    for words, types, pii, why in (
        (
            "diagnosis|disease|health|religion|religious|ethnicity|ethnic|race|disability|sexual_orientation|genetic",
            _TEXT_LIKE,
            PiiClass.SENSITIVE,
            "may tell of health, origin or belief",
        ),
        (
            "ssn|social_security(?:_number)?|passport(?:_number)?|tax_id|national_id|iban|bank_account(?:_number)?",
            _TEXT_OR_NUMBER,
            PiiClass.SENSITIVE,
            "may be an official or bank number",
        ),
        ("birthdate|birth_date|birthday|date_of_birth|dob|year_of_birth", _DAYS, PiiClass.PERSONAL, "a birth date"),
        ("age|gender|sex|marital_status|nationality", _TEXT_OR_NUMBER, PiiClass.PERSONAL, "describes a person"),
        (
            "first_name|last_name|middle_name|full_name|maiden_name|surname|given_name|family_name|nickname|salutation"
            "|contact_name|patient_name|physician_name|doctor_name|employee_name|username|user_name|alias|initials",
            _TEXT_LIKE,
            PiiClass.PERSONAL,
            "the name of a person",
        ),
        ("e_?mail|phone|mobile|fax|telephone", _TEXT_LIKE, PiiClass.PERSONAL, "a way to reach a person"),
        (
            "street|home_address|mailing_(?:city|postal_code)|other_(?:city|postal_code)|latitude|longitude",
            _TEXT_OR_NUMBER,
            PiiClass.PERSONAL,
            "where a person may live",
        ),
        ("licen[cs]e_number|npi|npi_number|employee_number", _TEXT_OR_NUMBER, PiiClass.PERSONAL, "a person's number"),
        ("ip_address|photo_url|linked_?in|twitter|facebook", _TEXT_LIKE, PiiClass.PERSONAL, "leads to a person"),
    )
)
# Their Name is that of a person.
_PERSONS = frozenset({"Contact", "Lead", "User", "Individual"})


def guess_pii(field: OrgField, of_object: str) -> PiiGuess | None:
    """What the field may hold, or None.

    Args:
        field: a field that can be carried.
        of_object: API name of its object.
    """
    if field.kind in _TYPES:
        return PiiGuess(PiiClass.PERSONAL, _TYPES[field.kind])
    if field.name == "Name" and of_object in _PERSONS:
        return PiiGuess(PiiClass.PERSONAL, "the name of a person")
    for word in (snake_case(field.name), snake_case(re.sub(r"\W+", "_", field.label))):
        for pattern, types, pii, why in _PATTERNS:
            if field.kind in types and pattern.search(word):
                return PiiGuess(pii, why)
    return None
