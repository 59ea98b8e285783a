"""Whether the counts of one read agree. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from idiscover.errors import DataQualityError, RetriableError
from idiscover.lake.manifest import BatchCounts, BatchFile

from emr_jobs.pages import PageResult


class Verdict(StrEnum):
    """What to do with a read."""

    AGREED = "agreed"
    READ_AGAIN = "read again"


def counts_of(before: int, after: int, job_rows: int, pages: Sequence[PageResult]) -> BatchCounts:
    """All counts of one read."""
    announced = [page.announced_rows for page in pages]
    known = [rows for rows in announced if rows is not None]
    rows = sum(page.file.rows for page in pages)
    suppressed = sum(page.suppressed for page in pages)
    quarantined = sum(page.broken.file.rows for page in pages if page.broken)
    return BatchCounts(
        count_before=before,
        count_after=after,
        job_rows=job_rows,
        page_rows=sum(known) if len(known) == len(announced) else None,
        parsed_rows=rows + suppressed + quarantined,
        file_rows=rows,
        nul_characters_dropped=sum(page.nul_characters for page in pages),
        suppressed=suppressed,
        quarantined=quarantined,
    )


def judge(counts: BatchCounts, where: str, is_last: bool) -> Verdict:
    """Compare the counts of a read.

    What the job, its pages and the parser counted must be equal at once. The two COUNT()s straddle the
    job's snapshot in a living org: where both are equal to each other, what was parsed has to be equal
    to them too; where they differ, it is read again. On the last read, a number of rows between the two is
    taken: rows only ever moved from one COUNT() to the other while it was read. What left a window stands in a
    later one, and an Id that came or went meanwhile decides nothing: it is younger than the read's beginning.

    Raises:
        DataQualityError: a difference that no movement of the org explains.
        RetriableError: the last read, and the org still moves too much.
    """
    parsed = counts.parsed_rows
    if parsed != counts.job_rows or counts.page_rows not in (None, parsed):
        raise _difference("The job's rows and the rows that arrived differ", counts, where)
    before, after = counts.count_before, counts.count_after
    if before == after:
        if parsed != before:
            raise _difference("The window's COUNT() and the rows that arrived differ", counts, where)
        return Verdict.AGREED
    if not is_last:
        return Verdict.READ_AGAIN
    if min(before, after) <= parsed <= max(before, after):
        return Verdict.AGREED
    raise RetriableError(
        "The window changes while it is read, and its counts do not agree",
        where=where,
        got=_numbers(counts),
        remedy="run it again when the org is quieter",
    )


def refuse_repeated_pages(files: Sequence[BatchFile], where: str) -> None:
    """Of two pages with the same rows, one is in the place of another: their numbers of rows would not tell.

    Raises:
        DataQualityError: two files have the same contents.
    """
    known: dict[str, str] = {}
    for file in files:
        twin = known.setdefault(file.sha256, file.key)
        if file.rows and twin != file.key:
            raise DataQualityError(
                "Two result pages hold the same rows",
                where=where,
                got=f"{twin} and {file.key} with {file.rows} rows each",
                expected="every row once",
                remedy="run it again: the next try reads everything anew; if they stay, look for a proxy that caches",
            )


def _difference(what: str, counts: BatchCounts, where: str) -> DataQualityError:
    remedy = "run it again; if the numbers stay, compare the query with the org"
    return DataQualityError(what, where=where, got=_numbers(counts), expected="equal numbers", remedy=remedy)


def _numbers(counts: BatchCounts) -> str:
    return (
        f"COUNT() before {counts.count_before}, after {counts.count_after}, job {counts.job_rows}, "
        f"page headers {'unknown' if counts.page_rows is None else counts.page_rows}, parsed {counts.parsed_rows}"
    )
