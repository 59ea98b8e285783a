"""How a field becomes a value of its column: SQL expressions over a text staging table.

For each column there are two: `value`, which ends the statement at the first invalid field, for clean data at speed;
and `reason`, NULL for a valid field and else Redshift's reason, for explaining.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import not_emulated
from ..tokens import literal
from .moments import parse_pattern
from .statement import CopyCommand

_INTEGERS = {"smallint": "Short", "integer": "Integer", "bigint": "Long"}
_FLOATS = frozenset({"real", "double precision"})
_CHARACTER = frozenset({"character varying", "character", "text"})
_MOMENTS = frozenset({"date", "timestamp without time zone", "timestamp with time zone"})
_TIMES = frozenset({"time without time zone", "time with time zone"})
_TRUE_FALSE = "('t','true','y','yes','1','f','false','n','no','0')"
_EPOCHS = {"epochsecs": "1", "epochmillisecs": "1000"}
_WHITE_SPACE = r"E' \t\r\n\v\f'"

MULTIBYTE = "Multibyte character not supported for CHAR (Hint: Try using VARCHAR). Invalid char: "
TOO_LONG = "String length exceeds DDL length"


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
    """SQL for one column: the field after NULL handling, a cheap check of it, its value and the reasons against it.

    `source` computes the field from the staging column; the others refer to it as `field`, so that it is computed once.
    `refusals` are pairs of a condition and the reason it stands for, in the order in which they are looked at.
    """

    column: Column
    field: str
    check: str
    cast: str
    refusals: tuple[tuple[str, str], ...] = ()
    source: str = ""

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
        missing = literal("Missing data for not-null field") if self.column.not_null else "null"
        cases = "".join(f" when {condition} then {literal(reason)}" for condition, reason in self.refusals)
        return f"case when {self.field} is null then {missing}{cases} end"


def conversion(column: Column, number: int, command: CopyCommand) -> Conversion:
    """How the staging column c<number> becomes a value of `column`; the field in between is called f<number>."""
    source = _source(column, f"c{number}", command)
    if command.has("acceptanydate") and column.type_name in _MOMENTS:
        source = f"case when {_is_accepted(_conversion(column, source, command))} then {source} end"
    return replace(_conversion(column, f"f{number}", command), source=source)


def _is_accepted(item: Conversion) -> str:
    """SQL: whether nothing is said against a field."""
    refused = " or ".join(condition for condition, _ in item.refusals)
    return f"not (case when {refused} then true else false end)"


def _conversion(column: Column, field: str, command: CopyCommand) -> Conversion:
    if column.is_character:
        return _character(column, field, command)
    if column.type_name in _INTEGERS:
        check = _digits(field, f"strpos({field}, '_') = 0", "+- ")
        return _typed(column, field, check, f"Invalid digit or overflow, Type: {_INTEGERS[column.type_name]}")
    if column.type_name == "numeric":
        return _numeric(column, field, command)
    if column.type_name in _MOMENTS:
        return _moment(column, field, command)
    if column.type_name == "boolean":
        check = f"({field} in ('true', 'false') or lower({field}) in {_TRUE_FALSE})"
        return _typed(column, field, check, "Unknown boolean format")
    if column.type_name in _FLOATS:
        words = "('nan', 'inf', '+inf', '-inf', 'infinity', '+infinity', '-infinity')"
        check = f"({_digits(field, 'true', '+-.eE ')} or lower(btrim({field}, ' ')) in {words})"
        return _typed(column, field, check, "Invalid digit, Type: Float")
    if column.type_name == "jsonb":
        return _typed(column, field, f"pg_input_is_valid({field}, 'jsonb')", "Invalid JSON")
    if column.type_name in _TIMES:
        return _typed(column, field, f"{field} ~ '[0-9]'", "Invalid time format")
    if column.type_name == "bytea":
        check = f"{field} ~ '^([0-9a-fA-F]{{2}})*$'"
        return Conversion(column, field, check, f"decode({field}, 'hex')", ((f"not ({check})", "Invalid hex digit"),))
    raise not_emulated(f"COPY into a column of type {column.declared}")


def _typed(column: Column, field: str, check: str, complaint: str) -> Conversion:
    """A type that takes what passes `check` and then its own input function."""
    valid = f"pg_input_is_valid({field}, {literal(column.declared)})"
    refusals = ((f"not ({check})", complaint), (f"not {valid}", complaint))
    return Conversion(column, field, check, f"{field}::{column.declared}", refusals)


def _source(column: Column, staged: str, command: CopyCommand) -> str:
    """The staged text (NULL if the field was empty and unquoted) after NULL AS, EMPTYASNULL and BLANKSASNULL."""
    field = staged
    is_json = command.json is not None
    if command.null_as and not is_json:
        field = f"nullif({field}, {literal(command.null_as)})"
    if not column.is_character:
        # What is blank begins with a character before '!': that is found out at less cost than trimming.
        return f"(case when {staged} < '!' and btrim({staged}, {_WHITE_SPACE}) = '' then null else {field} end)"
    if is_json and command.has("emptyasnull"):
        field = f"nullif({field}, '')"
    elif not is_json and not command.has("emptyasnull") and command.null_as:
        # An empty field is an empty string, unless NULL AS made it NULL.
        field = f"case when {staged} is null then '' else {field} end"
    if command.has("blanksasnull"):
        blank = f"{staged} < '!' and {staged} <> '' and btrim({staged}, {_WHITE_SPACE}) = ''"
        field = f"(case when {blank} then null else {field} end)"
    if command.has("trimblanks") and column.type_name != "character":
        field = f"rtrim({field}, {_WHITE_SPACE})"
    return f"({field})"


def _character(column: Column, field: str, command: CopyCommand) -> Conversion:
    limit = column.length
    if column.type_name == "character":
        return _char(column, field, limit or 1, cut=command.has("truncatecolumns"))
    if limit is None:
        return Conversion(column, field, "true", field)
    if command.has("truncatecolumns"):
        cut = f"case when octet_length({field}) <= {limit} then {field} else rs.cut_bytes({field}, {limit}) end"
        return Conversion(column, field, "true", cut)
    check = f"octet_length({field}) <= {limit}"
    return Conversion(column, field, check, field, ((f"not ({check})", TOO_LONG),))


def _char(column: Column, field: str, limit: int, *, cut: bool) -> Conversion:
    """CHAR holds single-byte characters; PostgreSQL pads it by itself, and trailing blanks do not count."""
    single = f"octet_length({field}) = char_length({field})"
    refusals: tuple[tuple[str, str], ...] = ((f"not ({single})", MULTIBYTE),)
    if cut:
        return Conversion(column, field, single, f"left({field}, {limit})::char({limit})", refusals)
    fits = f"octet_length(rtrim({field}, ' ')) <= {limit}"
    refusals += ((f"not ({fits})", TOO_LONG),)
    return Conversion(column, field, f"{single} and {fits}", f"rtrim({field}, ' ')::char({limit})", refusals)


def _numeric(column: Column, field: str, command: CopyCommand) -> Conversion:
    """Digits beyond the scale are cut off, or rounded with ROUNDEC."""
    check = _digits(field, f"strpos({field}, '_') + strpos({field}, 'e') + strpos({field}, 'E') = 0", "+-. ")
    complaint = "Invalid digit or overflow, Type: Decimal"
    if column.scale is None or command.has("roundec"):
        return _typed(column, field, check, complaint)
    cut = f"trunc({field}::numeric, {column.scale})"
    valid = (
        f"(case when pg_input_is_valid({field}, 'numeric')"
        f" then pg_input_is_valid({cut}::text, {literal(column.declared)}) else false end)"
    )
    refusals = ((f"not ({check})", complaint), (f"not {valid}", complaint))
    # Mostly there is nothing to cut, which is found out at less cost than cutting.
    point = f"strpos({field}, '.')"
    fits = f"{point} = 0 or octet_length({field}) - {point} <= {column.scale}"
    cast = f"case when {fits} then {field}::{column.declared} else {cut}::{column.declared} end"
    return Conversion(column, field, check, cast, refusals)


def _digits(field: str, otherwise_valid: str, others: str) -> str:
    """SQL: whether a number has no other characters than digits and `others`, as far as PostgreSQL would take them.

    It takes 0x1F and 1_000. What begins with 1 to 9 has no prefix, so that a look for less will do; a letter among the
    digits is left to the cast.
    """
    exact = f"translate({field}, '0123456789{others}', '') = ''"
    return f"(case when {field} >= '1' and {field} < ':' then {otherwise_valid} else {exact} end)"


def _moment(column: Column, field: str, command: CopyCommand) -> Conversion:
    is_date = column.type_name == "date"
    form = command.date_format if is_date else command.time_format
    complaint = "Invalid Date Format" if is_date else "Invalid timestamp format or value"
    if form == "auto":
        # PostgreSQL would take words such as 'now' and 'infinity' too.
        check = f"({field} >= '0' and {field} < ':' or {field} ~ '[0-9]')"
        return _typed(column, field, check, complaint)
    if form in _EPOCHS and not is_date:
        return _epoch(column, field, _EPOCHS[form], complaint)
    if form == "YYYY-MM-DD" or (form == "YYYY-MM-DD HH:MI:SS" and not is_date):
        pattern = "^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}" + ("$" if is_date else "( [0-9]{1,2}:[0-9]{1,2}(:[0-9.]+)?.*)?$")
        return _typed(column, field, f"{field} ~ '{pattern}'", complaint)
    return _patterned(column, field, form, complaint)


def _epoch(column: Column, field: str, divisor: str, complaint: str) -> Conversion:
    check = f"translate({field}, '0123456789.-', '') = ''"
    moment = f"to_timestamp({field}::float8 / {divisor}) at time zone 'UTC'"
    cast = moment if column.type_name == "timestamp without time zone" else f"({moment}) at time zone 'UTC'"
    refusals = ((f"not ({check})", complaint), (f"not pg_input_is_valid({field}, 'double precision')", complaint))
    return Conversion(column, field, check, f"({cast})::{column.declared}", refusals)


def _patterned(column: Column, field: str, form: str, complaint: str) -> Conversion:
    is_date = column.type_name == "date"
    pattern = parse_pattern(form, "DATEFORMAT" if is_date else "TIMEFORMAT")
    expression = literal(pattern.expression)

    def replaced(text: str) -> str:
        return f"regexp_replace({field}, {expression}, {literal(text)}, 'i')"

    iso = replaced(pattern.iso_text(is_date))
    if pattern.short_year:
        year = replaced(f"\\{pattern.groups['year']}")
        iso = f"(case when {year} < '70' then '20' else '19' end || {iso})"
    check = f"{field} ~* {expression}"
    refusals = (
        (f"not ({check})", complaint),
        (f"not pg_input_is_valid({iso}, {literal(column.declared)})", complaint),
    )
    return Conversion(column, field, check, f"{iso}::{column.declared}", refusals)
