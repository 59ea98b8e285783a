"""What every value of a row is held to, and what is done to it: one value at a time, exactly. Pure.

The contract is the metadata's: a value is null, or it has its field's type and size. What breaks it would be refused
by COPY, with all rows of its batch, or cut by it in silence (digits after the point).

A text's length is counted in code points. Salesforce documents both `characters` (describe) and, in formulas and Apex,
two for a character outside the basic plane; what has too many code points is too long by either. The column holds four
bytes for each.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache, partial

from idiscover.lake.protection import Protect
from idiscover.metadata.models import DECIMAL_TYPES, TEXT_TYPES, VARCHAR_MAX_BYTES, FieldType
from idiscover.plan.model import ColumnPlan

ID_LENGTHS = (15, 18)
_MISSING = "is missing"
BOOLEANS = ("true", "false")
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?(E-?[0-9]{1,2})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATETIME = re.compile(r"(.{10})T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?(?:Z|\+00:?00)")
_BIGINT = range(-(1 << 63), 1 << 63)

Check = Callable[[str], str | None]  # a value that is not null → what is wrong with it


@dataclass(frozen=True)
class Breach:
    """One value that breaks its contract. The reason never quotes the value: it may be personal."""

    column: str
    reason: str

    def __str__(self) -> str:
        return f"{self.column} {self.reason}"


class Contract:
    """The contract of a row.

    Args:
        columns: of the row, in order.
        required: target columns that must not be null.
        protected: position → what protects the values there.
    """

    def __init__(
        self,
        columns: Sequence[ColumnPlan],
        required: Collection[str] = (),
        protected: Mapping[int, Protect] | None = None,
    ) -> None:
        self.columns = tuple(columns)
        self.required = frozenset(position for position, item in enumerate(columns) if item.column in required)
        self.protected = dict(protected or {})
        self.trimmed = frozenset(position for position, item in enumerate(columns) if item.trim)
        self.decimals = tuple(position for position, item in enumerate(columns) if item.type in DECIMAL_TYPES)
        self.changed = tuple(sorted(self.trimmed | self.protected.keys()))  # not written as they came
        self._checks = [check_of(column) for column in columns]
        self._plain = [re.compile(_plain_pattern(column), re.DOTALL).fullmatch for column in columns]

    def breach_of(self, position: int, value: str) -> Breach | None:
        """What is wrong with a value as Salesforce sent it."""
        if position in self.trimmed:
            value = value.strip()
        if value:
            reason = self._checks[position](value)
            return reason and Breach(self.columns[position].column, reason)
        return Breach(self.columns[position].column, _MISSING) if position in self.required else None

    def breaches(self, row: Sequence[str]) -> list[Breach]:
        """All that is wrong with a row."""
        if self.trimmed:
            row = [value.strip() if at in self.trimmed else value for at, value in enumerate(row)]
        reasons = [
            None if not value or is_plain(value) else check(value)
            for is_plain, check, value in zip(self._plain, self._checks, row, strict=True)
        ]
        for position in self.required:
            if not row[position]:
                reasons[position] = _MISSING
        if not any(reasons):  # mostly
            return []
        return [Breach(column.column, why) for column, why in zip(self.columns, reasons, strict=True) if why]

    def has_exponent(self, position: int, value: str) -> bool:
        """Whether a value is a number that Redshift does not read as Salesforce prints it."""
        return position in self.decimals and "E" in value

    def written(self, position: int, value: str) -> str:
        """A value that keeps the contract, as it is written: trimmed, protected, an exponent written out."""
        if position in self.trimmed:
            value = value.strip()
        elif self.has_exponent(position, value):
            return format(Decimal(value), "f")
        protect = self.protected.get(position)
        return value if protect is None else protect(value)


def _plain_pattern(column: ColumnPlan) -> str:
    """What is known to be right by a pattern alone, which is quicker; whatever else is checked."""
    if column.type in TEXT_TYPES:
        most = VARCHAR_MAX_BYTES // 4
        return f".{{0,{min(column.length or most, most)}}}"
    if column.type not in DECIMAL_TYPES:
        return _PLAIN_PATTERNS[column.type]
    if column.precision is None or column.scale is None:
        return r"-?[0-9]+(?:\.[0-9]+)?"
    fraction = f"[0-9]{{1,{column.scale}}}0*" if column.scale else "0+"
    return rf"-?[0-9]{{0,{column.precision - column.scale}}}(?<=[0-9])(?:\.{fraction})?"


def check_of(column: ColumnPlan) -> Check:
    """The check of a column's values."""
    if column.type in TEXT_TYPES:
        return partial(_text, column.length, VARCHAR_MAX_BYTES if column.protect is None else None)
    if column.type in DECIMAL_TYPES:
        return partial(_decimal, column.precision, column.scale)
    return _CHECKS[column.type]


