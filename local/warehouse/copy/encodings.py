"""ENCODING: load data in another encoding, turned into UTF-8 on their way."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from ..errors import SqlError

CODECS = {"utf8": "utf-8", "utf16": "utf-16", "utf16le": "utf-16-le", "utf16be": "utf-16-be", "iso88591": "latin-1"}
_BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def as_utf8(blocks: Iterator[bytes], encoding: str, uri: str) -> Iterator[bytes]:
    """The file's bytes in UTF-8. UTF-8 itself passes unseen: what is wrong in it is a matter of records.

    Raises SqlError for a file that is not in the encoding, or in UTF16 without a byte order mark.
    """
    if encoding == "utf8":
        yield from blocks
        return
    decoder = codecs.getincrementaldecoder(CODECS[encoding])()
    is_first = True
    try:
        for block in blocks:
            if is_first and encoding == "utf16" and block[:2] not in _BYTE_ORDER_MARKS:
                raise _other_encoding(uri, "ENCODING UTF16 needs a byte order mark; there is none")
            text = decoder.decode(block)
            yield (text.removeprefix("\ufeff") if is_first else text).encode()
            is_first = False
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise _other_encoding(uri, str(error)) from error


def _other_encoding(uri: str, detail: str) -> SqlError:
    return SqlError(f"The encoding of {uri} is not the same as that specified in the COPY command", detail=detail)
