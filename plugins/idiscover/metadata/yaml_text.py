"""YAML as plain data in which every value knows its line and column.

The scalars are YAML 1.2's: `true` and `false` alone are booleans, so that the country `NO` stays a text.
Anchors, aliases and duplicate keys are refused: a metadata file says one thing once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import yaml

from idiscover.errors import ConfigError

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Mark:
    """A place in a file; both numbers count from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Place:
    """`file`, `file:line` or `file:line:column`, as an error's `where` has it; lines and columns count from 1."""

    file: str
    line: int | None = None
    column: int | None = None

    @classmethod
    def parse(cls, text: str) -> Place:
        """The place that `text` names; every text names one, at least a file."""
        match = re.fullmatch(r"(.+?)(?::(\d+)(?::(\d+))?)?", text, re.DOTALL)
        if match is None:
            return cls(text)
        return cls(match[1], *(int(number) if number else None for number in match.groups()[1:]))


@dataclass
class Document:
    """The data of one file, and where each key and value of it stands."""

    where: str
    data: object
    values: dict[Path, Mark] = field(default_factory=dict)
    keys: dict[Path, Mark] = field(default_factory=dict)

    def place(self, path: Sequence[str | int], of_key: bool = False) -> str:
        """`file:line:column` of `path`, or of its nearest parent that exists."""
        wanted = tuple(path)
        marks = self.keys if of_key and wanted in self.keys else self.values
        while wanted and wanted not in marks:
            wanted = wanted[:-1]
        mark = marks.get(wanted, Mark(1, 1))
        return f"{self.where}:{mark.line}:{mark.column}"


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2's core scalars and without aliases."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.composer.ComposerError(None, None, "anchors and aliases are not allowed", event.start_mark)
        return super().compose_node(parent, index)


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))


def read_yaml(text: str, where: str) -> Document:
    """Parse one YAML document.

    Raises:
        ConfigError: it is not YAML, is empty, or has duplicate keys, anchors or other tags than the plain ones.
    """
    try:
        root = _compose(text)
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error, where) from error
    except yaml.YAMLError as error:
        remedy = "save it as UTF-8 text"
        raise ConfigError("the file is not YAML", where=where, got=str(error), remedy=remedy) from error
    document = Document(where, None)
    document.data = _plain(root, (), document) if root is not None else None
    return document


def _compose(text: str) -> yaml.Node | None:
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _not_yaml(error: yaml.MarkedYAMLError, where: str) -> ConfigError:
    mark = error.problem_mark or error.context_mark
    place = f"{where}:{mark.line + 1}:{mark.column + 1}" if mark else where
    problem = "; ".join(part for part in (error.context, error.problem) if part)
    return ConfigError("the file is not the YAML we allow", where=place, got=problem, remedy="correct it at this place")


def _plain(node: yaml.Node, path: Path, document: Document) -> object:
    """The data of `node`; notes the marks of all that lies below it."""
    document.values[path] = Mark(node.start_mark.line + 1, node.start_mark.column + 1)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, document)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, index), document) for index, item in enumerate(node.value)]
    return _scalar(node, document.place(path))


def _mapping(node: yaml.MappingNode, path: Path, document: Document) -> dict[str, object]:
    data: dict[str, object] = {}
    for key_node, value_node in node.value:
        mark = Mark(key_node.start_mark.line + 1, key_node.start_mark.column + 1)
        place = f"{document.where}:{mark.line}:{mark.column}"
        if not isinstance(key_node, yaml.ScalarNode):
            raise ConfigError("a key is not a text", where=place, expected="a plain word", remedy="write key: value")
        key = key_node.value
        if key in data:
            first = f"first in line {document.keys[*path, key].line}"
            raise ConfigError("a key stands twice", where=place, key=key, got=first, remedy="keep one")
        document.keys[*path, key] = mark
        data[key] = _plain(value_node, (*path, key), document)
    return data


def _scalar(node: yaml.Node, place: str) -> str | int | float | bool | None:
    kind = node.tag.removeprefix("tag:yaml.org,2002:")
    if kind == "str":
        return str(node.value)
    if kind == "null":
        return None
    if kind == "bool":
        return node.value.lower() == "true"
    if kind == "int":
        return int(node.value)
    if kind == "float":
        return float(node.value)
    raise ConfigError("a tag is not allowed", where=place, got=node.tag, remedy="write the plain value")
