"""Pydantic's errors as errors that a person can act on: place, key, got, expected, did you mean, remedy."""

from __future__ import annotations

import copy
import types
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from idiscover.errors import ConfigError
from idiscover.metadata.expectations import choices, expected, got, remedy
from idiscover.metadata.spelling import nearest
from idiscover.metadata.yaml_text import Document, Path

UNKNOWN_KEY, MISSING_KEY = "a key is unknown", "a key is missing"


@dataclass(frozen=True)
class Fault:
    """One fault of a file's content.

    Attributes:
        path: of the key or value in the file.
        takes: what may stand there; several for a value that may be of several types.
        meant: the path that an unknown key stands for, or the value that a wrong one stands for.
    """

    path: Path
    what: str
    got: str | None = None
    takes: tuple[str, ...] = ()
    did_you_mean: str | None = None
    meant: object = None
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


def explain(error: ValidationError, model: type[BaseModel], document: Document) -> list[Fault]:
    """What pydantic found, a fault each.

    Left out are values that the document refuses already, and a missing key that stands there with a slip in it.
    """
    found = [_fault(dict(detail), model, document) for detail in error.errors(include_url=False)]
    slips = {fault.meant for fault in found if fault.what == UNKNOWN_KEY}
    merged: dict[tuple[Path, str], Fault] = {}
    for fault in found:
        if not document.was_read(fault.path) or (fault.what == MISSING_KEY and fault.path in slips):
            continue
        known = merged.setdefault((fault.path, fault.what), fault)
        if not set(fault.takes) <= set(known.takes):  # members of a union: each says what it would take
            merged[fault.path, fault.what] = replace(known, takes=known.takes + fault.takes)
    return list(merged.values())


def as_meant(data: object, faults: Sequence[Fault]) -> object:
    """A copy of `data` in which every suggestion is taken, and unknown keys that resemble none are gone.

    With it the checks between files go on, so that a slip hides no other mistake of its file.
    """
    data = copy.deepcopy(data)
    for fault in faults:
        parent = _at(data, fault.path[:-1])
        if fault.what == UNKNOWN_KEY and isinstance(parent, dict):
            value = parent.pop(str(fault.path[-1]), None)
            if isinstance(fault.meant, tuple):
                parent.setdefault(str(fault.meant[-1]), value)
        elif fault.meant is not None and isinstance(parent, dict | list):
            parent[fault.path[-1]] = fault.meant  # type: ignore[index]
    return data


def _at(data: object, path: Path) -> object:
    for step in path:
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
    return data


def _fault(detail: dict[str, Any], model: type[BaseModel], document: Document) -> Fault:
    kind, location = detail["type"], tuple(detail["loc"])
    if kind in ("union_tag_invalid", "union_tag_not_found"):  # the key that tells the union's members apart
        location = (*location, detail["ctx"]["discriminator"].strip("'"))
        detail["input"] = detail["ctx"].get("tag")
    path = _path_in_file(location, document.data)
    if kind == "extra_forbidden":
        return _unknown_key(path, _keys_of(model, location[:-1]))
    if kind in ("missing", "union_tag_not_found"):
        return Fault(path, MISSING_KEY, remedy=f"add {path[-1]}:")
    value = detail.get("input")
    near = nearest(value, choices(detail))
    text, meant = remedy(detail, _keys_of(model, location))
    return Fault(
        path,
        "keys do not go together" if kind == "unfit" else "a value is not allowed",
        got=got(value),
        takes=(expected(detail),),
        did_you_mean=near,
        meant=near or meant,
        remedy=text,
    )


def _unknown_key(path: Path, allowed: Sequence[str]) -> Fault:
    near = nearest(path[-1], allowed)
    return Fault(
        path,
        UNKNOWN_KEY,
        takes=(", ".join(allowed),) if allowed else (),
        did_you_mean=near,
        meant=(*path[:-1], near) if near else None,
        remedy="correct the key, or remove it" if near else "remove it",
    )


def _path_in_file(location: Sequence[str | int], data: object) -> Path:
    """The location without the steps that are pydantic's own (names of union members)."""
    path: list[str | int] = []
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


def _keys_of(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """Keys that the model at `location` knows; none if no model is there."""
    current: object = model
    for step in location:
        current = _member(current, step)
    current = _bare(current)
    return list(current.model_fields) if _is_model(current) else []


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
