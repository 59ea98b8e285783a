"""A page of any length passes through buffers of one size, from the socket's chunks to the upload."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime

from idiscover.salesforce.page_stream import CHUNK_BYTES

from emr_jobs.pages import GzipInto, PageOrder, rewriter_for
from tests.unit.salesforce.samples import sample_request


class Sink:
    """Counts what comes and keeps nothing."""

    def __init__(self) -> None:
        self.bytes = 0
        self.largest = 0

    def write(self, data: bytes) -> int:
        self.bytes += len(data)
        self.largest = max(self.largest, len(data))
        return len(data)


def page(rows: int) -> Iterator[bytes]:
    """Chunks as a socket gives them, of rows that do not compress well."""
    names = random.Random(rows)
    waiting = b'"Id","Name","SystemModstamp"\n'
    for number in range(rows):
        name = names.randbytes(20).hex()
        waiting += f'"{number:018d}","Lab ""{name}""\nnote","2026-01-05T00:00:00.000Z"\n'.encode()
        if len(waiting) >= CHUNK_BYTES:
            yield waiting[:CHUNK_BYTES]
            waiting = waiting[CHUNK_BYTES:]
    yield waiting


def pass_through(rows: int) -> tuple[int, Sink]:
    """(peak of traced memory, what arrived) for a page of so many rows."""
    sink = Sink()
    order = PageOrder(sample_request(), "750A", datetime(2026, 1, 5, tzinfo=UTC))
    tracemalloc.start()
    rewriter, packed = rewriter_for(order, "part-00000"), GzipInto(sink)
    for block in rewriter.rewrite(page(rows)):
        packed.write(block)
    packed.finish()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rewriter.rows == rows
    return peak, sink


def test_ten_times_the_rows_need_no_more_memory() -> None:
    pass_through(2_000)  # caches of the interpreter
    (small, few), (large, many) = pass_through(10_000), pass_through(100_000)
    assert many.bytes > 9 * few.bytes
    assert large < small * 1.1
    assert many.largest <= 2 * CHUNK_BYTES
