"""How values look on the wire: in Bulk's CSV and in REST's JSON."""

from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache

from local.salesforce.events import Value
from local.salesforce.fields import Field, FieldType

_PLAIN_FROM, _PLAIN_BELOW = Decimal("0.001"), Decimal(10_000_000)


@lru_cache(maxsize=1 << 16)
def double_text(value: float) -> str:
    """A double as the platform prints it, which is Java's way: `12.0`, `0.5`, `1.2E7`."""
    number = Decimal(str(value)).normalize()
    if number == 0 or _PLAIN_FROM <= abs(number) < _PLAIN_BELOW:
        text = format(number + 0, "f")
        return text if "." in text else f"{text}.0"
    sign, digits, _ = number.as_tuple()
    mantissa = f"{digits[0]}.{''.join(map(str, digits[1:])) or '0'}"
    return f"{'-' if sign else ''}{mantissa}E{number.adjusted()}"


def csv_writer(field: Field) -> Callable[[Value], str]:
    """How values of a field look in a Bulk result, unquoted; null is the empty text. Datetimes end in `.000Z` there."""
    if field.type is FieldType.BOOLEAN:
        return lambda value: "" if value is None else "true" if value else "false"
    if field.type.is_decimal:
        return lambda value: double_text(value) if isinstance(value, (int, float)) else ""
    return lambda value: "" if value is None else str(value)


def json_value(field: Field, value: Value) -> Value:
    """A value in a REST answer: numbers are doubles, datetimes end in `+0000`."""
    if field.type is FieldType.DATETIME and isinstance(value, str):
        return rest_datetime(value)
    if field.type.is_decimal and isinstance(value, (int, float)):
        return float(value)
    return value


def rest_datetime(text: str) -> str:
    """`…Z` as REST writes it: `…+0000`."""
    return text.removesuffix("Z") + "+0000"
