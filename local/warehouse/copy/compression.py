"""Unpacking gzip, bzip2 and zstd, a block at a time."""

from __future__ import annotations

import bz2
import ctypes
import ctypes.util
import importlib
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import SqlError, not_emulated

# Whichever of these is there: Python's own from 3.14 on, or its backport.
_ZSTD_MODULES = ("compression.zstd", "backports.zstd")


def unpacked(blocks: Iterator[bytes], compression: str, uri: str) -> Iterator[bytes]:
    """The plain bytes of a file. Raises SqlError if it is not packed that way, or not whole."""
    if not compression:
        yield from blocks
        return
    try:
        yield from _members(blocks, decompressor(compression), uri)
    except (zlib.error, OSError, EOFError, ValueError) as error:
        raise _broken(compression, uri, error) from error
    except Exception as error:  # each library has an error of its own (ZstdError, isal's IsalError)
        if type(error).__name__ not in ("ZstdError", "IsalError"):
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
    """What makes an unpacker of one member: gzip, bzip2 or zstd. Raises SqlError if nothing here can unpack it."""
    if compression == "gzip":
        module = _first_module("isal.isal_zlib") or zlib  # isal unpacks in half the time
        return lambda: module.decompressobj(wbits=31)
    if compression == "bzip2":
        return bz2.BZ2Decompressor
    module = zstd_module()
    if module is not None:
        return module.ZstdDecompressor
    package = _first_module("zstandard")
    if package is not None:
        return lambda: package.ZstdDecompressor().decompressobj()
    library = _unpacking_library()
    if library is not None:
        return lambda: LibraryZstd(library)
    raise not_emulated("COPY option ZSTD without Python 3.14, backports.zstd, zstandard or the system's libzstd")


def _first_module(*names: str) -> Any:
    for name in names:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            continue
    return None


def zstd_module() -> Any:
    """Python's own zstd, or its backport; None where neither is there."""
    return _first_module(*_ZSTD_MODULES)


def zstd_library() -> Any:
    """The system's libzstd, its functions not yet described; None where there is none."""
    name = ctypes.util.find_library("zstd")
    return None if name is None else ctypes.CDLL(name)


def _unpacking_library() -> Any:
    library = zstd_library()
    if library is None:
        return None
    library.ZSTD_createDStream.restype = ctypes.c_void_p
    library.ZSTD_freeDStream.argtypes = [ctypes.c_void_p]
    library.ZSTD_decompressStream.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    library.ZSTD_decompressStream.restype = ctypes.c_size_t
    library.ZSTD_isError.argtypes = [ctypes.c_size_t]
    library.ZSTD_getErrorName.argtypes = [ctypes.c_size_t]
    library.ZSTD_getErrorName.restype = ctypes.c_char_p
    return library


class _Buffer(ctypes.Structure):
    """ZSTD_inBuffer and ZSTD_outBuffer."""

    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_size_t), ("position", ctypes.c_size_t)]


class LibraryZstd:
    """One frame, unpacked by the system's libzstd; the interface is that of compression.zstd.ZstdDecompressor."""

    OUT_BYTES = 256 * 1024

    def __init__(self, library: Any) -> None:
        self._library = library
        self._stream = library.ZSTD_createDStream()
        self._out = ctypes.create_string_buffer(self.OUT_BYTES)
        self.eof = False
        self.unused_data = b""

    def __del__(self) -> None:
        self._library.ZSTD_freeDStream(self._stream)

    def decompress(self, data: bytes) -> bytes:
        """What of the frame these bytes give; raises ValueError if they are not zstd's."""
        source = _Buffer(ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p), len(data), 0)
        found = []
        while True:
            target = _Buffer(ctypes.cast(self._out, ctypes.c_void_p), self.OUT_BYTES, 0)
            left = self._library.ZSTD_decompressStream(self._stream, ctypes.byref(target), ctypes.byref(source))
            if self._library.ZSTD_isError(left):
                raise ValueError(self._library.ZSTD_getErrorName(left).decode())
            found.append(self._out.raw[: target.position])
            if left == 0:
                self.eof, self.unused_data = True, data[source.position :]
                break
            if source.position == source.size and target.position < self.OUT_BYTES:
                break
        return b"".join(found)
