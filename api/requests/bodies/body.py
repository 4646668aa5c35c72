"""Request bodies: size limit, decompression, and comparison with the digests in the headers.

An error while the body is read (the client stalls, disconnects, or sends invalid chunks) ends the body. It is logged
once, and never raised into the application.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import io
import logging
import re
from collections.abc import Iterable
from contextlib import suppress
from typing import IO
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import request
from werkzeug.exceptions import ClientDisconnected

from api.requests.bodies.content_coding import check_coding, decoded
from api.requests.online.memory import held
from api.server.client_socket import SlowClient
from shared.errors import Malformed, TooLarge, TooSlow
from shared.runtime.settings import Limit

log = logging.getLogger(__name__)

BLOCK = 64 << 10  # bytes received before a body counts as faster
FOR_MORE = "; submit a batch job for more images"

HEADERS = ("Content-Digest", "Repr-Digest")  # equal for uploads, which have no content coding
ALGORITHMS = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}
ENTRY = re.compile(r"([a-z0-9*_.-]+)=:([A-Za-z0-9+/=]*):")


class Incoming:
    """A body whose reads never raise. `error` is what ended it early."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.error: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, empty at the end. Fewer than `size` bytes are returned only at the end."""
        if self.error is not None:
            return b""
        try:
            return self._stream.read(size)
        except Exception as error:  # each WSGI server raises its own types
            log.info("a request body was interrupted: %s", error)
            self.error = error
            return b""


class SafeBodies:
    """A WSGI middleware that replaces each request's body with an `Incoming`."""

    def __init__(self, application: WSGIApplication) -> None:
        self.application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Handle a request."""
        environ["wsgi.input"] = Incoming(environ["wsgi.input"])
        return self.application(environ, start_response)


def interruption(environ: WSGIEnvironment) -> Exception | None:
    """Return the error that ended the body early. A chunked body has no length that could show it."""
    return getattr(environ["wsgi.input"], "error", None)


def ended_early(detail: str) -> TooSlow | Malformed:
    """Return the error for a body that is not complete: the client was too slow, or `detail` applies."""
    error = interruption(request.environ)
    if isinstance(error, SlowClient):
        return TooSlow("body_too_slow", f"{error}; send the request again")
    return Malformed("body_cut_short", f"{detail}; send the request again")


def whole_body(allowed: Limit, advice: str = "") -> bytes:
    """Return the body, decompressed if its Content-Encoding is gzip or deflate.

    advice: appended to the message if the body is too large. Raises `TooLarge` for more bytes than allowed, `Malformed`
    if the body is truncated or damaged, `UnsupportedType` for another coding, `Unavailable` if other requests use the
    memory.
    """
    coding = check_coding(request.headers.get("Content-Encoding", ""))
    limit, variable = allowed
    too_large = TooLarge(
        "body_too_large", f"the body of this request may have at most {limit} bytes ({variable}){advice}"
    )
    length = request.content_length
    if length is not None and length > limit:
        raise too_large
    own = held(request.environ)
    own.body((limit if length is None else length) + (0 if coding == "identity" else limit))
    body = _received(limit if length is None else length, limit)
    if len(body) > limit:
        raise too_large
    if interruption(request.environ) or (length is not None and len(body) != length):
        expected = "its last chunk" if length is None else f"the {length} bytes of its Content-Length"
        raise ended_early(f"the body ended before {expected}")
    whole = body if coding == "identity" else _decompressed(body, coding, limit, too_large)
    own.work(len(whole))
    return whole


def _received(size: int, limit: int) -> bytes:
    """Return the body, or its first `limit` + 1 bytes. `size`: the most bytes that are expected."""
    blocks, total = [], 0
    client = request.environ.get("gunicorn.socket")
    interrupt = getattr(client, "interrupt_body", lambda _: None)  # other servers have their own sockets
    with held(request.environ).receive(size, interrupt) as incoming, suppress(ClientDisconnected):
        while total <= limit and (block := request.stream.read(min(BLOCK, limit + 1 - total))):
            blocks.append(block)
            total += len(block)
            incoming.received = total
    return b"".join(blocks)


def _decompressed(body: bytes, coding: str, limit: int, too_large: TooLarge) -> bytes:
    blocks, total = [], 0
    for block in decoded(io.BytesIO(body), coding, limit + 1):
        blocks.append(block)
        total += len(block)
        if total > limit:
            raise too_large
    return b"".join(blocks)  # no copy of a single block


class ExpectedDigests:
    """The body's digests in the request's headers (RFC 9530). Unknown algorithms are ignored, as the RFC requires."""

    def __init__(self) -> None:
        self._checks = []
        for header in HEADERS:
            for entry in request.headers.get(header, "").split(","):
                if not entry.strip():
                    continue
                match = ENTRY.fullmatch(entry.strip())
                if match is None:
                    raise Malformed("malformed_digest", f"{header} must have the form sha-256=:<base64>:")
                if match[1] in ALGORITHMS:
                    self._checks.append((header, _decode(header, match[2]), ALGORITHMS[match[1]]()))

    def update(self, content: bytes) -> None:
        """Add the body's next bytes."""
        for _, _, digest in self._checks:
            digest.update(content)

    def check(self) -> None:
        """Raise `Malformed` if a digest differs. Call it after the whole body is read."""
        for header, expected, digest in self._checks:
            if not hmac.compare_digest(expected, digest.digest()):
                raise Malformed("digest_mismatch", f"the body does not match its {header}; send the request again")


def _decode(header: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Malformed("malformed_digest", f"{header} holds invalid base64") from error
