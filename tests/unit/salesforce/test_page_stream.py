"""Pages that are cut on a real TLS connection: every byte comes once, or there is an error."""

from __future__ import annotations

import gzip
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from idiscover.errors import RetriableError
from idiscover.salesforce.page_stream import CHUNK_BYTES, PageChanged, PageStream, TooSlow, _paced

from tests.unit.salesforce.fake_org import DATA, FakeOrg, Reply, fault, zipped

PAGE = f"{DATA}/jobs/query/750A/results"
HEADERS = {"Sforce-NumberOfRecords": "12", "Sforce-Locator": "MTAwMDA", "Content-Type": "text/csv"}


def page(body: bytes, cut_at: int | None = None, is_zipped: bool = False) -> Reply:
    reply = Reply(200, body, HEADERS, cut_at)
    return zipped(reply) if is_zipped else reply


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 5 * CHUNK_BYTES), st.lists(st.floats(0, 0.999), max_size=4), st.booleans(), st.integers())
def test_a_cut_page_is_resumed_byte_for_byte(
    org: FakeOrg, size: int, cuts: list[float], is_zipped: bool, seed: int
) -> None:
    org.reset()
    body = random.Random(seed).randbytes(size)
    whole = page(body, is_zipped=is_zipped)
    org.queue(PAGE, *(page(body, int(len(whole.body) * cut), is_zipped) for cut in cuts), whole)
    stream = PageStream(org.open(), PAGE)
    assert b"".join(stream.chunks()) == body
    assert (stream.bytes, stream.resumes, stream.announced_rows) == (size, len(cuts), 12)
    assert stream.next_locator == "MTAwMDA"


def test_a_page_that_came_back_changed_is_not_glued_together(org: FakeOrg) -> None:
    before, after = b"a" * 3 * CHUNK_BYTES, b"a" * 100 + b"b" * 3 * CHUNK_BYTES
    org.queue(PAGE, page(before, 2 * CHUNK_BYTES), page(after))
    with pytest.raises(PageChanged):
        list(PageStream(org.open(), PAGE).chunks())


def test_a_page_that_came_back_shorter_is_not_taken_for_whole(org: FakeOrg) -> None:
    body = random.Random(1).randbytes(3 * CHUNK_BYTES)
    org.queue(PAGE, page(body, 2 * CHUNK_BYTES), page(body[:CHUNK_BYTES]))
    with pytest.raises(PageChanged):
        list(PageStream(org.open(), PAGE).chunks())


def test_a_page_cut_for_ever_at_one_place_is_given_up(org: FakeOrg) -> None:
    org.routes[PAGE] = lambda _seen: page(b"x" * 3 * CHUNK_BYTES, CHUNK_BYTES)
    with pytest.raises(RetriableError, match="cut 5 times"):
        list(PageStream(org.open(), PAGE).chunks())
    assert len(org.asked(PAGE)) == 6


def test_a_page_has_to_keep_a_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def half_a_minute_on() -> float:
        nonlocal now
        now += 30.0
        return now

    monkeypatch.setattr("idiscover.salesforce.page_stream.time.monotonic", half_a_minute_on)
    assert list(_paced(iter([b"x" * CHUNK_BYTES] * 20))) == [b"x" * CHUNK_BYTES] * 20
    few = _paced(iter([b"x"] * 20))
    assert [next(few) for _ in range(5)] == [b"x"] * 5
    with pytest.raises(TooSlow, match="6 bytes in 180 seconds"):
        next(few)


def test_a_token_may_lapse_between_two_tries(org: FakeOrg) -> None:
    body = random.Random(2).randbytes(2 * CHUNK_BYTES)
    org.queue(PAGE, page(body, CHUNK_BYTES + 1), fault(401, "INVALID_SESSION_ID"), Reply(503, b""), page(body))
    assert b"".join(PageStream(org.open(), PAGE).chunks()) == body


def test_a_packed_page_that_ends_early_or_is_spoilt_is_read_again(org: FakeOrg) -> None:
    """Its length is as its headers say: only the gzip stream tells that it is not whole."""
    body = random.Random(3).randbytes(3 * CHUNK_BYTES)
    whole = page(body, is_zipped=True)
    short, spoilt = whole.body[:-CHUNK_BYTES], whole.body[:-8] + bytes(8)
    headers = {**HEADERS, "Content-Encoding": "gzip"}
    org.queue(PAGE, Reply(200, short, headers), Reply(200, spoilt, headers), whole)
    stream = PageStream(org.open(), PAGE)
    assert b"".join(stream.chunks()) == body
    assert stream.resumes == 2


def test_a_packed_page_may_be_of_several_streams_and_of_little_variety(org: FakeOrg) -> None:
    first, second = b"a" * 50 * CHUNK_BYTES, b"b" * 7
    packed = gzip.compress(first) + gzip.compress(second)
    org.queue(PAGE, Reply(200, packed, {**HEADERS, "Content-Encoding": "gzip"}))
    chunks = list(PageStream(org.open(), PAGE).chunks())
    assert b"".join(chunks) == first + second
    assert max(map(len, chunks)) <= CHUNK_BYTES


@pytest.mark.parametrize(("locator", "rows"), [("null", "12"), ("", "")])
def test_the_last_page_and_a_proxy_that_strips_headers(org: FakeOrg, locator: str, rows: str) -> None:
    headers = {"Sforce-Locator": locator, "Sforce-NumberOfRecords": rows}
    org.queue(PAGE, Reply(200, b"x", headers))
    stream = PageStream(org.open(), PAGE)
    assert list(stream.chunks()) == [b"x"]
    assert (stream.next_locator, stream.announced_rows) == (None, int(rows) if rows else None)
