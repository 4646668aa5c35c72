"""Content codings (RFC 9110, section 8.4): gzip and deflate of request bodies, gzip of responses."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Protocol

from flask import Response, request

from shared.errors import Malformed, UnsupportedType

BLOCK = 1 << 18
COMPRESSED_BLOCK = 1 << 14  # a block's rest is copied after each gzip member, which may have 20 bytes
WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
ACCEPTED = "gzip, deflate, identity"
"""The value of Accept-Encoding in the response to another coding (RFC 9110, section 12.5.3)."""


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, empty at the end."""


def check_coding(coding: str) -> str:
    """Return the coding of a Content-Encoding header in lower case. Raises `UnsupportedType` for an unknown one."""
    name = coding.strip().lower() or "identity"
    if name != "identity" and name not in WINDOWS:
        raise UnsupportedType("encoding_unknown", f"Content-Encoding must be one of {ACCEPTED}; got {coding!r}")
    return name


def decoded(stream: Readable, coding: str, block_size: int = BLOCK) -> Iterator[bytes]:
    """Yield the stream's content in blocks of at most `block_size` bytes, decompressed if `coding` requires it.

    gzip data may have several members (RFC 1952, section 2.2). Raises `Malformed` if the data is truncated or damaged,
    or has other bytes after its end.
    """
    if coding == "identity":
        while block := stream.read(block_size):
            yield block
        return
    decompressor = zlib.decompressobj(WINDOWS[coding])
    begun = False
    while block := stream.read(COMPRESSED_BLOCK):
        while block:
            if decompressor.eof:
                if coding == "deflate":
                    raise Malformed("body_damaged", "the body has more bytes after the end of its deflate data")
                decompressor = zlib.decompressobj(WINDOWS[coding])
            yield from _content(decompressor, block, coding, block_size)
            block = decompressor.unused_data
            begun = True
    if not begun or not decompressor.eof:
        raise Malformed("body_cut_short", f"the body's {coding} data is truncated; send the request again")


def _content(decompressor: zlib._Decompress, block: bytes, coding: str, size: int) -> Iterator[bytes]:
    """Yield what the decompressor gets from a block, up to the end of its data."""
    try:
        content = decompressor.decompress(block, size)
        while content:
            yield content
            content = decompressor.decompress(decompressor.unconsumed_tail, size)
    except zlib.error as error:
        raise Malformed("body_damaged", f"the body is not valid {coding}: {error}") from error


def accepts_gzip() -> bool:
    """Return whether the client accepts gzip."""
    return request.accept_encodings.quality("gzip") > 0


def mark_as_gzip(response: Response) -> None:
    """Add the headers of a response whose body is compressed with gzip."""
    response.headers["Content-Encoding"] = "gzip"
    if (etag := response.get_etag())[0] is not None:
        response.set_etag(etag[0], weak=True)  # same resource, other bytes
