"""The tables of docs/marts.md, computed a second time.

From the simulator's event log, its request log and the definitions alone: never from sql/, metadata/, plugins/ or S3.

    expected = oracle.compute(state_dir, as_of_date)
    differences = oracle.compare(expected, rows_of_the_warehouse, oracle.EXEMPT_COLUMNS)
"""

from collections.abc import Collection
from datetime import date
from pathlib import Path

from tests.oracle.comparison import EXEMPT_COLUMNS, Difference, compare
from tests.oracle.dm import compute_dm
from tests.oracle.itg import compute_itg
from tests.oracle.replay import seen_records
from tests.oracle.shapes import Tables

__all__ = ["EXEMPT_COLUMNS", "Difference", "compare", "compute", "compute_tables"]


def compute(state_dir: Path, as_of_date: date, ignored_jobs: Collection[str] = ()) -> Tables:
    """Every itg and dm table after the Bulk reads made up to the day after order date `as_of_date`.

    `ignored_jobs` are ids of Bulk jobs whose rows never became a batch (their extraction failed). Values are str, bool,
    int, Decimal, date, datetime (naive, UTC) and None. Raises FileNotFoundError when `state_dir` holds no state.
    """
    return compute_tables(seen_records(state_dir, as_of_date, ignored_jobs))


def compute_tables(seen: dict[str, list[dict[str, object]]]) -> Tables:
    """Every table, from the newest version seen of each record: Salesforce object → records by field name."""
    itg = compute_itg(seen)
    return {**itg, **compute_dm(itg)}
