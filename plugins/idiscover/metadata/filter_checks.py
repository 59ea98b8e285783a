"""Checks of delta filters' conditions: what a query could not hold is told before one is made.

`salesforce/soql.py` judges the same values once more when it writes them; by then a cluster is running.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from idiscover.errors import ConfigError
from idiscover.metadata.models import DECIMAL_TYPES, Catalog, FieldType, FilterCondition, ObjectSpec
from idiscover.metadata.object_checks import Problems, names
from idiscover.metadata.paths import delta_filter_path
from idiscover.metadata.spelling import nearest

Scalar = str | bool | int | float | None

_NUMBERS = DECIMAL_TYPES | {FieldType.INT}


def _values_fit_their_fields(spec: ObjectSpec, catalog: Catalog, _unread: Collection[str]) -> Problems:
    """Values of a delta filter are of their field's type."""
    delta = catalog.delta_filters.get(spec.object)
    types = {field.salesforce: field.type for field in spec.fields}
    for position, condition in enumerate(delta.filter if delta is not None else ()):
        kind = types.get(condition.field)
        for place, value in _values(condition):
            expected = _expected(value, kind)
            if expected is not None:
                yield ConfigError(
                    "a filter value does not fit its field",
                    where=delta_filter_path(spec.object),
                    key=f"filter.{position}.value{place}",
                    got=repr(value),
                    expected=f"{expected}, for {condition.field} of type {kind.value}" if kind else expected,
                    remedy="correct the value",
                )


def _filtered_fields_are_spelt_as_the_objects(spec: ObjectSpec, catalog: Catalog, _unread: Collection[str]) -> Problems:
    """Fields of a delta filter are written as the object's own, if they differ from one in case only."""
    delta = catalog.delta_filters.get(spec.object)
    known = [field.salesforce for field in spec.fields]
    for position, condition in enumerate(delta.filter if delta is not None else ()):
        near = nearest(condition.field, [name for name in known if name.lower() == condition.field.lower()])
        if near is not None and condition.field not in known:
            yield ConfigError(
                "a field is written in another way than among the object's fields",
                where=delta_filter_path(spec.object),
                key=f"filter.{position}.field",
                got=condition.field,
                expected=names(known),
                did_you_mean=near,
                remedy="write it in the same way: its type decides how the value is written",
            )


def _values(condition: FilterCondition) -> list[tuple[str, Scalar]]:
    """Each value, with its place in a list."""
    if isinstance(condition.value, tuple):
        return [(f".{position}", value) for position, value in enumerate(condition.value)]
    return [("", condition.value)]


def _expected(value: Scalar, kind: FieldType | None) -> str | None:
    """What the value should have been; None if it is that. Of a field that is not extracted the type is not known."""
    if value is None:
        return None
    if isinstance(value, str) and "\0" in value:
        return "a text without NUL"
    if kind is None:
        return None if not isinstance(value, float) or Decimal(value).is_finite() else "a finite number"
    if kind is FieldType.BOOLEAN:
        return None if isinstance(value, bool) else "true or false"
    if isinstance(value, bool):
        return "no true or false"
    if kind is FieldType.DATETIME:
        return None if _is_time(value) else "a time with an offset, such as 2026-01-05T00:00:00Z"
    if kind is FieldType.DATE:
        return None if _is_day(value) else "a day such as 2026-01-05"
    if kind in _NUMBERS:
        return None if _is_number(value) else "a number"
    return None if isinstance(value, str) else "a text, in quotes"


def _is_time(value: Scalar) -> bool:
    try:
        return datetime.fromisoformat(str(value)).tzinfo is not None
    except ValueError:
        return False


def _is_day(value: Scalar) -> bool:
    try:
        date.fromisoformat(str(value))
    except ValueError:
        return False
    return True


def _is_number(value: Scalar) -> bool:
    try:
        return Decimal(str(value)).is_finite()
    except InvalidOperation:
        return False


FILTER_CHECKS: tuple[Callable[[ObjectSpec, Catalog, Collection[str]], Problems], ...] = (
    _values_fit_their_fields,
    _filtered_fields_are_spelt_as_the_objects,
)
