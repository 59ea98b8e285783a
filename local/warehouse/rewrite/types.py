"""Redshift's data types in PostgreSQL's words."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import FEATURE_NOT_SUPPORTED, SqlError, not_emulated, refused
from ..tokens import Kind, Token, after, at, closing, compact, is_op, is_word, significant

MAX_VARCHAR_BYTES = 65535
_VARCHAR = frozenset({"varchar", "nvarchar", "character varying", "text"})
_CHAR = frozenset({"char", "character", "nchar", "bpchar"})
_DECIMAL = frozenset({"decimal", "numeric", "dec"})
_SIMPLE = {
    "super": "jsonb",
    "varbyte": "bytea",
    "varbinary": "bytea",
    "binary varying": "bytea",
}
_NOT_EMULATED = frozenset({"hllsketch", "geometry", "geography"})
_NOT_IN_REDSHIFT = frozenset(
    {"json", "jsonb", "uuid", "bytea", "serial", "bigserial", "smallserial", "money", "inet", "cidr", "xml", "tsvector",
     "point", "hstore", "citext"}
)  # fmt: skip
_INTERVAL_UNITS = ("year", "month", "day", "hour", "minute", "second")
_SECOND_WORDS = {"character": "varying", "binary": "varying", "double": "precision", "national": "character"}


def type_end(tokens: Sequence[Token], start: int) -> int:
    """The index just behind the type that begins at `start` (a word): its second word, length, time zone included."""
    index = start
    following = after(tokens, index)
    first = tokens[start].value
    if first in _SECOND_WORDS and is_word(at(tokens, following), _SECOND_WORDS[first]):
        index, following = following, after(tokens, following)
    if is_op(at(tokens, following), "("):
        index = closing(tokens, following)
        following = after(tokens, index)
    if first in ("timestamp", "time") and is_word(at(tokens, following), "with", "without"):
        zone = after(tokens, after(tokens, following))
        if is_word(at(tokens, zone), "zone"):
            index = zone
    if first == "interval":
        index = _interval_end(tokens, index)
    return index + 1


def _interval_end(tokens: Sequence[Token], index: int) -> int:
    """The last token of `interval [unit [to unit] [(digits)]]`."""
    unit = after(tokens, index)
    if not is_word(at(tokens, unit), *_INTERVAL_UNITS):
        return index
    to = after(tokens, unit)
    index = after(tokens, to) if is_word(at(tokens, to), "to") else unit
    digits = after(tokens, index)
    return closing(tokens, digits) if is_op(at(tokens, digits), "(") else index


def column_type(tokens: Sequence[Token]) -> str:
    """A declared type (of a column, a variable, a parameter) as PostgreSQL should declare it.

    VARCHAR without a length is VARCHAR(256), TEXT too; DECIMAL is DECIMAL(18,0). Raises SqlError for the others' types.
    """
    name, arguments = _parts(tokens)
    if name in _NOT_EMULATED:
        raise not_emulated(f"data type {name.upper()}")
    if name in _NOT_IN_REDSHIFT:
        raise refused(f"data type {name}")
    if name in _VARCHAR:
        return f"varchar({_length(arguments, 256) if name != 'text' else 256})"
    if name in _CHAR:
        return f"char({_length(arguments, 256 if name == 'bpchar' else 1)})"
    if name in _DECIMAL:
        return f"numeric({arguments or '18,0'})"
    return _SIMPLE.get(name) or compact(tokens)


def cast_type(tokens: Sequence[Token]) -> str:
    """A type in a cast: as column_type(), but VARCHAR and CHAR without a length keep the length of the value."""
    name, arguments = _parts(tokens)
    if name in _VARCHAR and not arguments:
        return "varchar"
    if name in _CHAR and not arguments:
        return "bpchar"
    if name in _VARCHAR | _CHAR | _DECIMAL | _NOT_EMULATED or name in _SIMPLE:
        return column_type(tokens)
    return compact(tokens)


def _parts(tokens: Sequence[Token]) -> tuple[str, str]:
    """The type's name in lower case and what stands in its parentheses, both normalised."""
    kept = significant(tokens)
    opening = next((index for index, token in enumerate(kept) if is_op(token, "(")), len(kept))
    name = " ".join(token.value for token in kept[:opening] if token.kind is Kind.WORD)
    arguments = "".join(token.value for token in kept[opening + 1 : -1]) if opening < len(kept) else ""
    return name, arguments


def _length(arguments: str, default: int) -> int:
    if not arguments:
        return default
    if arguments == "max":
        return MAX_VARCHAR_BYTES
    if not arguments.isdigit() or not 1 <= int(arguments) <= MAX_VARCHAR_BYTES:
        raise SqlError(
            f"length {arguments} of a character type is outside 1 and {MAX_VARCHAR_BYTES}", code=FEATURE_NOT_SUPPORTED
        )
    return int(arguments)
