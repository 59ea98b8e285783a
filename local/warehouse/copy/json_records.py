"""COPY from JSON: objects and arrays one behind the other, matched to columns by name or by a JSONPaths file."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ..errors import SqlError
from .columns import Column
from .records import MAX_RECORD_CHARACTERS, Record, storable
from .statement import CopyCommand

Path = list[str | int]
# A document's fields, one for each column; raises ValueError with the reason against the document.
Matcher = Callable[[Any], list[str | None]]

_SPACE = re.compile(r"\s*")
_NEXT_DOCUMENT = re.compile(r"\n(?=\s*[{\[])")
_BRACKET_STEP = re.compile(r"\['([^'\]]+)'\]|\[([0-9]+)\]")
_DOT_STEP = re.compile(r"\.([^'.\[\]]+)|\[([0-9]+)\]")
_INVALID_PATH = "Invalid JSONPath format: Not an array or index out of range."


class Number(str):
    """A number as it stands in the document: no digit is lost on the way through a binary float."""

    __slots__ = ()


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=_no_constant, strict=False)


def matcher(option: str, columns: Sequence[Column], read: Callable[[str], bytes]) -> Matcher:
    """How documents become fields. `read` gives the bytes of the JSONPaths file. Raises SqlError for a wrong one."""
    if option == "noshred":
        if len(columns) != 1 or columns[0].type_name != "jsonb":
            raise SqlError("JSON 'noshred' loads into one column of type SUPER")
        return lambda document: [_field(document, columns[0])]
    if option in ("auto", "auto ignorecase"):
        return _by_name(columns, ignore_case=option != "auto")
    paths = json_paths(read(option), option)
    if paths is None:
        return _by_name(columns, ignore_case=False)
    if len(paths) != len(columns):
        raise SqlError(
            "Number of jsonpaths and the number of columns should match. "
            f"JSONPath size: {len(paths)}, Number of columns in table or column list: {len(columns)}"
        )
    return lambda document: [
        _field(_resolved(document, path), column) for path, column in zip(paths, columns, strict=True)
    ]


def _field(value: Any, column: Column) -> str | None:
    """The text of a field: JSON for a SUPER column, else a string as it is; None for null."""
    return None if value is None else to_text(value, nested=column.type_name == "jsonb")


def _by_name(columns: Sequence[Column], *, ignore_case: bool) -> Matcher:
    def match(document: Any) -> list[str | None]:
        if not isinstance(document, dict):
            raise ValueError("Invalid JSON: an array needs a JSONPaths file")
        known = {key.lower(): value for key, value in document.items()} if ignore_case else document
        return [_field(known.get(column.name), column) for column in columns]

    return match


def json_paths(data: bytes, uri: str) -> list[Path] | None:
    """The paths of a JSONPaths file, None if its object has another key. Raises SqlError for a malformed one."""
    try:
        document = json.loads(data)
        if not isinstance(document, dict):
            raise ValueError("it is not one JSON object")
        if "jsonpaths" not in document:
            return None
        if not isinstance(document["jsonpaths"], list):
            raise ValueError("jsonpaths is no array")
        return [_path(expression) for expression in document["jsonpaths"]]
    except ValueError as error:
        raise SqlError(f"Invalid JSONPaths file {uri}: {error}") from error


def _path(expression: Any) -> Path:
    if not isinstance(expression, str) or not expression.startswith("$") or expression == "$":
        raise ValueError(f"{expression!r} is no JSONPath expression")
    step = _BRACKET_STEP if expression.startswith("$['") else _DOT_STEP
    position, path = 1, []
    while position < len(expression):
        match = step.match(expression, position)
        if match is None:
            raise ValueError(f"{expression!r} is no JSONPath expression of names and array indexes")
        path.append(match.group(1) if match.group(1) is not None else int(match.group(2)))
        position = match.end()
    return path


def _resolved(document: Any, path: Path) -> Any:
    for step in path:
        if isinstance(step, int):
            if not isinstance(document, list) or step >= len(document):
                raise ValueError(_INVALID_PATH)
            document = document[step]
        elif isinstance(document, dict):
            document = document.get(step)
        else:
            return None
    return document


def to_text(value: Any, *, nested: bool) -> str:
    """A JSON value as text: compact JSON, except that a string which is not `nested` stays as it is."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False) if nested else value
    if isinstance(value, dict):
        pairs = (f"{to_text(key, nested=True)}:{to_text(item, nested=True)}" for key, item in value.items())
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(to_text(item, nested=True) for item in value) + "]"
    if value is None:
        return "null"
    return "true" if value else "false"


def read_documents(
    blocks: Iterable[bytes], command: CopyCommand, columns: Sequence[Column], match: Matcher
) -> Iterator[Record]:
    """The records of one file: an object or array each, numbered by their last line."""
    for line, raw, document in _Documents(blocks, command.ignore_header):
        if isinstance(document, _Malformed):
            yield storable(Record(line, raw, [], document.reason), command, columns)
            continue
        try:
            fields = match(document)
        except (ValueError, RecursionError) as error:
            yield storable(Record(line, raw, [], str(error)), command, columns)
            continue
        yield storable(Record(line, raw, fields), command, columns)


class _Malformed:
    def __init__(self, reason: str) -> None:
        self.reason = reason


class _Documents:
    """Cuts a file into (last line's number, raw text, document or what is wrong)."""

    def __init__(self, blocks: Iterable[bytes], header_lines: int) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._texts = (decoder.decode(block) for block in blocks)
        self._buffer, self._position = "", 0
        self._line, self._header_lines = 1, header_lines

    def __iter__(self) -> Iterator[tuple[int, str, Any]]:
        self._skip_header()
        while True:
            space = _SPACE.match(self._buffer, self._position)
            assert space is not None  # any number of spaces matches
            self._consume(space.end())
            if self._position < len(self._buffer):
                yield self._next()
            elif not self._more():
                return

    def _next(self) -> tuple[int, str, Any]:
        if self._buffer[self._position] not in "{[":
            return self._refused("Invalid JSON: expected an object or an array")
        while True:
            try:
                document, end = _DECODER.raw_decode(self._buffer, self._position)
            except (ValueError, RecursionError) as error:
                if len(self._buffer) - self._position < MAX_RECORD_CHARACTERS and self._more():
                    continue
                return self._refused(f"Invalid JSON: {str(error).partition(':')[0]}")
            raw = self._consume(end)
            return self._line, raw, document

    def _refused(self, reason: str) -> tuple[int, str, Any]:
        """Give up what stands here, up to the next line that begins with a document."""
        while (match := _NEXT_DOCUMENT.search(self._buffer, self._position)) is None and self._more():
            if len(self._buffer) - self._position > MAX_RECORD_CHARACTERS:
                break
        raw = self._consume(match.start() if match else len(self._buffer))
        return self._line, raw, _Malformed(reason)

    def _more(self) -> bool:
        text = next(self._texts, None)
        if text is None:
            return False
        self._buffer, self._position = self._buffer[self._position :] + text, 0
        return True

    def _consume(self, end: int) -> str:
        taken = self._buffer[self._position : end]
        self._position = end
        self._line += taken.count("\n")
        return taken

    def _skip_header(self) -> None:
        for _ in range(self._header_lines):
            while self._buffer.find("\n", self._position) < 0 and self._more():
                pass
            end = self._buffer.find("\n", self._position) + 1
            self._consume(end or len(self._buffer))
