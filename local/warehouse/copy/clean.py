"""What a clean record looks like: one that PostgreSQL's COPY reads into the target just as Redshift's would.

A record that does not look so need not be wrong; it is converted by SQL, or judged with care.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..tokens import identifier, literal
from .columns import Column
from .statement import CopyCommand

# The quote of files that have none; no clean record has it.
NO_QUOTE = "\x01"

_INTEGER_DIGITS = {"smallint": 5, "integer": 10, "bigint": 19}
_FLOAT = r"[-+]?[0-9]++(?:\.[0-9]*+)?+(?:[eE][-+]?[0-9]{1,2}+)?+"
_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]++)?+)?+"
_ZONE = "(?:Z|[-+][0-9]{2}:?+(?:[0-9]{2})?+)?+"
_TYPES = {
    "real": _FLOAT,
    "double precision": _FLOAT,
    "boolean": "(?:true|false|[tf10])",
    "time without time zone": _CLOCK,
    "time with time zone": _CLOCK + _ZONE,
}
_PRECISION = re.compile(r"numeric\(([0-9]+),")


def clean_records(command: CopyCommand, columns: Sequence[Column]) -> re.Pattern[bytes] | None:
    """Matches any number of clean records behind one another; None if a column needs more than PostgreSQL's reader.

    Delimiter and quote are of one byte each.
    """
    quote, delimiter = command.quote, command.delimiter
    if any(character in command.null_as for character in (quote, delimiter, "\n", "\r")):
        return None
    fields = [_field(column, command) for column in columns]
    if None in fields:
        return None
    end = rf"(?:{re.escape(delimiter)}|\r?\n)"
    # A field with a backslash is never clean, nor is a null that is written with one.
    is_said = bool(command.null_as) and "\\" not in command.null_as
    no_null = f"(?!{_quoted(re.escape(command.null_as), command)}{end})" if is_said else ""
    record = re.escape(delimiter).join(f"{no_null}{text}" for text in fields)
    return re.compile(rf"(?:{record}\r?+\n)*+".encode())


def direct_copy(command: CopyCommand, columns: Sequence[Column]) -> str:
    """The statement that loads clean records. Empty fields are null, but for texts unless they shall be."""
    texts = [identifier(column.name) for column in columns if column.is_character]
    others = [identifier(column.name) for column in columns if not column.is_character]
    options = [reader_options(command)]
    if texts and command.null_as and not command.has("emptyasnull"):
        options.append(f"force_not_null ({', '.join(texts)})")
    if others:
        options.append(f"force_null ({', '.join(others)})")
    names = ", ".join(identifier(column.name) for column in columns)
    return f"copy {command.table} ({names}) from stdin ({', '.join(options)})"


def reader_options(command: CopyCommand) -> str:
    """How PostgreSQL's CSV reader is to read files of this COPY."""
    quote = command.quote if command.csv else NO_QUOTE
    return f"format csv, null '', delimiter {literal(command.delimiter)}, quote {literal(quote)}, encoding 'UTF8'"


def _quoted(form: str, command: CopyCommand) -> str:
    """A pattern, with or without quotes around."""
    quote = re.escape(command.quote)
    return f"(?:{form}|{quote}(?:{form}){quote})" if command.csv else f"(?:{form})"


def _field(column: Column, command: CopyCommand) -> str | None:
    """A clean field of a column; None if its values are not what PostgreSQL's input function makes of them."""
    if column.is_character or column.type_name == "jsonb":
        return _text(column, command)
    form = _form(column, command)
    if form is None:
        return None
    if column.not_null:
        return _quoted(form, command)
    quote = re.escape(command.quote)
    return f"(?:{form}|{quote}(?:{form})?+{quote})?+" if command.csv else f"(?:{form})?+"


def _text(column: Column, command: CopyCommand) -> str | None:
    """A text that has room: its bytes are counted, a doubled quote as one.

    What it has matched is not matched another way: with many texts in a record that would take years.
    """
    if command.has("blanksasnull") or command.has("trimblanks"):
        return None
    most = "" if column.length is None else str(column.length)
    if column.type_name == "character":
        most = str(column.length or 1)
    several = r"\x80-\xff" if column.type_name == "character" else ""  # CHAR holds single bytes only
    quote, delimiter = re.escape(command.quote), re.escape(command.delimiter)
    if not command.csv:
        return rf"[^{delimiter}\r\n\\\0{NO_QUOTE}{several}]{{0,{most}}}+"
    bare = rf"[^{delimiter}{quote}\r\n\\\0{several}]{{0,{most}}}+"
    inner = rf"[^{quote}\\\0{several}]"
    plain = f"{quote}{inner}{{0,{most}}}+{quote}(?!{quote})"
    return f"(?>{plain}|{quote}(?:{inner}|{quote}{quote}){{0,{most}}}+{quote}|{bare})"


def _form(column: Column, command: CopyCommand) -> str | None:
    """A value as Redshift and PostgreSQL read it alike, without quotes."""
    if column.type_name in _INTEGER_DIGITS:
        return f"[-+]?[0-9]{{1,{_INTEGER_DIGITS[column.type_name]}}}+"
    if column.type_name == "numeric":
        precision = _PRECISION.match(column.declared)
        if precision is None or column.scale is None:
            return r"[-+]?[0-9]++(?:\.[0-9]*+)?+"
        whole = max(int(precision[1]) - column.scale, 1)
        # Digits beyond the scale are cut off or rounded elsewhere.
        return rf"[-+]?[0-9]{{1,{whole}}}+(?:\.[0-9]{{0,{column.scale}}}+)?+"
    if column.type_name == "date":
        return _DAY if command.date_format in ("auto", "YYYY-MM-DD") else None
    if column.type_name.startswith("timestamp"):
        if command.time_format not in ("auto", "YYYY-MM-DD HH:MI:SS"):
            return None
        between = "[ T]" if command.time_format == "auto" else " "
        return f"{_DAY}(?:{between}{_CLOCK}{_ZONE})?+"
    return _TYPES.get(column.type_name)
