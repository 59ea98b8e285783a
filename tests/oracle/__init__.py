"""The tables of docs/marts.md, computed a second time.

From the simulator's event log, its request log and the definitions alone: never from sql/, metadata/, plugins/ or S3.

    expected = oracle.compute(state_dir, as_of_date)
    differences = oracle.compare(expected, rows_of_the_warehouse, oracle.EXEMPT_COLUMNS)

A test that loads batches one by one looks once, and computes from what was loaded so far:

    sights = list(oracle.look(events, reads))
    expected = oracle.compute_tables(sights[:2], as_of_date)
"""

from collections.abc import Collection, Iterable
from datetime import date
from pathlib import Path

from tests.oracle.comparison import EXEMPT_COLUMNS, Difference, compare
from tests.oracle.dm import compute_dm
from tests.oracle.itg import compute_itg
from tests.oracle.replay import Sight, bulk_reads, gather, look, look_at_state
from tests.oracle.shapes import Tables

__all__ = ["EXEMPT_COLUMNS", "Difference", "Sight", "compare", "compute", "compute_tables", "look", "look_at_state"]


def compute(state_dir: Path, as_of_date: date, ignored_jobs: Collection[str] = ()) -> Tables:
    """Every itg and dm table after the Bulk reads made up to the day after order date `as_of_date`.

    `ignored_jobs` are ids of Bulk jobs whose rows never became a batch (their extraction failed). Values are str, bool,
    int, Decimal, date, datetime (naive, UTC) and None. Raises FileNotFoundError when `state_dir` holds no state.
    """
    reads = bulk_reads(state_dir, as_of_date, ignored_jobs)
    return compute_tables(look_at_state(state_dir, reads), as_of_date)


def compute_tables(sights: Iterable[Sight], as_of_date: date) -> Tables:
    """Every table once the batches of these reads are loaded, in whatever order they were."""
    itg = compute_itg(gather(sights))
    return {**itg, **compute_dm(itg, as_of_date)}
