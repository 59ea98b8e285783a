"""Large objects: what is sent from disk is what each record is, however it is asked for."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.salesforce.large.blocks import PLAIN, BlockStore, combined_crc
from local.salesforce.large.rows import BLOCK_ROWS, NAMES, block_rows, record_id, stamp
from tests.local.salesforce.sf_answers import error_of
from tests.local.salesforce.sf_process import Simulator

ROWS = 2 * BLOCK_ROWS + 700
NAME = "Test_Record__c"
ALL = f"SELECT {', '.join(NAMES)} FROM {NAME}"
TRUTH = [values for block in range(3) for values in block_rows(block)]


@pytest.fixture(scope="module")
def org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    folder = tmp_path_factory.mktemp("large")
    options = ("--scale", "0.02", "--page-rows", "6000", "--large", f"{NAME}={ROWS}", "--large", "Few_Records__c=3")
    server = Simulator(folder / "org", *options, "--large-dir", str(folder / "rows"))
    server.start()
    try:
        server.log_in()
        yield server
    finally:
        server.stop()


def pages_of(org: Simulator, soql: str, encoding: str = "identity") -> list[bytes]:
    """The bodies of all parallel pages of a job, as they went over the wire."""
    job = org.finished_job(soql)
    assert job["state"] == "JobComplete"
    urls = [page["resultUrl"] for page in org.get(f"/jobs/query/{job['id']}/resultPages").json()["resultPages"]]
    bodies = []
    for url in urls:
        answer = org.session.get(org.url + url, headers={"Accept-Encoding": encoding}, stream=True, timeout=30)
        bodies.append(answer.raw.read(decode_content=False))
    return bodies


def rows_of(bodies: list[bytes]) -> list[tuple[str, ...]]:
    """The rows of plain pages, without their headers."""
    return [tuple(row) for body in bodies for row in [*csv.reader(io.StringIO(body.decode(), newline=""))][1:]]


def test_packed_pages_are_one_gzip_stream_each_with_every_record_once(org: Simulator) -> None:
    packed, plain = pages_of(org, ALL, "gzip"), pages_of(org, ALL)
    assert len(packed) == 2
    assert [gzip.decompress(body) for body in packed] == plain
    for body in packed:
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        unpacker.decompress(body)
        assert unpacker.eof and not unpacker.unused_data  # one member, whose check sum is right
    assert rows_of(plain) == TRUTH[:ROWS]


def test_ids_and_times_rise_and_some_times_are_shared() -> None:
    rows = range(0, 60_000, 7)
    assert [record_id(row)[:15] for row in rows] == sorted({record_id(row)[:15] for row in rows})
    assert [stamp(row) for row in rows] == sorted(stamp(row) for row in rows)
    assert len({stamp(row) for row in range(100)}) == 25


@pytest.mark.parametrize("cut", [0, 1, 4_999, 5_000, 5_001, 9_998, ROWS - 1])
def test_two_half_open_ranges_cover_an_object_once(org: Simulator, cut: int) -> None:
    edge, moment = record_id(cut), stamp(cut)
    below = rows_of(pages_of(org, f"{ALL} WHERE Id < '{edge}'"))
    above = rows_of(pages_of(org, f"{ALL} WHERE Id >= '{edge}' AND IsDeleted = false"))
    assert (len(below), below + above) == (cut, TRUTH[:ROWS])
    counts = [
        org.query(f"SELECT COUNT() FROM {NAME} WHERE SystemModstamp {ranged}").json()["totalSize"]
        for ranged in (f"< {moment}", f">= {moment}", f"= {moment}")
    ]
    assert counts == [cut // 4 * 4, ROWS - cut // 4 * 4, 4]


def test_what_matches_nothing_is_a_header_alone(org: Simulator) -> None:
    soql = f"SELECT Id FROM {NAME} WHERE Id > '{record_id(ROWS - 1)}' AND SystemModstamp < 2030-01-01T00:00:00Z"
    assert pages_of(org, soql) == [b'"Id"\n']


def test_other_fields_and_other_ways_to_write_them(org: Simulator) -> None:
    where = f"WHERE Id >= '{record_id(4_990)}' AND Id < '{record_id(5_010)}'"
    job = org.finished_job(f"SELECT Remark__c, Id FROM {NAME} {where}", columnDelimiter="PIPE", lineEnding="CRLF")
    text = org.get(f"/jobs/query/{job['id']}/results").content.decode()
    positions = [NAMES.index("Remark__c"), 0]
    expected = [[values[at] for at in positions] for values in TRUTH[4_990:5_010]]
    assert [*csv.reader(io.StringIO(text, newline=""), delimiter="|")] == [["Remark__c", "Id"], *expected]
    ids = [gzip.decompress(body) for body in pages_of(org, f"SELECT Id FROM {NAME}", "gzip")]
    assert rows_of(ids) == [values[:1] for values in TRUTH[:ROWS]]


def test_rest_has_the_same_records(org: Simulator) -> None:
    answer = org.query(f"SELECT Id, Confirmed__c, Value__c, Remark__c, SystemModstamp FROM {NAME}").json()
    records = answer["records"]
    assert (answer["totalSize"], len(records)) == (ROWS, 2000)
    while not answer["done"]:
        answer = org.get(answer["nextRecordsUrl"]).json()
        records += answer["records"]
    found = [(r["Id"], r["Confirmed__c"], r["Value__c"], r["Remark__c"], r["SystemModstamp"]) for r in records]
    at = [NAMES.index(name) for name in ("Id", "Confirmed__c", "Value__c", "Remark__c", "SystemModstamp")]
    expected = [[values[position] for position in at] for values in TRUTH[:ROWS]]
    assert found == [
        (key, confirmed == "true", float(value), remark or None, moment.replace("Z", "+0000"))
        for key, confirmed, value, remark, moment in expected
    ]


def test_an_object_is_described_and_another_shares_its_first_rows(org: Simulator) -> None:
    described = org.get(f"/sobjects/{NAME}/describe").json()
    assert tuple(field["name"] for field in described["fields"]) == NAMES
    assert rows_of(pages_of(org, "SELECT Id FROM Few_Records__c")) == [(record_id(row),) for row in range(3)]


def test_what_only_the_rows_could_answer_is_refused(org: Simulator) -> None:
    for clause in ("WHERE Method__c = 'NGS'", "WHERE Id = 'a' OR Id = 'b'", "ORDER BY Remark__c", "ORDER BY Id DESC"):
        assert error_of(org.query(f"SELECT Id FROM {NAME} {clause}"))[0] == 400, clause


def test_rows_that_stand_are_not_made_again_and_a_broken_end_is(tmp_path: Path) -> None:
    store = BlockStore(tmp_path)
    store.make(BLOCK_ROWS + 1)
    before = b"".join(store.plain(range(2 * BLOCK_ROWS)))
    (tmp_path / "rows.deflate").open("ab").write(b"a block that a kill cut")
    (tmp_path / "rows.index").open("ab").write(b"half an entry")
    made: list[int] = []
    store.make(2 * BLOCK_ROWS, made.append)
    assert made == []
    store.make(3 * BLOCK_ROWS, made.append)
    assert made == [3 * BLOCK_ROWS]
    assert b"".join(store.plain(range(2 * BLOCK_ROWS))) == before
    everything = b"".join(PLAIN.line(values) for values in TRUTH)
    assert b"".join(store.plain(range(3 * BLOCK_ROWS))) == everything


@given(st.binary(max_size=300), st.binary(max_size=300))
@settings(max_examples=50, deadline=None)
def test_the_crc_of_two_texts(first: bytes, second: bytes) -> None:
    assert combined_crc(zlib.crc32(first), zlib.crc32(second), len(second)) == zlib.crc32(first + second)
