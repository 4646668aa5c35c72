"""Reading a request's body: within a limit, decompressed, compared with the digests that were announced.

An error while the body is read (a client that stalls, leaves, or sends invalid chunks) ends the body; it is
logged once and never raised into the application.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import re
import zlib
from collections.abc import Iterable
from typing import IO
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import request
from werkzeug.exceptions import ClientDisconnected

from shared.errors import Malformed, TooLarge, UnsupportedType

log = logging.getLogger(__name__)

FOR_MORE = "; use a batch for more"  # images than fit into a request for predictions
WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}

HEADERS = ("Content-Digest", "Repr-Digest")  # the same here: no body is coded
ALGORITHMS = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}
ENTRY = re.compile(r"([a-z0-9*_.-]+)=:([A-Za-z0-9+/=]*):")


class Incoming:
    """A body that can be read until it ends; `broken_off` says whether that was the end that the client meant."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.broken_off = False

    def read(self, size: int = -1) -> bytes:
        """The next bytes, or none at the end; fewer than `size` come only at the end."""
        if self.broken_off:
            return b""
        try:
            return self._stream.read(size)
        except Exception as error:  # each server has its own
            log.info("a body was broken off: %s", error)
            self.broken_off = True
            return b""


class SafeBodies:
    """A WSGI application in front of another, whose requests' bodies never raise."""

    def __init__(self, application: WSGIApplication) -> None:
        self.application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Have the request answered."""
        environ["wsgi.input"] = Incoming(environ["wsgi.input"])
        return self.application(environ, start_response)


def is_broken_off(environ: WSGIEnvironment) -> bool:
    """Whether the body, as far as it was read, ended before its time, which the length of chunked ones cannot tell."""
    return getattr(environ["wsgi.input"], "broken_off", False)


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


class AnnouncedDigests:
    """What the current request's headers say of its body; others' algorithms are passed over, as the standard says."""

    def __init__(self) -> None:
        self._checks = []
        for header in HEADERS:
            for entry in request.headers.get(header, "").split(","):
                if not entry.strip():
                    continue
                match = ENTRY.fullmatch(entry.strip())
                if match is None:
                    raise Malformed("malformed_digest", f"{header} must be like sha-256=:<base64>:")
                if match[1] in ALGORITHMS:
                    self._checks.append((header, _decode(header, match[2]), ALGORITHMS[match[1]]()))

    def update(self, content: bytes) -> None:
        """Take in the body's next bytes."""
        for _, _, digest in self._checks:
            digest.update(content)

    def check(self) -> None:
        """Raise `Malformed` where the body, which is all read, is not what was announced."""
        for header, announced, digest in self._checks:
            if not hmac.compare_digest(announced, digest.digest()):
                raise Malformed("digest_mismatch", f"the body that arrived is not the one that {header} announced")


def _decode(header: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Malformed("malformed_digest", f"{header} has no base64 in it") from error
