"""SOQL text from an `ExtractionRequest`. Pure.

Identifiers are checked against Salesforce's naming rule and then used as they are (SOQL has no
quoting of names); values are written as literals of the field's type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

from idiscover.errors import ConfigError
from idiscover.metadata.models import DECIMAL_TYPES, SALESFORCE_NAME_PATTERN, FieldType, FilterCondition
from idiscover.plan.model import BatchContent, ColumnPlan, ExtractionRequest, QueryRange, ReadMode

Scalar = str | bool | int | float | None

_NAME = re.compile(SALESFORCE_NAME_PATTERN.strip("^$"))
_MAX_RELATIONSHIP_STEPS = 5  # Salesforce's own bound on child-to-parent paths
_LIST_OPERATORS = frozenset({"in", "not in"})
_EQUALITY_OPERATORS = frozenset({"=", "!="})
_NUMBER_TYPES = DECIMAL_TYPES | {FieldType.INT}
_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


def select(
    request: ExtractionRequest, content: BatchContent = BatchContent.ROWS, part: QueryRange | None = None
) -> str:
    """The query of a Bulk job: the columns of `content`, over the records that `count` counts; of all or of a range.

    No ORDER BY and no LIMIT: either would switch PK chunking off.

    Raises:
        ConfigError: a name or a value cannot stand in SOQL.
    """
    names = [_path(column.salesforce) for column in columns_of(request, content)]
    if not names:
        raise ConfigError("The request has no columns", where=request.object, remedy="list fields in its object file")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ConfigError("Columns are selected twice", where=request.object, got=", ".join(repeated))
    return f"SELECT {', '.join(names)} FROM {_from(request, content, part)}"


def count(request: ExtractionRequest, content: BatchContent = BatchContent.ROWS, part: QueryRange | None = None) -> str:
    """The records of `select`, counted."""
    return f"SELECT COUNT() FROM {_from(request, content, part)}"


def edge_id(request: ExtractionRequest, descending: bool) -> str:
    """The lowest Id of the object, or the highest, whatever is filtered: the key's own index tells it at once."""
    order = "DESC" if descending else "ASC"
    return f"SELECT Id FROM {_identifier(request.salesforce_object)} ORDER BY Id {order} LIMIT 1"


def columns_of(request: ExtractionRequest, content: BatchContent) -> tuple[ColumnPlan, ...]:
    """What is selected, in this order: all columns of the request, or its key alone."""
    if content is BatchContent.ROWS:
        return request.columns
    return tuple(column for column in request.columns if column.column == request.key)


def _from(request: ExtractionRequest, content: BatchContent, part: QueryRange | None) -> str:
    """Rows lie in the window, unless the whole object is read; Ids are those of every record. Both pass the filter."""
    window, conditions = request.window, []
    part = part or QueryRange()
    if content is BatchContent.ROWS and window.read_mode is not ReadMode.WHOLE:
        if request.delta_field is None:
            raise ConfigError("The object has no field to cut a window on", where=request.object)
        field = _path(request.delta_field)
        conditions.append(f"{field} >= {datetime_literal(part.start_utc or window.start_utc)}")
        conditions.append(f"{field} < {datetime_literal(part.end_utc or window.end_utc)}")
    if part.id_from is not None:
        conditions.append(f"Id >= {text_literal(part.id_from)}")
    if part.id_before is not None:
        conditions.append(f"Id < {text_literal(part.id_before)}")
    types = {column.salesforce: column.type for column in request.columns}
    conditions += [_condition(condition, types) for condition in request.filter]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"{_identifier(request.salesforce_object)}{where}"


def _condition(condition: FilterCondition, types: Mapping[str, FieldType]) -> str:
    field, operator, value = _path(condition.field), condition.op, condition.value
    kind = types.get(condition.field)
    if operator in _LIST_OPERATORS:
        if not isinstance(value, tuple) or not value:
            raise _wrong_value(field, value, f"a non-empty list for {operator!r}")
        return f"{field} {operator.upper()} ({', '.join(_literal(field, item, kind) for item in value)})"
    if isinstance(value, tuple):
        raise _wrong_value(field, value, f"a single value for {operator!r}")
    if (value is None or isinstance(value, bool)) and operator not in _EQUALITY_OPERATORS:
        raise _wrong_value(field, value, f"a text, number or time for {operator!r}")
    return f"{field} {operator} {_literal(field, value, kind)}"


def _literal(field: str, value: Scalar, kind: FieldType | None) -> str:
    """`value` as a literal of `kind`; of its own Python type where the field is not extracted."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        if kind not in (None, FieldType.BOOLEAN):
            raise _wrong_value(field, value, f"a value of type {kind.value}")
        return "true" if value else "false"
    if kind is FieldType.BOOLEAN:
        raise _wrong_value(field, value, "true or false")
    if kind is FieldType.DATETIME:
        return datetime_literal(_datetime(field, value))
    if kind is FieldType.DATE:
        return _date(field, value).isoformat()
    if kind in _NUMBER_TYPES or (kind is None and isinstance(value, int | float)):
        return _number(field, value)
    if not isinstance(value, str):
        raise _wrong_value(field, value, f"a text, as the field is of type {kind.value if kind else 'text'}")
    return text_literal(value)


def _datetime(field: str, value: Scalar) -> datetime:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError as error:
        raise _wrong_value(field, value, "a date-time such as 2026-01-05T00:00:00Z") from error


def _date(field: str, value: Scalar) -> date:
    try:
        return date.fromisoformat(str(value))
    except ValueError as error:
        raise _wrong_value(field, value, "a date such as 2026-01-05") from error


def _number(field: str, value: Scalar) -> str:
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise _wrong_value(field, value, "a number") from error
    if not number.is_finite():
        raise _wrong_value(field, value, "a finite number")
    return format(number, "f")  # SOQL knows no exponents without a decimal point


def text_literal(value: str) -> str:
    """`value` in single quotes, with SOQL's escapes.

    Raises:
        ConfigError: the text holds a NUL, which SOQL cannot express.
    """
    if "\0" in value:
        raise ConfigError("A filter value holds a NUL character", got=repr(value), remedy="remove it from the filter")
    return "'" + "".join(_ESCAPES.get(character, character) for character in value) + "'"


def datetime_literal(moment: datetime) -> str:
    """`moment` in UTC with milliseconds, finer parts cut off: `2026-01-05T00:00:00.000Z`.

    Cutting both ends of adjoining windows the same way leaves neither a gap nor an overlap.

    Raises:
        ConfigError: `moment` has no UTC offset.
    """
    if moment.tzinfo is None:
        raise ConfigError(
            "A date-time has no UTC offset", got=moment.isoformat(), expected="2026-01-05T00:00:00Z or with +01:00"
        )
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _identifier(name: str) -> str:
    return _path(name, steps=1)


def _path(name: str, steps: int = _MAX_RELATIONSHIP_STEPS) -> str:
    """`name` if it is a field, or a field of a parent (`Lab__r.Country_Code__c`)."""
    parts: Sequence[str] = name.split(".")
    if len(parts) > steps or not all(_NAME.fullmatch(part) for part in parts):
        raise ConfigError(
            "A name cannot stand in SOQL",
            got=repr(name),
            expected="letters, digits and underscores, beginning with a letter",
            remedy="write the API name as Salesforce's describe has it",
        )
    return name


def _wrong_value(field: str, value: object, expected: str) -> ConfigError:
    return ConfigError(
        "A filter value does not fit its field",
        key=field,
        got=repr(value),
        expected=expected,
        remedy="correct the object's delta filter",
    )
