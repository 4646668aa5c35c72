"""A request's body as bytes, within a limit that holds for what it unpacks to as well."""

from __future__ import annotations

import zlib

from flask import request
from werkzeug.exceptions import ClientDisconnected

from api.incoming import is_broken_off
from shared.errors import Malformed, TooLarge, UnsupportedType

FOR_MORE = "; use a batch for more"  # images than fit into a request for predictions
WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


def whole_body(limit: int, advice: str = "") -> bytes:
    """The body, unpacked where its Content-Encoding is gzip or deflate.

    advice: what to do about one that is too large. Raises `TooLarge` for more than `limit` bytes, `Malformed` where it
    is cut short or damaged, `UnsupportedType`.
    """
    too_large = TooLarge("body_too_large", f"the body of this request may have at most {limit} bytes{advice}")
    length = request.content_length
    if length is not None and length > limit:
        raise too_large
    try:
        body = request.stream.read(limit + 1)
    except ClientDisconnected:
        body = b""
    if len(body) > limit:
        raise too_large
    if is_broken_off(request.environ) or (length is not None and len(body) != length):
        announced = "its last chunk" if length is None else f"the {length} bytes that it announced"
        raise Malformed("body_cut_short", f"the body ended before {announced}")
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    return body if encoding == "identity" else _unpacked(body, encoding, limit, too_large)


def _unpacked(body: bytes, encoding: str, limit: int, too_large: TooLarge) -> bytes:
    window = WINDOWS.get(encoding)
    if window is None:
        raise UnsupportedType("encoding_unknown", f"a body is taken as it is, or as {', '.join(WINDOWS)}")
    unpacker = zlib.decompressobj(window)
    try:
        unpacked = unpacker.decompress(body, limit + 1)
    except zlib.error as error:
        raise Malformed("body_damaged", f"the body is not {encoding}: {error}") from error
    if len(unpacked) > limit:
        raise too_large
    if not unpacker.eof:
        raise Malformed("body_cut_short", f"the body's {encoding} ends too early")
    return unpacked
