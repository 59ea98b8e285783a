"""The line of a file that a problem stands in, with a mark below it."""

from __future__ import annotations

import re
import unicodedata

from idiscover.metadata.yaml_text import Place

_WIDEST = 100  # columns of a line that are shown

# What is marked: a text in quotes, a word, or one sign.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'|[^\s\[\]{},:"\']+|\S')


def excerpt(text: str, place: Place) -> list[str]:
    """The line of `place` and, below it, a mark under what stands there; nothing if the place has no column.

    8 | country: {rule: colum, column: country_code}
      |                 ^^^^^
    """
    lines = text.splitlines()
    if place.line is None or place.column is None or not 1 <= place.line <= len(lines):
        return []
    line, at = lines[place.line - 1], min(place.column - 1, len(lines[place.line - 1]))
    found = _TOKEN.match(line, at)
    marked = found.group() if found else " "
    # of a long line, what is around the mark
    first = max(0, min(at - _WIDEST // 2, len(line) - _WIDEST))
    shown = line[first : first + _WIDEST]
    before = ("… " if first else "") + _printable(line[first:at])
    shown = ("… " if first else "") + _printable(shown) + (" …" if len(line) > first + _WIDEST else "")
    mark = "^" * max(1, min(_width(_printable(marked)), _width(shown) - _width(before)))
    number = str(place.line)
    return [
        f"    {number} | {shown}".rstrip(),
        f"    {' ' * len(number)} | {' ' * _width(before)}{mark}",
    ]


def _printable(text: str) -> str:
    """As a terminal shows it: a tab as an arrow, other control characters as a box."""
    return "".join("→" if char == "\t" else char if char.isprintable() else "□" for char in text)


def _width(text: str) -> int:
    """Columns of a terminal: wide characters take two, those that combine with another none."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )
