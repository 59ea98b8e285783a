"""Which country a record of a new object belongs to: by a column of its own, or by a record that it points to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from idiscover.metadata.models import TEXT_TYPES, Catalog, CountryNone, FieldType
from idiscover.metadata.naming import snake_case
from idiscover.metadata.org_describe import OrgField

_CODE = re.compile(r"[A-Z]{2}")
_COUNTRY = re.compile(r"(?:^|_)country(?:_|$)")
_CODE_NAME = re.compile(r"(?:^|_)country_?(?:iso_?)?(?:iso2?|code|alpha_?2)(?:_|$)|(?:^|_)iso_?country(?:_|$)")


@dataclass(frozen=True)
class Country:
    """A country rule, the field that it rests on (API name), and why it was chosen."""

    rule: str  # as YAML
    field: str | None
    via_object: str | None
    why: str
    is_guess: bool = False


def propose_country(
    columns: Mapping[str, str], fields: Sequence[OrgField], catalog: Catalog, key: str | None
) -> Country:
    """The rule `column`, else `via`, else `none`.

    Args:
        columns: API name → column.
        fields: the fields that are extracted.
        catalog: the objects that a country may come from.
        key: key column of the new object: that of the object its country comes from has to have the same name. None:
            any will do.
    """
    own = _own_country(fields)
    if own is not None:
        field, why, is_guess = own
        return Country(f"{{rule: column, column: {columns[field.name]}}}", field.name, None, why, is_guess)
    parents = [(field, name) for field in fields for name in [_parent(field, catalog, key)] if name]
    if parents:
        # what a record cannot be without says more of it than what it may have; then what the customer added, first
        field, name = min(parents, key=lambda pair: (pair[0].nillable, not pair[0].is_custom))
        rule = f"{{rule: via, column: {columns[field.name]}, object: {name}}}"
        others = sorted(item.name for item, _ in parents if item is not field)
        why = f"via {field.name}, which points to {name}"
        why += f"; {', '.join(others)} would do as well" if others else ""
        return Country(rule, field.name, name, why, bool(others))
    why = "none (every row in slice ZZ): no field looks like a country code, no reference leads to an object with one"
    return Country("{rule: none}", None, None, why)


def _own_country(fields: Sequence[OrgField]) -> tuple[OrgField, str, bool] | None:
    """The field with a country code, what says so, and whether that is a guess: the record's own, then the surest."""
    found = []
    for field in fields:
        name = snake_case(field.name)
        if field.kind not in TEXT_TYPES or not _COUNTRY.search(name):
            continue
        if field.kind is FieldType.PICKLIST and field.picklist:
            if all(_CODE.fullmatch(value) for value in field.picklist):
                found.append((0, field, f"{field.name}: all its values are two capital letters", False))
        elif field.length == 2:
            found.append((1, field, f"{field.name}: a country of two characters", False))
        elif _CODE_NAME.search(name):
            why = f"{field.name}, by its name; other values than two capital letters count as none (slice ZZ)"
            found.append((2, field, why, True))
    if not found:
        return None
    _, field, why, is_guess = min(found, key=lambda item: (_is_address_part(item[1]), item[0], item[1].name))
    return field, why, is_guess


def _is_address_part(field: OrgField) -> bool:
    """Whether it is the country of one of several addresses, rather than the record's own."""
    return not field.is_custom and bool(re.match(r"(Billing|Shipping|Mailing|Other|Permanent)", field.name))


def _parent(field: OrgField, catalog: Catalog, key: str | None) -> str | None:
    """Our name of the object that a reference points to, if that has a country and a table of itg."""
    if field.kind is not FieldType.REFERENCE or len(field.reference_to) != 1:
        return None
    for spec in catalog.objects.values():
        if spec.salesforce_object.lower() != field.reference_to[0].lower():
            continue
        fits = not isinstance(spec.country, CountryNone) and (key is None or spec.key == key)
        return spec.object if fits and f"itg.{spec.object}" in catalog.tables else None
    return None
