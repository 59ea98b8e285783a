"""What a value has to be like, and what to do about one that is not, in words, from what pydantic tells."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from idiscover.metadata.base import EMAIL_PATTERN, PATTERNS
from idiscover.metadata.spelling import nearest

_LONGEST = 120  # characters of a value that a message shows

_WHOLE = re.compile(r"-?[0-9]+")
_TIME = "a time such as 2026-01-05T00:00:00Z"
_DAY = "a day such as 2026-01-05"
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
    "date_type": _DAY,
    "date_parsing": _DAY,
    "date_from_datetime_parsing": _DAY,
    "date_from_datetime_inexact": _DAY,
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
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def remedy(detail: Mapping[str, Any], keys: Sequence[str]) -> str:
    """What to do.

    Args:
        detail: of pydantic's error.
        keys: those of the model that belongs there, if one does.
    """
    kind, value = detail["type"], detail.get("input")
    if kind == "unfit":
        return str(detail["ctx"]["remedy"])
    if not detail["loc"]:
        return "write key: value, a line each; docs/metadata.md lists the keys"
    if value is None:
        return "write a value, or remove the key"
    if kind == "string_type" and isinstance(value, bool | int | float):
        return f'put it in quotes: "{_as_text(value)}"'
    if _truth(detail):
        return f"write {_truth(detail)}"
    if kind in ("int_type", "float_type") and isinstance(value, str) and _WHOLE.fullmatch(value):
        return "remove the quotes"
    if kind == "tuple_type" and isinstance(value, str):
        return f"write it as a list: [{value}]"
    if keys:
        return f"write {{{', '.join(f'{key}: …' for key in keys)}}}"
    return "correct the value"


def stand_in(detail: Mapping[str, Any]) -> object:
    """A value to go on with, so that one mistake hides no other; None where nobody can tell.

    It is what was meant, or what no other check looks at.
    """
    context, value = detail.get("ctx") or {}, detail.get("input")
    near = nearest(value, choices(detail))
    if near is not None:
        return near
    if detail["type"] == "string_type" and isinstance(value, bool | int | float):
        return _as_text(value)
    if _truth(detail):
        return _truth(detail) == "true"
    if detail["type"] in ("int_type", "float_type") and isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    if context.get("pattern") == EMAIL_PATTERN:
        return "somebody@example.com"
    return context.get("ge", context.get("le"))


def _as_text(value: bool | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _truth(detail: Mapping[str, Any]) -> str | None:
    """`true` or `false`, if the value is another word for it."""
    value = detail.get("input")
    if not detail["type"].startswith("bool") or not isinstance(value, str):
        return None
    return _TRUTHS.get(value.lower(), value.lower() if value.lower() in ("true", "false") else None)
