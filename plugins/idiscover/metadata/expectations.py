"""What a value has to be like, and what to do about one that is not, in words, from what pydantic tells."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from idiscover.metadata.base import PATTERNS

_LONGEST = 120  # characters of a value that a message shows

_TIME = "a time such as 2026-01-05T00:00:00Z"
_BY_KIND: Mapping[str, str] = {
    "string_type": "a text",
    "string_too_short": "a text that is not empty",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number of fewer digits",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list",
    "model_type": "keys with values",
    "model_attributes_type": "keys with values",
    "dataclass_type": "keys with values",
    "datetime_type": _TIME,
    "datetime_parsing": _TIME,
    "datetime_from_date_parsing": _TIME,
    "too_short": "at least one item",
}
_BY_LIMIT = {"ge": "at least {}", "le": "at most {}", "gt": "more than {}", "lt": "less than {}"}
_TRUTHS = {"yes": "true", "y": "true", "on": "true", "no": "false", "n": "false", "off": "false"}


def expected(detail: Mapping[str, Any]) -> str:
    """What should have been there."""
    context = detail.get("ctx") or {}
    listed = choices(detail)
    if listed:
        return f"one of {', '.join(listed)}" if len(listed) > 1 else listed[0]
    if context.get("pattern") in PATTERNS:
        return PATTERNS[context["pattern"]].full
    for name, text in _BY_LIMIT.items():
        if name in context:
            return text.format(context[name])
    return _BY_KIND.get(detail["type"], str(detail["msg"]))


def choices(detail: Mapping[str, Any]) -> list[str]:
    """The values that are allowed, where they can be counted."""
    context = detail.get("ctx") or {}
    if detail["type"] in ("literal_error", "enum", "union_tag_invalid"):
        return re.findall(r"'([^']*)'", str(context.get("expected", context.get("expected_tags", ""))))
    return []


def got(value: object) -> str | None:
    """A value as a message shows it; None for one whose content would fill the screen."""
    if isinstance(value, dict):
        return None
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def remedy(detail: Mapping[str, Any], keys: Sequence[str]) -> tuple[str, object]:
    """What to do; and the value that would come of it, where that is beyond doubt.

    Args:
        detail: of pydantic's error.
        keys: those of the model that belongs there, if one does.
    """
    kind, value = detail["type"], detail.get("input")
    if kind == "unfit":
        return str(detail["ctx"]["remedy"]), None
    if value is None:
        return "write a value, or remove the key", None
    if kind == "string_type" and isinstance(value, bool | int | float):
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return f'put it in quotes: "{text}"', text
    if _truth(detail):
        return f"write {_truth(detail)}", _truth(detail) == "true"
    if kind in ("int_type", "float_type") and isinstance(value, str) and re.fullmatch(r"-?\d+", value):
        return "remove the quotes", int(value)
    if kind == "tuple_type" and isinstance(value, str):
        return f"write it as a list: [{value}]", None
    if keys:
        return f"write {{{', '.join(f'{key}: …' for key in keys)}}}", None
    return "correct the value", None


def _truth(detail: Mapping[str, Any]) -> str | None:
    """`true` or `false`, if the value is another word for it."""
    value = detail.get("input")
    if not detail["type"].startswith("bool") or not isinstance(value, str):
        return None
    return _TRUTHS.get(value.lower(), value.lower() if value.lower() in ("true", "false") else None)
