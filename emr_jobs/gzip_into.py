"""Files packed as they are written."""

from __future__ import annotations

from typing import Protocol

from isal import isal_zlib

_LEVEL = 1  # of isal, about four times as fast as zlib's lowest; a higher level costs more than it saves
_WINDOW = isal_zlib.MAX_WBITS | 16  # a gzip header without name and time: the same rows, the same bytes


class Writer(Protocol):
    """Takes bytes."""

    def write(self, data: bytes) -> object: ...


class GzipInto:
    """Compresses what is written into `out`."""

    def __init__(self, out: Writer) -> None:
        self._out = out
        self._packer = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _WINDOW)

    def write(self, block: bytes) -> None:
        """Compress `block`."""
        self._store(self._packer.compress(block))

    def finish(self) -> None:
        """Write what the compressor still holds."""
        self._store(self._packer.flush())

    def _store(self, packed: bytes) -> None:
        if packed:
            self._out.write(packed)
