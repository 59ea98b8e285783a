"""One result page as a stream of bytes that survives being cut.

A page whose connection breaks is asked for again. The bytes that were already passed on are read
again, compared by SHA-256 with those of the first time, and dropped; so what comes out is either the
page, byte for byte and once, or an error.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator

import requests
from isal import igzip_lib
from urllib3.exceptions import HTTPError

from idiscover.errors import RetriableError
from idiscover.salesforce.session import SalesforceSession

CHUNK_BYTES = 64 * 1024
_MOST_STALLS = 5  # cuts in a row that brought nothing new, or too little
_SLOW_SECONDS = 180.0  # of waiting, in which so many bytes have to come
_LEAST_BYTES = 64 * 1024
_NO_MORE_PAGES = "null"


class PageChanged(RetriableError):
    """A page that was asked for again did not begin with the bytes it had before."""


class TooSlow(requests.Timeout):
    """A connection that still brings something, but would take for ever."""


class PageStream:
    """Reads one page.

    Attributes:
        announced_rows: Sforce-NumberOfRecords; None before the first byte or where a proxy strips it.
        next_locator: Sforce-Locator; None at the end of the chain.
        resumes: how often the page was cut and taken up again.
        bytes: decoded bytes passed on so far.
    """

    def __init__(self, session: SalesforceSession, path: str) -> None:
        self._session = session
        self._path = path
        self._digest = hashlib.sha256()
        self.announced_rows: int | None = None
        self.next_locator: str | None = None
        self.resumes = 0
        self.bytes = 0

    def chunks(self) -> Iterator[bytes]:
        """The page's bytes, at most `CHUNK_BYTES` at a time.

        Raises:
            PageChanged: the page is not what it was before the cut; start it over.
            RetriableError: the page is cut again and again at the same place, or comes too slowly each time.
        """
        stalls = 0
        while True:
            before = self.bytes
            try:
                yield from self._attempt()
                return
            except requests.RequestException as error:
                stalls = stalls + 1 if self.bytes == before or isinstance(error, TooSlow) else 0
                if stalls >= _MOST_STALLS:
                    raise RetriableError(
                        f"A result page is cut {stalls} times at byte {self.bytes}",
                        where=self._path,
                        got=f"{type(error).__name__}: {error}",
                        remedy="run the extraction again",
                    ) from error
                self._session.retry.pause(stalls)
                self.resumes += 1

    def _attempt(self) -> Iterator[bytes]:
        answer = self._session.send("GET", self._path, stream=True)
        try:
            self._read_headers(answer)
            body = _paced(_decoded(answer))
            first = self._skip_taken(body)
            if first:
                yield self._took(first)
            for chunk in body:
                yield self._took(chunk)
        finally:
            answer.close()

    def _took(self, chunk: bytes) -> bytes:
        self._digest.update(chunk)
        self.bytes += len(chunk)
        return chunk

    def _skip_taken(self, body: Iterator[bytes]) -> bytes:
        """Read what was passed on before; what follows it in the same chunk is returned."""
        again = hashlib.sha256()
        left = self.bytes
        while left:
            chunk = next(body, None)
            if chunk is None:
                break
            again.update(chunk[:left])
            if len(chunk) >= left:
                self._check(again.digest())
                return chunk[left:]
            left -= len(chunk)
        self._check(again.digest())
        return b""

    def _check(self, digest: bytes) -> None:
        if digest != self._digest.digest():
            raise PageChanged(
                "A result page that was cut came back with other contents",
                where=self._path,
                got=f"a difference within the first {self.bytes} bytes",
                remedy="read the page from its beginning",
            )

    def _read_headers(self, answer: requests.Response) -> None:
        rows = answer.headers.get("Sforce-NumberOfRecords", "")
        self.announced_rows = int(rows) if rows.isdigit() else None
        locator = answer.headers.get("Sforce-Locator") or _NO_MORE_PAGES
        self.next_locator = None if locator == _NO_MORE_PAGES else locator


def _paced(body: Iterator[bytes]) -> Iterator[bytes]:
    """`body`, as long as it keeps a pace; only the time that is waited for it counts.

    Raises:
        TooSlow: a read timeout would never notice, as it begins anew with each byte.
    """
    waited, arrived = 0.0, 0
    while True:
        started = time.monotonic()
        chunk = next(body, None)
        waited += time.monotonic() - started
        if chunk is None:
            return
        arrived += len(chunk)
        if waited >= _SLOW_SECONDS:
            if arrived < _LEAST_BYTES:
                raise TooSlow(f"{arrived} bytes in {waited:.0f} seconds")
            waited, arrived = 0.0, 0
        yield chunk


def _decoded(answer: requests.Response) -> Iterator[bytes]:
    """The body, at most `CHUNK_BYTES` at a time. requests unpacks it by zlib, at half the speed.

    Raises:
        requests.RequestException: it is cut, or not what its headers say.
    """
    if answer.headers.get("Content-Encoding", "").lower() != "gzip":
        yield from answer.iter_content(CHUNK_BYTES)
        return
    try:
        yield from _unpacked(answer.raw.stream(CHUNK_BYTES, decode_content=False))
    except HTTPError as error:
        raise requests.ConnectionError(error) from error
    except igzip_lib.error as error:
        raise requests.exceptions.ContentDecodingError(error) from error


def _unpacked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    unpacker = _unpacker()
    for packed in pieces:
        while packed or not (unpacker.needs_input or unpacker.eof):
            if unpacker.eof:  # a stream may be followed by another
                unpacker = _unpacker()
            text = unpacker.decompress(packed, CHUNK_BYTES)
            packed = unpacker.unused_data
            if text:
                yield text
    if not unpacker.eof:
        raise requests.exceptions.ContentDecodingError("the body ends before its gzip stream does")


def _unpacker() -> igzip_lib.IgzipDecompressor:
    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
