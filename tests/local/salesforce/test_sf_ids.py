"""Ids: the checksum against published pairs, and ids that differ only in case."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.salesforce.ids import DIGITS, base62, checksum, is_valid, make_id, make_ids, to_long


@pytest.mark.parametrize(
    ("short_id", "suffix"),
    # From Salesforce's own guides.
    [("001A000000006Vm", "IAI"), ("750R0000000zxr8", "IAA")],
)
def test_checksum_of_published_ids(short_id: str, suffix: str) -> None:
    assert checksum(short_id) == suffix


def _checksum_by_table(short_id: str) -> str:
    """Another way: five characters, reversed, as binary digits."""
    alphabet = [*"ABCDEFGHIJKLMNOPQRSTUVWXYZ", *"012345"]
    parts = (short_id[0:5], short_id[5:10], short_id[10:15])
    return "".join(alphabet[int("".join("1" if c.isupper() else "0" for c in reversed(p)), 2)] for p in parts)


@settings(deadline=None)
@given(st.text(DIGITS, min_size=15, max_size=15))
def test_checksum_agrees_with_the_reversed_binary_definition(short_id: str) -> None:
    assert checksum(short_id) == _checksum_by_table(short_id)
    assert is_valid(to_long(short_id))
    assert is_valid(to_long(short_id).swapcase()[:15]) and to_long(short_id)[:15] == short_id


@settings(deadline=None)
@given(st.integers(0, 62**4), st.integers(0, 62**4))
def test_order_of_numbers_is_ascii_order_of_ids(left: int, right: int) -> None:
    assert (left < right) == (make_id("a02", left)[:15] < make_id("a02", right)[:15])


def test_ids_that_differ_only_in_case_have_other_checksums() -> None:
    upper, lower = make_id("001", DIGITS.index("A")), make_id("001", DIGITS.index("a"))
    assert upper[:15].lower() == lower[:15].lower()
    assert upper.lower() != lower.lower()


def test_what_is_no_id() -> None:
    assert not is_valid("001A000000006V")
    assert not is_valid("001A000000006VmIAJ")
    assert not is_valid("001A000000006V-IAI")


def test_a_number_that_does_not_fit() -> None:
    with pytest.raises(ValueError, match="expected at most 1"):
        base62(62, 1)


@settings(deadline=None)
@given(st.integers(0, 62**8 - 1) | st.integers(0, 62**3), st.integers(0, 2 * 62**2))
def test_many_ids_are_those_made_one_by_one(first: int, count: int) -> None:
    numbers = range(first, min(first + count, 62**8))
    found = list(make_ids("a1R", numbers))
    assert len(found) == len(numbers)
    for at in {*range(0, len(numbers), 97), len(numbers) - 1} - {-1}:
        assert found[at] == make_id("a1R", numbers[at])
