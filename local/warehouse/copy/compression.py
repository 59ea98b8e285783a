"""Unpacking gzip, bzip2 and zstd, a block at a time."""

from __future__ import annotations

import bz2
import importlib
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import SqlError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def unpacked(blocks: Iterator[bytes], compression: str, uri: str) -> Iterator[bytes]:
    """The plain bytes of a file. Raises SqlError if it is not packed that way, or not whole."""
    if not compression:
        yield from blocks
        return
    try:
        yield from _members(blocks, decompressor(compression), uri)
    except (zlib.error, zstd.ZstdError, OSError, EOFError, ValueError) as error:
        raise _broken(compression, uri, error) from error
    except Exception as error:  # isal, which need not be there, has an error of its own
        if type(error).__name__ != "IsalError":
            raise
        raise _broken(compression, uri, error) from error


def _broken(compression: str, uri: str, error: Exception) -> SqlError:
    return SqlError(f"File {uri} is not a whole {compression} file: {error}")


def _members(blocks: Iterator[bytes], make: Callable[[], Any], uri: str) -> Iterator[bytes]:
    """Any number of compressed members behind one another, as gzip allows."""
    unpacker, begun = make(), False
    for block in blocks:
        data = block
        while data:
            begun = True
            if plain := unpacker.decompress(data):
                yield plain
            data = unpacker.unused_data if unpacker.eof else b""
            if unpacker.eof:
                unpacker, begun = make(), False
    if begun:
        raise EOFError(f"{uri} ends too early")


def decompressor(compression: str) -> Callable[[], Any]:
    """What makes an unpacker of one member: gzip, bzip2 or zstd."""
    if compression == "gzip":
        return _gzip_decompressor()
    return bz2.BZ2Decompressor if compression == "bzip2" else zstd.ZstdDecompressor


def _gzip_decompressor() -> Callable[[], Any]:
    """isal unpacks in half the time of zlib, where it is installed."""
    try:
        module = importlib.import_module("isal.isal_zlib")
    except ModuleNotFoundError:
        module = zlib
    return lambda: module.decompressobj(wbits=31)
