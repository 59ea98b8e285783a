"""How a field becomes a value of its column: SQL expressions over a text staging table.

For each column there are two: `value`, which ends the statement at the first invalid field, for clean data at speed;
and `reason`, NULL for a valid field and else Redshift's reason, for explaining.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import not_emulated
from ..tokens import literal
from .statement import CopyCommand

_INTEGERS = {"smallint": "Short", "integer": "Integer", "bigint": "Long"}
_CHARACTER = frozenset({"character varying", "character", "text"})
_TRUE_FALSE = "('t','true','y','yes','1','f','false','n','no','0')"
_EPOCHS = {"epochsecs": "1", "epochmillisecs": "1000"}


@dataclass(frozen=True)
class Column:
    """A target column: its type without modifiers, length or scale, as in the catalogue."""

    name: str
    type_name: str
    declared: str  # with modifiers, as PostgreSQL writes it
    length: int | None
    scale: int | None
    not_null: bool

    @property
    def is_character(self) -> bool:
        """CHAR, VARCHAR and TEXT."""
        return self.type_name in _CHARACTER


@dataclass(frozen=True)
class Conversion:
    """SQL for one column: the field after NULL handling, a cheap check of it, its value and the reason against it.

    `source` computes the field from the staging column; the others refer to it as `field`, so that it is computed once.
    """

    source: str
    field: str
    check: str
    cast: str
    column: Column
    complaint: str

    def value(self) -> str:
        """The value; an invalid field raises rs.invalid_value's error."""
        field, kind = self.field, self.column.declared
        if self.check == "true":
            return f"({self.cast})"
        return (
            f"case when {field} is null then null when {self.check} then {self.cast}"
            f" else rs.invalid_value({field})::{kind} end"
        )

    def reason(self) -> str:
        """NULL, or why the field is refused."""
        field = self.field
        missing = literal("Missing data for not-null field") if self.column.not_null else "null"
        valid = "true" if self.column.is_character else self._is_valid()
        return (
            f"case when {field} is null then {missing} when not ({self.check}) then {literal(self.complaint)}"
            f" when not {valid} then {literal(self.complaint)} end"
        )

    def _is_valid(self) -> str:
        """Whether the type's input function takes the field: for cut decimals, what is left after the cut."""
        declared = literal(self.column.declared)
        if "to_timestamp" in self.cast:
            return f"pg_input_is_valid({self.field}, 'double precision')"
        if not self.cast.startswith("trunc"):
            return f"pg_input_is_valid({self.field}, {declared})"
        cut = f"trunc({self.field}::numeric, {self.column.scale})::text"
        return (
            f"(case when pg_input_is_valid({self.field}, 'numeric') then pg_input_is_valid({cut}, {declared})"
            " else false end)"
        )


def conversion(column: Column, number: int, command: CopyCommand) -> Conversion:
    """How the staging column c<number> becomes a value of `column`; the field in between is called f<number>."""
    return replace(_conversion(column, f"f{number}", command), source=_source(column, f"c{number}", command))


def _conversion(column: Column, field: str, command: CopyCommand) -> Conversion:
    if column.is_character:
        return _character(column, field, command)
    if column.type_name in _INTEGERS:
        check = f"translate({field}, '0123456789+- ', '') = ''"
        complaint = f"Invalid digit or overflow, Type: {_INTEGERS[column.type_name]}"
        return Conversion("", field, check, f"{field}::{column.declared}", column, complaint)
    if column.type_name == "numeric":
        return _numeric(column, field, command)
    if column.type_name in ("date", "timestamp without time zone", "timestamp with time zone"):
        return _moment(column, field, command)
    if column.type_name == "boolean":
        return Conversion(
            "", field, f"lower({field}) in {_TRUE_FALSE}", f"{field}::boolean", column, "Unknown boolean format"
        )
    if column.type_name in ("real", "double precision"):
        check = f"{field} ~ '^ *[-+]?([0-9.]+([eE][-+]?[0-9]+)?|[nN][aA][nN]|[iI][nN][fF].*) *$'"
        return Conversion("", field, check, f"{field}::{column.declared}", column, "Invalid digit, Type: Float")
    if column.type_name == "jsonb":
        return Conversion("", field, f"pg_input_is_valid({field}, 'jsonb')", f"{field}::jsonb", column, "Invalid JSON")
    if column.type_name == "time without time zone":
        return Conversion("", field, f"{field} ~ '[0-9]'", f"{field}::time", column, "Invalid time format")
    raise not_emulated(f"COPY into a column of type {column.declared}")


