"""Pydantic's errors as errors that a person can act on: place, key, got, expected, remedy."""

from __future__ import annotations

import difflib
import types
from collections.abc import Sequence
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from idiscover.errors import ConfigError
from idiscover.metadata.yaml_text import Document

Step = str | int


def explain(error: ValidationError, model: type[BaseModel], document: Document) -> list[ConfigError]:
    """One ConfigError per fault that pydantic found, in the order of the file's lines."""
    found = [_explain_one(dict(detail), model, document) for detail in error.errors(include_url=False)]
    unique = {str(problem): problem for _, problem in sorted(found, key=lambda pair: pair[0])}
    return list(unique.values())


def _explain_one(
    detail: dict[str, Any], model: type[BaseModel], document: Document
) -> tuple[tuple[int, int], ConfigError]:
    kind, location = detail["type"], tuple(detail["loc"])
    if kind == "union_tag_invalid":  # the fault is the value of the key that tells the union's members apart
        discriminator = detail["ctx"]["discriminator"].strip("'")
        location, detail["input"] = (*location, discriminator), detail["ctx"]["tag"]
    path = _path_in_file(location, document.data)
    key = ".".join(str(step) for step in path) or None
    place = document.place(path, of_key=kind == "extra_forbidden")
    if kind == "extra_forbidden":
        problem = _unknown_key(place, path, _keys_of(model, location[:-1]))
    elif kind == "missing":
        problem = ConfigError("a key is missing", where=place, key=key, remedy=f"add {path[-1]}:")
    else:
        problem = ConfigError(
            "a value is not allowed",
            where=place,
            key=key,
            got=_short(detail.get("input")),
            expected=_expected(detail),
            remedy=_remedy(detail),
        )
    line, column = place.rsplit(":", 2)[1:]
    return (int(line), int(column)), problem


def _unknown_key(place: str, path: Sequence[Step], allowed: Sequence[str]) -> ConfigError:
    near = difflib.get_close_matches(str(path[-1]), allowed, n=1, cutoff=0.6)
    return ConfigError(
        "a key is unknown",
        where=place,
        key=".".join(str(step) for step in path),
        expected=", ".join(allowed) or None,
        remedy=f"did you mean {near[0]}?" if near else "remove it",
    )


def _path_in_file(location: Sequence[Step], data: object) -> tuple[Step, ...]:
    """The location without the steps that are pydantic's own (names of union members)."""
    path: list[Step] = []
    for position, step in enumerate(location):
        is_last = position == len(location) - 1
        if isinstance(data, dict) and (step in data or is_last):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            continue
        path.append(step)
    return tuple(path)


def _keys_of(model: type[BaseModel], location: Sequence[Step]) -> list[str]:
    """Keys that the model at `location` knows."""
    current: object = model
    for step in location:
        current = _member(current, step)
    return list(current.model_fields) if _is_model(current) else []


def _member(annotation: object, step: Step) -> object:
    annotation = _bare(annotation)
    if _is_model(annotation):
        return annotation.model_fields[step].annotation if step in annotation.model_fields else None
    if get_origin(annotation) in (Union, types.UnionType):
        return next((member for member in get_args(annotation) if step in _tags(member)), None)
    if get_origin(annotation) in (tuple, list):
        return _bare(get_args(annotation)[0])
    return None


def _bare(annotation: object) -> object:
    """Without Annotated, and without `| None`."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not type(None)]
        return _bare(members[0]) if len(members) == 1 else annotation
    return annotation


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _tags(member: object) -> set[object]:
    """Values of the literal fields of a union's member: what tells it from the others."""
    if not _is_model(member):
        return set()
    fields = member.model_fields.values()
    return {tag for item in fields if get_origin(item.annotation) is Literal for tag in get_args(item.annotation)}


def _expected(detail: dict[str, Any]) -> str:
    context = detail.get("ctx") or {}
    for name, text in (("expected", "{}"), ("expected_tags", "one of {}"), ("pattern", "a text like {}")):
        if name in context:
            return text.format(context[name])
    message = str(detail["msg"])
    return message.removeprefix("Value error, ").removeprefix("Input ").removeprefix("should be ")


def _remedy(detail: dict[str, Any]) -> str:
    value = detail.get("input")
    if detail["type"] == "string_type" and isinstance(value, int | float):
        return f'put it in quotes: "{value}"'
    context = detail.get("ctx") or {}
    listed = str(context.get("expected") or context.get("expected_tags", "")).replace(" or ", ",")
    choices = [part.strip("' ") for part in listed.split(",")]
    near = difflib.get_close_matches(str(value), choices, n=1, cutoff=0.6) if isinstance(value, str) else []
    return f"did you mean {near[0]}?" if near else "correct the value"


def _short(value: object) -> str | None:
    if isinstance(value, dict):
        return None  # the place says which; its content would fill the screen
    text = repr(value.value if isinstance(value, Enum) else value)
    return text if len(text) <= 120 else f"{text[:117]}..."
