"""The history of a record: docs/marts.md, "History", its steps one by one."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from tests.oracle.shapes import Row, Tables

BEGINNING, END = datetime(1900, 1, 1), datetime(9999, 12, 31)
Tracked = Callable[[Row], Row]


class Effective(NamedTuple):
    """A version, and from when on it holds."""

    since: datetime
    version: Row


class Valid(NamedTuple):
    """The tracked columns of a row, and the half-open time they hold for."""

    tracked: Row
    valid_from: datetime
    valid_to: datetime


def histories(itg: Tables, table: str) -> Mapping[object, list[Effective]]:
    """Per record that itg holds, its versions that were ever to be seen, in order (steps 1 to 4)."""
    versions: dict[object, list[Row]] = {row["id"]: [] for row in itg[table]}
    for version in itg[f"{table}__history"]:
        if version["id"] in versions:
            versions[version["id"]].append(version)
    return {key: _seen(_with_effective_times(of_record)) for key, of_record in versions.items()}


def _with_effective_times(versions: Iterable[Row]) -> list[Effective]:
    found: list[Effective] = []
    ordered = sorted(versions, key=lambda row: (row["system_modstamp"], row["_read_at_utc"], row["_batch_id"]))
    for stamp, same_stamp in groupby(ordered, key=lambda row: row["system_modstamp"]):
        first, *others = same_stamp
        found += [Effective(stamp, first), *(Effective(row["_read_at_utc"], row) for row in others)]  # type: ignore[arg-type]
    return found


def _seen(versions: list[Effective]) -> list[Effective]:
    """Without those that a later version overtakes."""
    kept: list[Effective] = []
    for version in reversed(versions):
        if not kept or version.since < kept[-1].since:
            kept.append(version)
    return kept[::-1]


def first_of_equal(versions: Iterable[Effective], tracked: Tracked) -> list[tuple[datetime, Row]]:
    """Of neighbours with the same tracked columns the first (step 5): since when, and the columns."""
    rows: list[tuple[datetime, Row]] = []
    for since, version in versions:
        columns = tracked(version)
        if not rows or rows[-1][1] != columns:
            rows.append((since, columns))
    return rows


def validities(versions: Iterable[Effective], tracked: Tracked) -> list[Valid]:
    """Rows of a dimension, from the beginning to the end of time without a gap."""
    rows = first_of_equal(versions, tracked)
    starts = [BEGINNING, *(since for since, _ in rows[1:])]
    ends = [*starts[1:], END]
    return [Valid(columns, start, end) for (_, columns), start, end in zip(rows, starts, ends, strict=True)]
