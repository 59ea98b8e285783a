"""The tables of keys in docs/metadata.md, made from the models: key, type, default, meaning."""

from __future__ import annotations

import re
import types
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le, MinLen
from pydantic import BaseModel, StringConstraints
from pydantic.fields import FieldInfo

from idiscover.errors import ConfigError
from idiscover.metadata import environment, models, subjects
from idiscover.metadata.base import PATTERNS, Model

# Headings of the page, and the models whose keys stand below them.
SECTIONS: Mapping[str, type[Model]] = {
    "objects/<object>.yaml": models.ObjectSpec,
    "extraction": models.ExtractionSettings,
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
    "columns": models.TableColumn,
    "checks, kind unique_key": models.UniqueKey,
    "checks, kind not_null": models.NotNull,
    "checks, kind accepted_values": models.AcceptedValues,
    "checks, kind foreign_key": models.ForeignKey,
    "checks, kind row_count": models.RowCount,
    "checks, kind freshness": models.Freshness,
    "checks, kind reconciliation": models.Reconciliation,
    "sums": models.Sum,
    "checks, kind expression": models.Expression,
    "subjects/<subject>.yaml": subjects.SubjectSpec,
    "hierarchies": subjects.Hierarchy,
    "ratios": subjects.Ratio,
    "geography": subjects.Geography,
    "context/<environment>.yaml": environment.Context,
    "buckets": environment.Buckets,
    "secrets": environment.SecretNames,
    "mail": environment.MailSettings,
    "emr": environment.EmrSettings,
    "salesforce": environment.SalesforceSettings,
    "redshift": environment.RedshiftSettings,
    "checks": environment.CheckSettings,
    "tableau": environment.TableauSettings,
    "airflow": environment.AirflowSettings,
}
BEGIN, END = "<!-- keys: made by idiscover schema from the models, edit them there -->", "<!-- end of keys -->"

_HEAD = "| key | type | default | meaning |\n|---|---|---|---|\n"
_REQUIRED = "required"
_PLAIN: Mapping[type, str] = {
    str: "text",
    bool: "true or false",
    int: "whole number",
    float: "number",
    datetime: "time",
    date: "day",
}


def with_tables(page: str, where: str) -> str:
    """The page with every table of keys made anew between its two marks; what people wrote around them stays.

    Raises:
        ConfigError: a heading or its marks are missing.
    """
    for heading, model in SECTIONS.items():
        place = re.compile(
            rf"(^#+ {re.escape(heading)}\n(?:(?!^#).*\n)*?{re.escape(BEGIN)}\n)(?:(?!^#).*\n)*?({re.escape(END)}\n)",
            re.MULTILINE,
        )
        if place.search(page) is None:
            remedy = f"write the heading, and below it the lines {BEGIN} and {END}"
            raise ConfigError("the page has no place for a table of keys", where=where, key=heading, remedy=remedy)
        table = key_table(model)
        page = place.sub(lambda match, table=table: f"{match[1]}{table}{match[2]}", page)
    return page


def key_table(model: type[Model]) -> str:
    """Markdown: a row for each key, in the model's order."""
    rows = [
        f"| {name} | {_type(info.annotation, info.metadata)} | {_default(info)} | {info.description or ''} |\n"
        for name, info in model.model_fields.items()
    ]
    return _HEAD + "".join(rows)


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return _REQUIRED
    value = info.get_default(call_default_factory=True)
    if value is None or value == ():
        return "none"
    if isinstance(value, BaseModel):
        return "its defaults"
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
        heading = next(heading for heading, known in SECTIONS.items() if known is annotation)
        return f"see {heading.split(',')[0]}"
    return _constrained(limits) or f"{_PLAIN[annotation]}{_range(limits)}"


def _constrained(limits: Sequence[Any]) -> str | None:
    patterns = [limit.pattern for limit in limits if isinstance(limit, StringConstraints) and limit.pattern]
    return PATTERNS[str(patterns[0])].short if patterns else None


def _range(limits: Sequence[Any]) -> str:
    low = [limit.ge for limit in limits if isinstance(limit, Ge)]
    high = [limit.le for limit in limits if isinstance(limit, Le)]
    return f", {low[0]} to {high[0]}" if low and high else ""
