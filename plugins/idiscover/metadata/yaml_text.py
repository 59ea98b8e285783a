"""YAML as plain data in which every value knows its line and column.

The scalars are YAML 1.2's: `true` and `false` alone are booleans, so that the country `NO` stays a text.
Anchors, aliases and duplicate keys are refused: a metadata file says one thing once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar

import yaml

from idiscover.errors import ConfigError

Path = tuple[str | int, ...]

_ALIAS, _WRITTEN_TAG = "!alias", "!written "
_MOST_DIGITS = 40
# What to do, by a part of PyYAML's message.
_REMEDIES = {
    "character '\\t'": "indent with spaces, not with tabs",
    "mapping values are not allowed here": 'put a text with ": " in quotes; keys of one level begin in one column',
    "could not find expected ':'": "write key: value, with a space after the colon",
    "expected ',' or ']'": "close the list with ], and put commas between its items",
    "expected ',' or '}'": "close it with }, and put commas between its keys",
    "expected the node content, but found '<stream end>'": "close what is open: [ with ], { with }",
    "unexpected end of stream": "close the quotes",
    "unknown escape character": "use single quotes, in which a backslash means itself",
    "another document": "write one document per file: remove the line ---",
    "but found '<scalar>'": "close the quotes that an earlier line opens; or put a text with quotes in it in quotes",
    "expected <block end>": "begin the line in the column of its neighbours",
    "cannot start any token": "put the text in quotes",
}


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

    @property
    def order(self) -> tuple[str, int, int]:
        """By file, line and column; what names no line stands first."""
        return self.file, self.line or 0, self.column or 0


@dataclass
class Document:
    """The data of one file, and where each key and value of it stands.

    `problems` are what is wrong with the text itself and did not keep the rest of it from being read; below `refused`
    stand values that were not read, so nothing that is said about them is of use.
    """

    where: str
    data: object
    values: dict[Path, Mark] = field(default_factory=dict)
    keys: dict[Path, Mark] = field(default_factory=dict)
    problems: list[ConfigError] = field(default_factory=list)
    refused: set[Path] = field(default_factory=set)

    def place(self, path: Sequence[str | int], of_key: bool = False) -> str:
        """`file:line:column` of `path`, or of its nearest parent that exists."""
        wanted = tuple(path)
        marks = self.keys if of_key and wanted in self.keys else self.values
        while wanted and wanted not in marks:
            wanted = wanted[:-1]
        return self.at(marks.get(wanted, Mark(1, 1)))

    def at(self, mark: Mark) -> str:
        """`file:line:column` of a mark."""
        return f"{self.where}:{mark.line}:{mark.column}"

    def was_read(self, path: Sequence[str | int]) -> bool:
        """Whether neither the value at `path` nor one that it lies in was refused."""
        return not any(tuple(path[:length]) in self.refused for length in range(len(path) + 1))


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2's core scalars; anchors, aliases and tags are left for `_plain` to refuse."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.anchors_refused: list[tuple[yaml.Mark, str]] = []

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            self.get_event()
            return yaml.ScalarNode(_ALIAS, event.anchor, event.start_mark, event.end_mark)
        if event.anchor:
            self.anchors_refused.append((event.start_mark, event.anchor))
            event.anchor = None
        node = super().compose_node(parent, index)
        if event.tag:
            node.tag = f"{_WRITTEN_TAG}{event.tag}"
        return node


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))


def read_yaml(text: str, where: str) -> Document:
    """Parse one YAML document.

    Duplicate keys, anchors, aliases and tags do not end the reading: they are among the document's `problems`.

    Raises:
        ConfigError: it is not YAML, or more than one document.
    """
    unprintable = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if unprintable is not None:
        raise _not_text(text, unprintable, where)
    document = Document(where, None)
    try:
        root, anchors = _compose(text)
        document.data = _plain(root, (), document) if root is not None else None
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error, where) from error
    except RecursionError:
        remedy = "close what is open"
        raise ConfigError("the file is nested too deeply", where=where, expected="few levels", remedy=remedy) from None
    for mark, name in anchors:
        what = "an anchor is not allowed"
        document.problems.append(
            ConfigError(
                what, where=document.at(_mark(mark)), got=f"&{name}", remedy="write the value out at each place"
            )
        )
    return document


@lru_cache(maxsize=256)  # whoever looks for the edit to refuse reads the same files many times
def _compose(text: str) -> tuple[yaml.Node | None, list[tuple[yaml.Mark, str]]]:
    loader = _Loader(text)
    try:
        return loader.get_single_node(), loader.anchors_refused
    finally:
        loader.dispose()


def _mark(mark: yaml.Mark) -> Mark:
    return Mark(mark.line + 1, mark.column + 1)


def _not_text(text: str, found: re.Match[str], where: str) -> ConfigError:
    before = text[: found.start()]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return ConfigError(
        "the file holds a character that no text has",
        where=f"{where}:{line}:{column}",
        got=f"U+{ord(found.group()):04X}",
        remedy="remove it, and save the file as UTF-8",
    )


def _not_yaml(error: yaml.MarkedYAMLError, where: str) -> ConfigError:
    mark = error.problem_mark or error.context_mark
    problem = "; ".join(part for part in (error.context, error.problem) if part)
    remedy = next((remedy for part, remedy in _REMEDIES.items() if part in problem), "correct it at this place")
    return ConfigError(
        "the file is not the YAML we allow",
        where=f"{where}:{mark.line + 1}:{mark.column + 1}" if mark else where,
        got=problem,
        remedy=remedy,
    )


def _plain(node: yaml.Node, path: Path, document: Document) -> object:
    """The data of `node`; notes the marks of all that lies below it."""
    document.values[path] = _mark(node.start_mark)
    if node.tag == _ALIAS:
        return _refuse("an alias is not allowed", f"*{node.value}", "write the value out", path, document)
    if node.tag.startswith(_WRITTEN_TAG):
        got = node.tag.removeprefix(_WRITTEN_TAG)
        return _refuse("a tag is not allowed", got, "write the plain value", path, document)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, document)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, index), document) for index, item in enumerate(node.value)]
    return _scalar(node, path, document)


def _refuse(what: str, got: str, remedy: str, path: Path, document: Document) -> None:
    key = ".".join(str(step) for step in path) or None
    document.problems.append(ConfigError(what, where=document.place(path), key=key, got=got, remedy=remedy))
    document.refused.add(path)


def _mapping(node: yaml.MappingNode, path: Path, document: Document) -> dict[str, object]:
    """The data of a mapping; of a key that stands twice, the first counts."""
    data: dict[str, object] = {}
    for key_node, value_node in node.value:
        mark = _mark(key_node.start_mark)
        place = document.at(mark)
        if not isinstance(key_node, yaml.ScalarNode):
            problem = ConfigError(
                "a key is not a text", where=place, expected="a plain word", remedy="write key: value"
            )
            document.problems.append(problem)
            continue
        key = key_node.value
        if key in data:
            first = f"first in line {document.keys[*path, key].line}"
            name = ".".join(str(step) for step in (*path, key))
            document.problems.append(
                ConfigError("a key stands twice", where=place, key=name, got=first, remedy="keep one")
            )
            continue
        document.keys[*path, key] = mark
        data[key] = _plain(value_node, (*path, key), document)
    return data


def _scalar(node: yaml.ScalarNode, path: Path, document: Document) -> str | int | float | bool | None:
    kind = node.tag.removeprefix("tag:yaml.org,2002:")
    if kind == "null":
        return None
    if kind == "bool":
        return node.value.lower() == "true"
    if kind == "int":
        if len(node.value) > _MOST_DIGITS:
            return _refuse("a number is too long", f"{len(node.value)} digits", "put it in quotes", path, document)
        return int(node.value)
    if kind == "float":
        return float(node.value)
    if any("\ud800" <= character <= "\udfff" for character in node.value):  # by an escape in double quotes
        return _refuse("a text holds half a character", repr(node.value), "write the character", path, document)
    return str(node.value)
