"""Rules of erasures that need no store: Ids in their two forms, names of rewritten files, rows without records."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from idiscover.aws.erasure_files import next_name
from idiscover.aws.erasure_tables import KEY_PREFIXES, Ids
from idiscover.cli.erasing import request_of, whole_id
from idiscover.errors import ConfigError
from idiscover.lake.suppression import ErasedRows, erased_by, keyed_hash, redacting

REPOSITORY = Path(__file__).resolve().parents[3]
SECRET = {"hmac_key": "k" * 64}
GONE, OTHER = "001000000000001AAA", "001000000000002AAA"
VALUES = st.sampled_from([GONE, GONE[:15], OTHER, "", "a text", f"about {GONE} and {OTHER}"])


@pytest.mark.parametrize(
    ("given_id", "whole"),
    [
        ("00D000000000062", "00D000000000062EAA"),  # the example of Salesforce's own documentation
        ("0015g00000AbCdE", "0015g00000AbCdEAAV"),
        ("0015g00000AbCdEAAV", "0015g00000AbCdEAAV"),
    ],
)
def test_an_id_of_15_characters_is_one_of_18(given_id: str, whole: str) -> None:
    assert whole_id(given_id) == whole


@pytest.mark.parametrize("wrong", ["", "L1", "0015g00000AbCdEAAA", "0015g00000abcdeAAV", "0015g00000AbCd'", GONE + "X"])
def test_what_is_no_id_is_refused_without_being_repeated(wrong: str) -> None:
    with pytest.raises(ConfigError) as refused:
        whole_id(wrong)
    assert not wrong or wrong not in str(refused.value)


def test_a_rewritten_file_has_a_name_of_its_own() -> None:
    first = next_name("archive/lab/b/part-00000.csv.gz")
    assert first == "archive/lab/b/part-00000-e1.csv.gz"
    assert next_name(first) == "archive/lab/b/part-00000-e2.csv.gz"
    assert next_name("source/lab/b-e5/ids-00001.csv.gz") == "source/lab/b-e5/ids-00001-e1.csv.gz"


@given(st.lists(st.lists(VALUES, min_size=3, max_size=3), max_size=8))
def test_rows_hold_nothing_of_the_record_and_all_of_the_others(rows: list[list[str]]) -> None:
    ids = Ids((GONE,))
    erased = ErasedRows(ids.is_erased, 0, range(3), ids.redact)
    kept = [row for row in ([*row] for row in rows) if erased(row)]
    assert GONE[:15] not in str(kept)
    assert len(kept) + erased.dropped == len(rows)
    own = [row for row in rows if row[0] not in (GONE, GONE[:15])]
    assert [[OTHER in value for value in row] for row in kept] == [[OTHER in value for value in row] for row in own]
    pairs = zip(kept, own, strict=True)
    assert all(left == row for left, row in pairs if not any(GONE[:15] in value for value in row))


def test_where_the_key_is_not_known_any_mention_takes_the_row_along() -> None:
    erased = ErasedRows(Ids((GONE,)).is_erased, None, range(2))
    assert [erased([OTHER, GONE]), erased([OTHER, OTHER])] == [False, True]


def test_hashes_know_whole_ids_of_their_own_key_alone() -> None:
    is_erased = erased_by(SECRET, {keyed_hash(SECRET, GONE)})
    assert [is_erased(value) for value in (GONE, OTHER, GONE[:15], f"{GONE} ")] == [True, False, True, False]
    assert not erased_by({"hmac_key": "x" * 64}, {keyed_hash(SECRET, GONE)})(GONE)


def test_words_that_are_ids_of_erased_records_leave_longer_texts() -> None:
    redact = redacting(erased_by(SECRET, {keyed_hash(SECRET, GONE)}))
    assert redact(f"/{GONE}?id={GONE[:15]}, {OTHER}") == f"/[erased]?id=[erased], {OTHER}"
    unharmed = f"x{GONE}, {GONE}x, {GONE[:14]}"  # parts of longer words, and too few characters
    assert redact(unharmed) == unharmed


def test_a_reason_that_names_the_record_is_refused_without_being_repeated() -> None:
    with pytest.raises(ConfigError, match="the reason names a record") as refused:
        request_of("context/local.yaml", [GONE], f"asked by {GONE[:15]}", lambda _line: None)
    assert GONE[:15] not in str(refused.value)


def test_every_key_that_dm_makes_of_an_id_is_searched_for() -> None:
    sql = "".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "sql" / "procedures").rglob("*.sql*"))
    assert set(re.findall(r"md5\('([^']*)' \|\|", sql)) == set(KEY_PREFIXES)
