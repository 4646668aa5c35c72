"""`Idempotency-Key`: a request that makes something is done once, however often it is sent.

An answer that says that something was made is kept, and given to each later request with the same key and the same
payload. An error is not kept: nothing was made, and the request may be tried again.
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
from shared.idempotency import Answered, Held, IdempotencyKeys
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
SIGN_OF_LIFE_SECONDS = 10.0


def idempotent(keys: IdempotencyKeys) -> Callable[[View], View]:
    """Return a decorator for a view that creates something: it accepts the header `Idempotency-Key`.

    It stands below `operation`, which documents the header for such a view. Raises TypeError if it stands above.
    """

    def decorate(view: View) -> View:
        if operation_of(view) is not None:
            raise TypeError(f"put @idempotent below @operation at {view.__qualname__}: @operation documents the header")
        answer = _once(view, keys)
        vars(answer)[CREATES] = True
        return cast("View", answer)

    return decorate


def id_to_make() -> str:
    """The id for what the current request makes: the same one if it is sent again after its server died."""
    held: Held | None = g.get("idempotency")
    return new_id() if held is None else held.id


def _once(view: Callable[..., Any], keys: IdempotencyKeys) -> Callable[..., Any]:
    @wraps(view)
    def answer(**arguments: Any) -> Any:
        key = _given()
        if key is None:
            return view(**arguments)
        held = keys.begin(log_context.current().get("key", ""), key)
        if isinstance(held, Answered):
            return _again(held)
        g.idempotency = held
        body = _Body(request.stream, lambda: keys.renew(held))
        request.stream = body  # type: ignore[assignment]
        try:
            response = current_app.make_response(view(**arguments))
        except BaseException:
            with suppress(RedisError):
                keys.give_back(held)
            raise
        if response.status_code < 300:
            digest, length = body.fingerprint.digest()
            location = response.headers.get("Location", "")
            text = response.get_data(as_text=True)
            _keep(keys, held, Answered(digest, length, response.status_code, location, text))
        else:
            keys.give_back(held)
        return response

    return answer


def _keep(keys: IdempotencyKeys, held: Held, answered: Answered) -> None:
    try:
        keys.finish(held, answered)
    except RedisError as error:  # what was made is made; a request that comes again finds it under the key's id
        log.warning("the answer to an Idempotency-Key could not be kept: %s", explained(error))


def _again(answered: Answered) -> Response:
    """The answer once more; raises `Invalid` where the request is not the one that it was given to."""
    fingerprint = Fingerprint()
    while fingerprint.length <= answered.length and (block := request.stream.read(durable.BLOCK)):
        fingerprint.update(block)
    if fingerprint.digest() != (answered.fingerprint, answered.length):
        raise Invalid(
            "idempotency_key_reused", "this Idempotency-Key came with another request before; make a new key for this"
        )
    response = Response(answered.body, answered.status, content_type="application/json")
    response.headers[REPLAYED] = "true"
    if answered.location:
        response.headers["Location"] = answered.location
    return response


def _given() -> str | None:
    """The request's key, in quotes or without; None where it has none."""
    text = request.headers.get(HEADER)
    if text is None:
        return None
    match = QUOTED.fullmatch(text) or BARE.fullmatch(text)
    key = None if match is None else re.sub(r"\\(.)", r"\1", match[match.lastindex or 0])
    if not key or len(key) > MAX_LENGTH or not key.isascii() or not key.isprintable():
        raise Malformed(
            "malformed_idempotency_key", f"{HEADER} must be 1 to {MAX_LENGTH} printable characters of ASCII"
        )
    return key


class _Body:
    """A request's body whose reader takes its fingerprint and shows that the request lives."""

    def __init__(self, stream: IO[bytes], sign_of_life: Callable[[], None]) -> None:
        self.fingerprint = Fingerprint()
        self._stream = stream
        self._sign_of_life = sign_of_life
        self._shown_at = time.monotonic()

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        content = self._stream.read(size)
        self.fingerprint.update(content)
        if time.monotonic() - self._shown_at > SIGN_OF_LIFE_SECONDS:
            self._shown_at = time.monotonic()
            self._sign_of_life()
        return content


class Fingerprint:
    """The SHA-256 of the current request's path, query and body, taken while the body is read.

    A form's boundary is left out: a client that sends a form again makes up another one.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256(b"\0".join((request.path.encode(), request.query_string, b"")))
        self._boundary = request.mimetype_params.get("boundary", "").encode()
        self._tail = b""  # may be the beginning of a boundary
        self.length = 0

    def update(self, content: bytes) -> None:
        """Take in the body's next bytes."""
        if self._boundary:
            *parts, last = (self._tail + content).split(self._boundary)
            kept = min(len(last), len(self._boundary) - 1)
            self._tail = last[len(last) - kept :]
            content = b"".join([*parts, last[: len(last) - kept]])
        self._digest.update(content)
        self.length += len(content)

    def digest(self) -> tuple[str, int]:
        """The fingerprint, and how many bytes it is of, when the body is read to its end."""
        whole = self._digest.copy()
        whole.update(self._tail)
        return whole.hexdigest(), self.length + len(self._tail)
