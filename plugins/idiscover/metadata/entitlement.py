"""Who may see which country in Tableau: `context/<environment>.entitlement.csv`. Pure.

A file of its own beside the context, because a context goes into every plan and names of people belong into none.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

from idiscover.errors import ConfigError

HEADER = ["user_name", "country_code"]
EVERY_COUNTRY = "*"
_COUNTRY = re.compile(r"[A-Z]{2}|\*")  # also codes that ISO 3166 does not have: records may be of XK
# Control signs and those without a width: nobody sees them in a file, and no name of Tableau's has them.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2060\ufeff]")
_LONGEST_NAME = 320  # bytes, as dm.entitlement has room for


@dataclass(frozen=True)
class Entitlement:
    """A person and a country that the person may see.

    Attributes:
        user_name: as Tableau's USERNAME() gives it, in lower case.
        country_code: ISO 3166 alpha-2, `ZZ` for rows without a known country, or `*` for all.
    """

    user_name: str
    country_code: str


class Rows(Protocol):
    """What `csv.reader` gives, which has no public type."""

    line_num: int

    def __iter__(self) -> Rows: ...
    def __next__(self) -> list[str]: ...


def entitlement_path(context_path: str) -> str:
    """The file that belongs to a context: `context/prod.yaml` → `context/prod.entitlement.csv`."""
    return str(PurePosixPath(context_path).with_suffix(".entitlement.csv"))


def parse_entitlements(text: str, where: str) -> tuple[Entitlement, ...]:
    """The rows of a file, in its order.

    Raises:
        ConfigError: the first row that is not as it has to be.
    """
    lines = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=None), strict=True)
    try:
        return _entitlements(lines, where)
    except csv.Error as error:  # such as a quote that is not closed
        raise _wrong("a row cannot be read", where, lines.line_num, str(error), "rows of csv") from None


def _entitlements(rows: Rows, where: str) -> tuple[Entitlement, ...]:
    header = next(rows, [])
    if header != HEADER:
        told = ",".join(header)
        got = "a row of a person" if "@" in told else told  # messages name nobody: they end in logs
        raise _wrong("the header is not as it has to be", where, 1, got, ",".join(HEADER))
    found: dict[Entitlement, None] = {}
    for row in rows:
        if not row:
            continue
        entitlement = _entitlement(row, where, rows.line_num)
        if entitlement in found:
            raise _wrong(
                "an entitlement stands twice", where, rows.line_num, entitlement.country_code, "each of them once"
            )
        found[entitlement] = None
    return tuple(found)


def _entitlement(row: Sequence[str], where: str, line: int) -> Entitlement:
    if len(row) != len(HEADER):
        raise _wrong("a row has other columns", where, line, f"{len(row)} columns", ",".join(HEADER))
    name, country = row[0].strip().lower(), row[1].strip()
    if not name or len(name.encode()) > _LONGEST_NAME:
        got = f"{len(name.encode())} bytes"
        raise _wrong("a row names nobody that Tableau could know", where, line, got, f"1 to {_LONGEST_NAME} bytes")
    if found := _UNSEEN.search(name):
        got = f"U+{ord(found[0]):04X} at position {found.start() + 1}"
        raise _wrong("a row names nobody that Tableau could know", where, line, got, "signs that can be seen")
    if not _COUNTRY.fullmatch(country):
        raise _wrong("a country code is none", where, line, country, "two capital letters, or * for every country")
    return Entitlement(name, country)


def _wrong(what: str, where: str, line: int, got: str, expected: str) -> ConfigError:
    return ConfigError(what, where=f"{where}:{line}", got=got, expected=expected, remedy="correct that line")
