"""`Idempotency-Key`: a request that creates something takes effect once, even if it is sent several times.

A successful response is stored, and replayed for each later request with the same key and payload. An error is not
stored: nothing was created, and the request may be retried.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import IO, Any, TypeVar, cast

from flask import Response, current_app, g, request
from redis import RedisError

from api.schema.operations import CREATES, operation_of
from shared.errors import Invalid, Malformed
from shared.idempotency import Held, IdempotencyKeys, StoredResponse
from shared.runtime import log_context
from shared.runtime.redis_faults import explained
from shared.storage import durable
from shared.storage.names import new_id

log = logging.getLogger(__name__)

View = TypeVar("View", bound=Callable[..., Any])

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
MAX_LENGTH = 255
QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')  # a string of RFC 9651
BARE = re.compile(r'[^"\\]*')
RENEW_SECONDS = 10.0  # between two renewals of the key's lease


def idempotent(keys: IdempotencyKeys) -> Callable[[View], View]:
    """Return a decorator for a view that creates something: it accepts the header `Idempotency-Key`.

    Place it below `operation`, which documents the header. Raises TypeError if it is above.
    """

    def decorate(view: View) -> View:
        if operation_of(view) is not None:
            raise TypeError(f"put @idempotent below @operation at {view.__qualname__}: @operation documents the header")
        decorated = _once(view, keys)
        vars(decorated)[CREATES] = True
        return cast("View", decorated)

    return decorate


def id_to_make() -> str:
    """Return the id of the resource that the current request creates. A retry after a server crash gets the same id."""
    held: Held | None = g.get("idempotency")
    return new_id() if held is None else held.id


def _once(view: Callable[..., Any], keys: IdempotencyKeys) -> Callable[..., Any]:
    @wraps(view)
    def respond(**arguments: Any) -> Any:
        key = _given()
        if key is None:
            return view(**arguments)
        held = keys.begin(log_context.current().get("key", ""), key)
        if isinstance(held, StoredResponse):
            return _replay(held)
        g.idempotency = held
        body = _Body(request.stream, lambda: keys.renew(held))
        request.stream = body  # type: ignore[assignment]
        try:
            response = current_app.make_response(view(**arguments))
        except BaseException:
            with suppress(RedisError):
                keys.release(held)
            raise
        if response.status_code < 300:
            digest, length = body.fingerprint.digest()
            location = response.headers.get("Location", "")
            text = response.get_data(as_text=True)
            _keep(keys, held, StoredResponse(digest, length, response.status_code, location, text))
        else:
            keys.release(held)
        return response

    return respond


def _keep(keys: IdempotencyKeys, held: Held, stored: StoredResponse) -> None:
    try:
        keys.finish(held, stored)
    except RedisError as error:  # the resource exists; a retry gets the same id and finds it
        log.warning("the response for an Idempotency-Key could not be stored: %s", explained(error))


def _replay(stored: StoredResponse) -> Response:
    """Return the stored response. Raises `Invalid` if the request differs from the first one with this key."""
    fingerprint = Fingerprint()
    while fingerprint.length <= stored.length and (block := request.stream.read(durable.BLOCK)):
        fingerprint.update(block)
    if fingerprint.digest() != (stored.fingerprint, stored.length):
        raise Invalid(
            "idempotency_key_reused",
            "this Idempotency-Key was used with a different request; use a new key for this request",
        )
    response = Response(stored.body, stored.status, content_type="application/json")
    response.headers[REPLAYED] = "true"
    if stored.location:
        response.headers["Location"] = stored.location
    return response


def _given() -> str | None:
    """Return the request's key, quoted or bare in the header; None if it has none. Raises `Malformed`."""
    text = request.headers.get(HEADER)
    if text is None:
        return None
    match = QUOTED.fullmatch(text) or BARE.fullmatch(text)
    key = None if match is None else re.sub(r"\\(.)", r"\1", match[match.lastindex or 0])
    if not key or len(key) > MAX_LENGTH or not key.isascii() or not key.isprintable():
        raise Malformed("malformed_idempotency_key", f"{HEADER} must be 1 to {MAX_LENGTH} printable ASCII characters")
    return key


class _Body:
    """A request's body. Reading it updates its fingerprint and renews the key's lease."""

    def __init__(self, stream: IO[bytes], renew: Callable[[], None]) -> None:
        self.fingerprint = Fingerprint()
        self._stream = stream
        self._renew = renew
        self._renewed_at = time.monotonic()

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        content = self._stream.read(size)
        self.fingerprint.update(content)
        if time.monotonic() - self._renewed_at > RENEW_SECONDS:
            self._renewed_at = time.monotonic()
            self._renew()
        return content


class Fingerprint:
    """The SHA-256 of the current request's path, query and body, computed while the body is read.

    The headers `Upload-…`, which say what a resumable upload is, count as a part of the path.

    A form's boundary is omitted, because a client that resends a form generates a new boundary.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256(b"\0".join((request.path.encode(), request.query_string, *_of_uploads(), b"")))
        self._boundary = request.mimetype_params.get("boundary", "").encode()
        self._tail = b""  # might be the start of a boundary
        self.length = 0

    def update(self, content: bytes) -> None:
        """Add the body's next bytes."""
        if self._boundary:
            *parts, last = (self._tail + content).split(self._boundary)
            kept = min(len(last), len(self._boundary) - 1)
            self._tail = last[len(last) - kept :]
            content = b"".join([*parts, last[: len(last) - kept]])
        self._digest.update(content)
        self.length += len(content)

    def digest(self) -> tuple[str, int]:
        """Return the fingerprint of the bytes read so far, and their number without boundaries."""
        whole = self._digest.copy()
        whole.update(self._tail)
        return whole.hexdigest(), self.length + len(self._tail)


def _of_uploads() -> list[bytes]:
    return sorted(f"{name}: {value}".encode() for name, value in request.headers.items() if name.startswith("Upload-"))
