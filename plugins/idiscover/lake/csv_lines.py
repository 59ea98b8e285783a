"""The lake's CSV: every value quoted, an empty one left empty and bare, which COPY reads as null; LF at row ends."""

from __future__ import annotations

from collections.abc import Iterable

MAX_VALUE_CHARACTERS = 1 << 20  # a long text area holds 131,072


def csv_line(values: Iterable[str]) -> str:
    """A line."""
    return csv_values(values) + "\n"


def csv_values(values: Iterable[str]) -> str:
    """A line without its end."""
    return ",".join(['"' + value.replace('"', '""') + '"' if value else "" for value in values])