def _text(length: int | None, most_bytes: int | None, value: str) -> str | None:
    if length is not None and len(value) > length:
        return f"has {len(value)} characters, more than {length}"
    if most_bytes is not None and len(value) * 4 > most_bytes and len(value.encode()) > most_bytes:
        return f"has {len(value.encode())} bytes, more than the {most_bytes} that a column holds"
    return None


def _id(value: str) -> str | None:
    if len(value) in ID_LENGTHS and value.isascii():
        return None
    size = len(value.encode())
    return None if size in ID_LENGTHS else f"is no Id: {size} bytes instead of 15 or 18"


def _boolean(value: str) -> str | None:
    return None if value in BOOLEANS else "is neither true nor false"


def _int(value: str) -> str | None:
    return None if _INTEGER.fullmatch(value) and int(value) in _BIGINT else "is no whole number of 64 bits"


def _decimal(precision: int | None, scale: int | None, value: str) -> str | None:
    if not _DECIMAL.fullmatch(value):
        return "is no decimal number"
    if precision is None or scale is None:
        return None
    exact = Decimal(value)
    whole, fraction = max(exact.adjusted() + 1, 0) if exact else 0, _digits_after_point(exact)
    if whole <= precision - scale and fraction <= scale:
        return None
    return f"has {whole} digits before the point and {fraction} after it, for numeric({precision}, {scale})"


def _digits_after_point(number: Decimal) -> int:
    """Zeros at the end do not count."""
    sign_digits_exponent = number.as_tuple()
    exponent = sign_digits_exponent.exponent
    assert isinstance(exponent, int)  # of a finite number
    digits = list(sign_digits_exponent.digits)
    while exponent < 0 and digits and digits[-1] == 0:
        digits.pop()
        exponent += 1
    return max(-exponent, 0) if digits else 0


def _date(value: str) -> str | None:
    return None if _is_day(value) else "is no date such as 2026-01-05"


def _datetime(value: str) -> str | None:
    found = _DATETIME.fullmatch(value)
    return None if found and _is_day(found[1]) else "is no time in UTC such as 2026-01-05T10:00:00.000Z"


@lru_cache(maxsize=1 << 14)  # there are few days, and many times of one
def _is_day(value: str) -> bool:
    if not _DATE.fullmatch(value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


_CHECKS: dict[FieldType, Check] = {
    FieldType.ID: _id,
    FieldType.REFERENCE: _id,
    FieldType.BOOLEAN: _boolean,
    FieldType.INT: _int,
    FieldType.DATE: _date,
    FieldType.DATETIME: _datetime,
}
_PLAIN_DATE = "[1-9][0-9]{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
_PLAIN_ID = "[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?"
_PLAIN_PATTERNS = {
    FieldType.ID: _PLAIN_ID,
    FieldType.REFERENCE: _PLAIN_ID,
    FieldType.BOOLEAN: "|".join(BOOLEANS),
    FieldType.INT: "-?[0-9]{1,18}",
    FieldType.DATE: _PLAIN_DATE,
    FieldType.DATETIME: rf"{_PLAIN_DATE}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{{3}}Z",
}
