"""What is written instead of personal values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from idiscover.errors import ConfigError
from idiscover.lake.protection import HASH_CHARACTERS, hashing, masked, protector, require_key
from idiscover.metadata.models import Protection

KEY = "k" * 64


def test_a_hash_is_that_of_rfc_4231() -> None:
    """Test case 2 of the RFC: whoever has the key can compute it elsewhere."""
    assert hashing("Jefe")("what do ya want for nothing?") == (
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )


@given(st.text(min_size=1), st.text(min_size=1))
def test_equal_values_have_equal_hashes_and_no_others(one: str, other: str) -> None:
    hashed = hashing(KEY)
    assert len(hashed(one)) == HASH_CHARACTERS and (hashed(one) == hashed(other)) == (one == other)
    assert hashing("x" * 64)(one) != hashed(one)


def test_null_stays_null_and_a_mask_tells_nothing_else() -> None:
    assert (hashing(KEY)(""), masked("")) == ("", "")
    assert masked("a") == masked("a much longer value") == "***"


def test_a_mask_asks_for_no_key() -> None:
    def key() -> str:
        raise AssertionError

    assert protector(Protection.MASK, key)("x") == "***"
    assert protector(Protection.HASH, lambda: KEY)("x") == hashing(KEY)("x")


@pytest.mark.parametrize("secret", [{}, {"hmac_key": ""}, {"hmac_key": "k" * 31}])
def test_a_key_that_can_be_guessed_is_refused(secret: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="at least 32"):
        require_key(secret)
    assert require_key({"hmac_key": KEY}) == KEY