def _source(column: Column, staged: str, command: CopyCommand) -> str:
    """The staged text (NULL if the field was empty and unquoted) after NULL AS, EMPTYASNULL and BLANKSASNULL."""
    field = staged
    if command.null_as:
        field = f"nullif({field}, {literal(command.null_as)})"
    if not column.is_character:
        return f"nullif({field}, '')"
    if not command.has("emptyasnull") and command.null_as:
        # An empty field is an empty string, unless NULL AS made it NULL.
        field = f"case when {staged} is null then '' else {field} end"
    if command.has("blanksasnull"):
        # What is blank begins with a character before '!': that is found out at less cost than trimming.
        blank = f"{staged} < '!' and {staged} <> '' and btrim({staged}, E' \\t\\r\\n') = ''"
        field = f"(case when {blank} then null else {field} end)"
    if command.has("trimblanks"):
        field = f"rtrim({field})"
    return f"({field})"


def _character(column: Column, field: str, command: CopyCommand) -> Conversion:
    limit = column.length
    if column.type_name == "character":
        # PostgreSQL pads CHAR by itself; trailing blanks do not count.
        check = f"octet_length({field}) = char_length({field}) and octet_length(rtrim({field})) <= {limit or 1}"
        complaint = "String length exceeds DDL length, or a CHAR column got a multi-byte character"
        return Conversion("", field, check, f"rtrim({field})::char({limit or 1})", column, complaint)
    if limit is None:
        return Conversion("", field, "true", field, column, "")
    if command.has("truncatecolumns"):
        cut = f"case when octet_length({field}) <= {limit} then {field} else rs.cut_bytes({field}, {limit}) end"
        return Conversion("", field, "true", cut, column, "")
    return Conversion("", field, f"octet_length({field}) <= {limit}", field, column, "String length exceeds DDL length")


def _numeric(column: Column, field: str, command: CopyCommand) -> Conversion:
    """Digits beyond the scale are cut off, or rounded with ROUNDEC."""
    check = f"translate({field}, '0123456789+-. ', '') = ''"
    cast = f"{field}::numeric"
    if column.scale is not None and not command.has("roundec"):
        cast = f"trunc({cast}, {column.scale})::{column.declared}"
    else:
        cast = f"{cast}::{column.declared}"
    return Conversion("", field, check, cast, column, "Invalid digit or overflow, Type: Decimal")


def _moment(column: Column, field: str, command: CopyCommand) -> Conversion:
    is_date = column.type_name == "date"
    form = command.date_format if is_date else command.time_format
    complaint = "Invalid Date Format" if is_date else "Invalid timestamp format or value"
    if form.lower() == "auto":
        # PostgreSQL would take words such as 'now' and 'infinity' too.
        check = f"({field} >= '0' and {field} < ':' or {field} ~ '[0-9]')"
        return Conversion("", field, check, f"{field}::{column.declared}", column, complaint)
    if form.lower() in _EPOCHS:
        check = f"translate({field}, '0123456789.-', '') = ''"
        cast = f"(to_timestamp({field}::float8 / {_EPOCHS[form.lower()]}) at time zone 'UTC')::{column.declared}"
        return Conversion("", field, check, cast, column, complaint)
    if form in ("YYYY-MM-DD", "YYYY-MM-DD HH:MI:SS"):
        pattern = "^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}" + ("$" if is_date else "( [0-9]{1,2}:[0-9]{1,2}(:[0-9.]+)?.*)?$")
        return Conversion("", field, f"{field} ~ '{pattern}'", f"{field}::{column.declared}", column, complaint)
    raise not_emulated(f"COPY with the {'DATEFORMAT' if is_date else 'TIMEFORMAT'} {form!r}")
