"""The quicker HMAC is the standard library's."""

from __future__ import annotations

import hmac

from hypothesis import given
from hypothesis import strategies as st
from idiscover.lake.keyed_hashes import hashes_under


@given(st.binary(max_size=200), st.lists(st.binary(max_size=80), min_size=1, max_size=3))
def test_texts_have_the_hashes_of_the_standard_library(key: bytes, texts: list[bytes]) -> None:
    keyed = hashes_under(key)
    assert [keyed(text) for text in texts] == [hmac.new(key, text, "sha256").hexdigest() for text in texts]
