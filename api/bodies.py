"""A request's body as bytes, within a limit that holds for what it unpacks to as well."""

from __future__ import annotations

import zlib

from flask import request
from werkzeug.exceptions import ClientDisconnected

from shared.errors import Malformed, TooLarge, UnsupportedType

WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


def whole_body(limit: int) -> bytes:
    """The body, unpacked where its Content-Encoding is gzip or deflate.

    Raises `TooLarge` for more than `limit` bytes, `Malformed` where it is cut short or damaged, `UnsupportedType`.
    """
    length = request.content_length
    if length is not None and length > limit:
        raise _too_large(limit)
    try:
        body = request.stream.read(limit + 1)
    except (ClientDisconnected, OSError):
        body = b""
    if len(body) > limit:
        raise _too_large(limit)
    if length is not None and len(body) != length:
        raise Malformed("body_cut_short", f"the body ended before the {length} bytes that it announced")
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    return body if encoding == "identity" else _unpacked(body, encoding, limit)


def _unpacked(body: bytes, encoding: str, limit: int) -> bytes:
    window = WINDOWS.get(encoding)
    if window is None:
        raise UnsupportedType("encoding_unknown", f"a body is taken as it is, or as {', '.join(WINDOWS)}")
    unpacker = zlib.decompressobj(window)
    try:
        unpacked = unpacker.decompress(body, limit + 1)
    except zlib.error as error:
        raise Malformed("body_damaged", f"the body is not {encoding}: {error}") from error
    if len(unpacked) > limit:
        raise _too_large(limit)
    if not unpacker.eof:
        raise Malformed("body_cut_short", f"the body's {encoding} ends too early")
    return unpacked


def _too_large(limit: int) -> TooLarge:
    return TooLarge("body_too_large", f"a request for predictions may have at most {limit} bytes; use a batch for more")
