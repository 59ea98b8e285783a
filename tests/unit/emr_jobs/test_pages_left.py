"""What is left of a job's pages when some are safe, and pages that stand in the place of others. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from idiscover.errors import DataQualityError
from idiscover.lake.manifest import BatchFile
from idiscover.salesforce.session import SalesforceSession

from emr_jobs.counts import refuse_repeated_pages
from emr_jobs.pages import PageOrder, PageResult, PageTask, page_after
from emr_jobs.reading import tasks_left
from tests.unit.salesforce.fake_org import quick_retry
from tests.unit.salesforce.samples import sample_request

SESSION = SalesforceSession({}, "62.0", quick_retry())
ORDER = PageOrder(sample_request(), "7501", datetime(2026, 1, 6, tzinfo=UTC))
SIDE_BY_SIDE = [PageTask(index, f"/results?locator={index}") for index in range(3)]
CHAIN = [page_after(SESSION, ORDER, -1)]


def safe(task: PageTask, next_locator: str | None = None) -> PageResult:
    return PageResult(task.index, file(str(task.index)), 2, 10, 0, 0, 0, 0.1, next_locator, task.path)


def file(name: str, sha256: str = "", rows: int = 2) -> BatchFile:
    return BatchFile(key=name, rows=rows, bytes=10, sha256=sha256 or name)


def test_pages_side_by_side_are_left_out_one_by_one() -> None:
    done = [safe(SIDE_BY_SIDE[0]), safe(SIDE_BY_SIDE[2])]
    assert tasks_left(SESSION, ORDER, SIDE_BY_SIDE, done) == [SIDE_BY_SIDE[1]]
    assert tasks_left(SESSION, ORDER, SIDE_BY_SIDE, []) == SIDE_BY_SIDE


def test_a_chain_goes_on_after_its_last_safe_page() -> None:
    second = page_after(SESSION, ORDER, 0, "a")
    third = page_after(SESSION, ORDER, 1, "b")
    assert tasks_left(SESSION, ORDER, CHAIN, []) == CHAIN
    assert tasks_left(SESSION, ORDER, CHAIN, [safe(CHAIN[0], "a"), safe(second, "b")]) == [third]
    assert tasks_left(SESSION, ORDER, CHAIN, [safe(CHAIN[0], "a"), safe(second, "b"), safe(third)]) == []


def test_one_page_by_rest_is_safe_or_is_read() -> None:
    by_rest = [PageTask(0, soql="SELECT Id FROM Account")]
    assert tasks_left(SESSION, ORDER, by_rest, []) == by_rest
    assert tasks_left(SESSION, ORDER, by_rest, [safe(by_rest[0])]) == []


@pytest.mark.parametrize(
    ("tasks", "done"),
    [
        (SIDE_BY_SIDE, [safe(CHAIN[0], "a")]),
        (SIDE_BY_SIDE, [safe(PageTask(0, SIDE_BY_SIDE[1].path))]),
        (SIDE_BY_SIDE[:1], [safe(task) for task in SIDE_BY_SIDE]),
        (CHAIN, [safe(SIDE_BY_SIDE[0])]),
        (CHAIN, [safe(CHAIN[0], "a"), safe(page_after(SESSION, ORDER, 0, "b"))]),
        (CHAIN, [safe(CHAIN[0]), safe(page_after(SESSION, ORDER, 0, "a"))]),
        ([], [safe(CHAIN[0])]),
    ],
)
def test_pages_that_are_cut_otherwise_are_of_no_use(tasks: list[PageTask], done: list[PageResult]) -> None:
    assert tasks_left(SESSION, ORDER, tasks, done) is None


def test_files_with_the_same_contents_are_refused_by_name() -> None:
    refuse_repeated_pages([file("a"), file("b"), file("c")], "Account")
    refuse_repeated_pages([file("a", "x", rows=0), file("b", "x", rows=0)], "Account")  # all their rows were erased
    with pytest.raises(DataQualityError, match="a and c with 2 rows each"):
        refuse_repeated_pages([file("a", "x"), file("b"), file("c", "x")], "Account")
