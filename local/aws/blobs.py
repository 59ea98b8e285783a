"""Bodies of S3 objects and of requests, held once: small ones inline, large ones as files named by their SHA-256.

The journal and the snapshot refer to a large body by its digest, and moto's objects read it from the file, so an object
stands once on disk and not at all in memory.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INLINE_LIMIT_BYTES = 16 * 1024


@dataclass(frozen=True)
class Body:
    """A stored body: either `inline`, or the file with this `sha256`."""

    size_bytes: int
    inline: bytes | None = None
    sha256: str | None = None


class BlobStore:
    """Content-addressed files under `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)

    def put(self, data: bytes) -> Body:
        """Store `data`; when this returns, a kill -9 no longer loses it."""
        if len(data) <= INLINE_LIMIT_BYTES:
            return Body(len(data), inline=bytes(data))
        digest = hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            # The name is the thread's own, so that two uploads of the same body cannot mix.
            partial = path.with_name(f"{digest}.{os.getpid()}.{threading.get_ident()}.partial")
            partial.write_bytes(data)
            partial.replace(path)
        return Body(len(data), sha256=digest)

    def read(self, body: Body) -> bytes:
        """The bytes of `body`."""
        if body.sha256 is None:
            return body.inline or b""
        return self._path(body.sha256).read_bytes()

    def keep_only(self, digests: AbstractSet[str]) -> int:
        """Delete every file whose digest is not in `digests`; returns how many. Only safe while nothing is served."""
        removed = 0
        for path in self._root.glob("*/*"):
            if path.name not in digests:
                path.unlink()
                removed += 1
        return removed

    def _path(self, digest: str) -> Path:
        return self._root / digest[:2] / digest


_current: BlobStore | None = None
_seen: set[str] | None = None


def use(store: BlobStore) -> None:
    """Make `store` the place where moto's S3 keeps bodies from now on."""
    global _current
    _current = store


def start_collecting() -> set[str]:
    """From now on, note the digest of every object that is pickled; returns the set that fills up."""
    global _seen
    _seen = set()
    return _seen


def _store() -> BlobStore:
    if _current is None:
        raise RuntimeError("blobs.use() has not been called: there is no place to keep S3 bodies")
    return _current


def install() -> None:
    """Replace the temporary files of moto's S3 keys by bodies in the blob store."""
    from moto.s3.models import FakeKey

    FakeKey.value = property(_get_value, _set_value)  # type: ignore[assignment, method-assign]
    FakeKey.etag = property(_etag)  # type: ignore[assignment, method-assign]
    FakeKey.__getstate__ = _getstate  # type: ignore[method-assign]
    FakeKey.__setstate__ = _setstate  # type: ignore[method-assign]
    FakeKey.dispose = _dispose  # type: ignore[method-assign]


def _get_value(key: Any) -> bytes:
    return _store().read(key._body)


def _set_value(key: Any, value: bytes | str) -> None:
    data = value.encode() if isinstance(value, str) else value
    key._body = _store().put(data)
    key.contentsize = len(data)
    # The empty buffer that the constructor made is of no use any more.
    buffer = key.__dict__.pop("_value_buffer", None)
    if buffer is not None:
        buffer.close()


def _etag(key: Any) -> str:
    if key._etag is None:
        key._etag = hashlib.md5(key.value, usedforsecurity=False).hexdigest()
    return f'"{key._etag}"'


def _getstate(key: Any) -> dict[str, Any]:
    if _seen is not None and key._body.sha256 is not None:
        _seen.add(key._body.sha256)
    return {name: value for name, value in key.__dict__.items() if name != "lock"}


def _setstate(key: Any, state: dict[str, Any]) -> None:
    key.__dict__.update(state)
    key.lock = threading.Lock()


def _dispose(key: Any, garbage: bool = False) -> None:
    """There is no open file to close."""
    key.disposed = True
