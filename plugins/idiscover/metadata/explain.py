"""Pydantic's errors as errors that a person can act on: place, key, got, expected, did you mean, remedy."""

from __future__ import annotations

import copy
import types
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from idiscover.errors import ConfigError
from idiscover.metadata.expectations import choices, expected, got, remedy, stand_in
from idiscover.metadata.spelling import nearest
from idiscover.metadata.yaml_text import Document, Path

UNKNOWN_KEY, MISSING_KEY = "a key is unknown", "a key is missing"

# Keys that no other check looks at, and what stands in for one that is missing.
_OF_NO_CONSEQUENCE = {"description": "?", "grain": "?", "name": "?", "email": "somebody@example.com"}


@dataclass(frozen=True)
class Fault:
    """One fault of a file's content.

    Attributes:
        path: of the key or value in the file.
        takes: what may stand there; several for a value that may be of several types.
        stand_in: what to go on with: the path that an unknown key stands for, a value, or keys and their values; None
            where nobody can tell.
    """

    path: Path
    what: str
    got: str | None = None
    takes: tuple[str, ...] = ()
    did_you_mean: str | None = None
    stand_in: object = None
    remedy: str | None = None

    def problem(self, document: Document) -> ConfigError:
        """The fault with its place."""
        return ConfigError(
            self.what,
            where=document.place(self.path, of_key=self.what == UNKNOWN_KEY),
            key=".".join(str(step) for step in self.path) or None,
            got=self.got,
            expected=", or ".join(self.takes) or None,
            did_you_mean=self.did_you_mean,
            remedy=self.remedy,
        )


def explain(error: ValidationError, model: type[BaseModel], data: object, document: Document) -> list[Fault]:
    """What pydantic found, a fault each.

    Left out are values that the document refuses already, and a missing key that stands there with a slip in it.

    Args:
        error: of validating `data`.
        model: what the data should be.
        data: those of the document, or what stands in for them.
        document: says what it has refused.
    """
    found = [_fault(dict(detail), model, data) for detail in error.errors(include_url=False)]
    slips = {fault.stand_in for fault in found if fault.what == UNKNOWN_KEY}
    merged: dict[tuple[Path, str], Fault] = {}
    for fault in found:
        if not document.was_read(fault.path) or (fault.what == MISSING_KEY and fault.path in slips):
            continue
        known = merged.setdefault((fault.path, fault.what), fault)
        if not set(fault.takes) <= set(known.takes):  # members of a union: each says what it would take
            merged[fault.path, fault.what] = replace(known, takes=known.takes + fault.takes)
    return list(merged.values())


def with_stand_ins(data: object, faults: Sequence[Fault]) -> object:
    """A copy of `data` without these faults, as far as something can stand in for what is wrong.

    With it the checks go on, so that one mistake of a file hides no other.
    """
    data = copy.deepcopy(data)
    for fault in faults:
        parent, here = _at(data, fault.path[:-1]), _at(data, fault.path)
        if fault.what == UNKNOWN_KEY and isinstance(parent, dict):
            value = parent.pop(str(fault.path[-1]), None)
            if isinstance(fault.stand_in, tuple):
                parent.setdefault(str(fault.stand_in[-1]), value)
        elif isinstance(fault.stand_in, dict) and isinstance(here, dict):
            here.update(fault.stand_in)
        elif fault.stand_in is not None and fault.path and isinstance(parent, dict | list):
            parent[fault.path[-1]] = fault.stand_in  # type: ignore[index]
    return data


def _at(data: object, path: Path) -> object:
    for step in path:
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
    return data


def _fault(detail: dict[str, Any], model: type[BaseModel], data: object) -> Fault:
    kind, location = detail["type"], tuple(detail["loc"])
    if kind in ("union_tag_invalid", "union_tag_not_found"):  # the key that tells the union's members apart
        location = (*location, detail["ctx"]["discriminator"].strip("'"))
        detail["input"] = detail["ctx"].get("tag")
    path = _path_in_file(location, data, ends_with_key=kind != "unfit")
    if kind == "extra_forbidden":
        return _unknown_key(path, _keys_of(model, location[:-1]))
    if kind in ("missing", "union_tag_not_found"):
        return Fault(path, MISSING_KEY, remedy=f"add {path[-1]}:", stand_in=_OF_NO_CONSEQUENCE.get(path[-1]))
    value = detail.get("input")
    if not path and value is None:
        return Fault(path, "the file is empty", takes=("keys with values",), remedy="write it, or remove it")
    is_unfit = kind == "unfit"
    return Fault(
        path,
        "keys do not go together" if is_unfit else "a value is not allowed",
        got=got(value),
        takes=(expected(detail),),
        did_you_mean=nearest(value, choices(detail)),
        stand_in=detail["ctx"]["stand_in"] if is_unfit else stand_in(detail),
        remedy=remedy(detail, _keys_of(model, location, is_required=True)),
    )


def _unknown_key(path: Path, allowed: Sequence[str]) -> Fault:
    near = nearest(path[-1], allowed)
    return Fault(
        path,
        UNKNOWN_KEY,
        takes=(", ".join(allowed),) if allowed else (),
        did_you_mean=near,
        stand_in=(*path[:-1], near) if near else None,
        remedy="correct the key, or remove it" if near else "remove it",
    )


def _path_in_file(location: Sequence[str | int], data: object, *, ends_with_key: bool) -> Path:
    """The location without the steps that are pydantic's own (names of union members).

    Args:
        location: as pydantic tells it.
        data: of the file.
        ends_with_key: whether the last step is a key, though it may be missing; of a whole model it is not.
    """
    path: list[str | int] = []
    for position, step in enumerate(location):
        is_last = position == len(location) - 1
        if isinstance(data, dict) and (step in data or (is_last and ends_with_key)):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            continue
        path.append(step)
    return tuple(path)


def _keys_of(model: type[BaseModel], location: Sequence[str | int], is_required: bool = False) -> list[str]:
    """Keys that the model at `location` knows, or those that it requires; none if no model is there."""
    current: object = model
    for step in location:
        current = _member(current, step)
    current = _bare(current)
    if not _is_model(current):
        return []
    return [name for name, info in current.model_fields.items() if info.is_required() or not is_required]


def _member(annotation: object, step: str | int) -> object:
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
