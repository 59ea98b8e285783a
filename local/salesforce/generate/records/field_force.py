"""Users, territories and what belongs to them."""

import random

from local.salesforce.events import Record, Value
from local.salesforce.generate.phrases import COUNTRY_NAMES, JOB_TITLES, hurting_text
from local.salesforce.generate.records.common import other
from local.salesforce.generate.vocabulary import WORDS
from local.salesforce.schema.field_force import ASSOCIATION_CAUSES, TERRITORY_ROLES

HEADQUARTERS = "Global"
_HURTING_USER_NAMES = {9: "NA", 10: "null", 11: '  O\'Neil,\n"Jr."  '}


def new_user(rng: random.Random, number: int, country: str | None, manager_id: str | None) -> dict[str, Value]:
    """Someone of the field force, or (`country` None) of the headquarters; the division says which."""
    words = WORDS[country or "GB"]
    given, family = rng.choice(words.given_names), rng.choice(words.family_names)
    name = f"{family} {given}" if words.family_first else f"{given} {family}"
    title, department = JOB_TITLES[number % len(JOB_TITLES)] if country else ("Administrator", "Business Technology")
    return {
        "Username": f"user{number}@iconnect.example.com",
        "Name": _HURTING_USER_NAMES.get(number, name),
        "Email": f"user{number}@example.com",
        "Title": title if number % 17 else None,
        "Department": department if number % 23 else None,
        "Division": country or HEADQUARTERS,
        "ManagerId": manager_id,
        "IsActive": number < 20 or rng.randrange(9) > 0,
    }


def changed_user(rng: random.Random, record: Record) -> dict[str, Value]:
    """Someone gets another title or department, or leaves or comes back."""
    what = rng.randrange(3)
    if what == 0:
        return {"IsActive": record["IsActive"] is not True}
    index = 0 if what == 1 else 1
    choices = [title[index] for title in JOB_TITLES]
    key = ("Title", "Department")[index]
    return {key: other(rng, choices, record[key])}


def new_territory(number: int, country: str | None, part: str, parent_id: str | None) -> dict[str, Value]:
    """A territory: the world, a country, or a part of one."""
    name = f"{COUNTRY_NAMES[country]} {part}".strip() if country else HEADQUARTERS
    developer = "_".join(item for item in (country or HEADQUARTERS, *part.split()) if item)
    texts = {3: None, 5: hurting_text(5, 1000), 8: hurting_text(15, 1000), 9: "NA"}
    return {
        "Name": name,
        "DeveloperName": developer,
        "ParentTerritory2Id": parent_id,
        "Description": texts.get(number, f"Covers {name}."),
    }


def changed_territory(rng: random.Random, record: Record) -> dict[str, Value]:
    """A territory is described anew."""
    return {"Description": other(rng, ("Under review.", "Covers more.", None), record["Description"])}


def new_membership(rng: random.Random, user_id: str, territory_id: str, is_active: bool) -> dict[str, Value]:
    """A user works in a territory."""
    return {
        "UserId": user_id,
        "Territory2Id": territory_id,
        "IsActive": is_active,
        "RoleInTerritory2": rng.choice((*TERRITORY_ROLES, None)),
    }


def changed_membership(rng: random.Random, record: Record) -> dict[str, Value]:
    """Another role, or not active any more."""
    if rng.randrange(2) == 0:
        return {"IsActive": record["IsActive"] is not True}
    return {"RoleInTerritory2": other(rng, TERRITORY_ROLES, record["RoleInTerritory2"])}


def new_coverage(rng: random.Random, account_id: str, territory_id: str) -> dict[str, Value]:
    """An account lies in a territory."""
    return {
        "ObjectId": account_id,
        "Territory2Id": territory_id,
        "AssociationCause": rng.choice(ASSOCIATION_CAUSES),
        "SobjectType": "Account",
    }


def changed_coverage(rng: random.Random, record: Record) -> dict[str, Value]:
    """Assigned by hand instead of by a rule, or the other way round."""
    return {"AssociationCause": other(rng, ASSOCIATION_CAUSES, record["AssociationCause"])}
