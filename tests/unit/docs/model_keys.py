"""The keys of the metadata models as docs/metadata.md tells them: name, type, default."""

from __future__ import annotations

import types
from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le, MinLen
from idiscover.metadata import models
from pydantic import BaseModel, StringConstraints
from pydantic.fields import FieldInfo

REQUIRED = "required"

# Headings of docs/metadata.md and what stands below them.
DOCUMENTED: dict[str, type[BaseModel]] = {
    "objects/<object>.yaml": models.ObjectSpec,
    "fields": models.FieldSpec,
    "owner": models.Owner,
    "country, rule column": models.CountryColumn,
    "country, rule via": models.CountryVia,
    "country, rule none": models.CountryNone,
    "delta_filter/<object>.yaml": models.DeltaFilter,
    "filter": models.FilterCondition,
    "tables/<schema>.<table>.yaml": models.TableSpec,
    "inputs": models.Input,
    "source": models.RowSource,
    "context/<environment>.yaml": models.Context,
    "buckets": models.Buckets,
    "secrets": models.SecretNames,
    "mail": models.MailSettings,
    "emr": models.EmrSettings,
    "salesforce": models.SalesforceSettings,
    "redshift": models.RedshiftSettings,
    "airflow": models.AirflowSettings,
}

_PATTERNS = {
    models.NAME_PATTERN: "name",
    models.VERSION_COLUMN_PATTERN: "name, or _read_at_utc",
    models.SALESFORCE_NAME_PATTERN: "Salesforce name",
    models.QUALIFIED_NAME_PATTERN: "schema.name",
    r"^[^@\s]+@[^@\s]+\.[^@\s]+$": "e-mail address",
    r"^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)?$": "Salesforce name, or Relationship.Name",
    r"^\d{2}\.0$": "text such as 62.0",
}
_PLAIN = {str: "text", bool: "true or false", int: "whole number", float: "number", datetime: "time"}


def rows(model: type[BaseModel]) -> list[tuple[str, str, str]]:
    """Key, type and default of each field, in the model's order."""
    return [(name, _type(info.annotation, info.metadata), _default(info)) for name, info in model.model_fields.items()]


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return REQUIRED
    value = info.get_default(call_default_factory=True)
    if value is None or value == ():
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value.value if isinstance(value, Enum) else value)


def _type(annotation: Any, limits: Sequence[Any] = ()) -> str:
    """The type of a value in a reader's words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0], annotation.__metadata__)
    if origin is Literal:
        return ", ".join(str(item.value if isinstance(item, Enum) else item) for item in arguments)
    if origin is tuple:
        at_least = "non-empty list of " if any(isinstance(limit, MinLen) for limit in limits) else "list of "
        return f"{at_least}{_type(arguments[0])}"
    if origin in (Union, types.UnionType):
        members = [_type(item) for item in arguments if item is not type(None)]
        return ", or ".join(dict.fromkeys(members)) + _range(limits)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ", ".join(str(item.value) for item in annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _heading(annotation)
    return _constrained(limits) or f"{_PLAIN[annotation]}{_range(limits)}"


def _heading(model: type[BaseModel]) -> str:
    heading = next(heading for heading, known in DOCUMENTED.items() if known is model)
    return f"see {heading.split(',')[0]}"


def _constrained(limits: Sequence[Any]) -> str | None:
    patterns = [limit.pattern for limit in limits if isinstance(limit, StringConstraints) and limit.pattern]
    return _PATTERNS[str(patterns[0])] if patterns else None


def _range(limits: Sequence[Any]) -> str:
    low = [limit.ge for limit in limits if isinstance(limit, Ge)]
    high = [limit.le for limit in limits if isinstance(limit, Le)]
    return f", {low[0]} to {high[0]}" if low and high else ""
