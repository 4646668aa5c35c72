"""Idempotency keys: a request with an Idempotency-Key is run once, and its response is stored and repeated.

The first request with a key holds it. If its process dies, the next request takes over the key and the id of the
resource to create. If the first request has already created the resource, it has that id, and is not created twice.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from uuid import uuid4

from redis import Redis

from shared.errors import Conflict
from shared.jobs import keys
from shared.runtime.redis_scripts import Script
from shared.storage.names import new_id

SCRIPTS = Path(__file__).parent


@dataclass(frozen=True)
class StoredResponse:
    """The stored response. `fingerprint` is the digest of the first request, `length` the bytes of its body."""

    fingerprint: str
    length: int
    status: int
    location: str
    body: str


@dataclass(frozen=True)
class Held:
    """A key that the request holds, and the id for the resource that it creates."""

    name: str
    token: str
    id: str


class IdempotencyKeys:
    """The store of idempotency keys. Raises `redis.RedisError` if Redis does not answer.

    keep_seconds: how long a response is kept. lease_seconds: how long a request holds its key without renewing it.
    """

    def __init__(self, redis: Redis, keep_seconds: float, lease_seconds: float) -> None:
        self._keep_ms = int(keep_seconds * 1000)
        self._lease_ms = int(lease_seconds * 1000)
        self._begin, self._write, self._release = (
            Script(redis, (SCRIPTS / f"{name}.lua").read_text()) for name in ("begin", "write", "release")
        )

    def begin(self, owner: str, key: str) -> Held | StoredResponse:
        """Take the owner's key, or return the stored response; raises `Conflict` while another request holds it."""
        digest = hashlib.sha256(f"{owner}\0{key}".encode()).hexdigest()  # a key may have any length and any characters
        name, token = keys.idempotency(digest), uuid4().hex
        flat = cast(
            "list[str]",
            self._begin({"record": name}, token=token, new_id=new_id(), lease_ms=self._lease_ms, keep_ms=self._keep_ms),
        )
        record = dict(zip(flat[::2], flat[1::2], strict=True))
        if "status" in record:
            return StoredResponse(
                record["fingerprint"],
                int(record["length"]),
                int(record["status"]),
                record["location"],
                record["body"],
            )
        if record["token"] != token:
            raise Conflict(
                "idempotency_key_in_use", "another request with this Idempotency-Key is still running; try again soon"
            )
        return Held(name, token, record["id"])

    def renew(self, held: Held) -> None:
        """Renew the request's lease of its key."""
        self._write({"record": held.name}, token=held.token, lease_ms=self._lease_ms, fields=())

    def finish(self, held: Held, stored: StoredResponse) -> None:
        """Store the response, for repetitions of the request."""
        fields = [text for pair in vars(stored).items() for text in pair]
        self._write({"record": held.name}, token=held.token, lease_ms=self._lease_ms, fields=fields)

    def release(self, held: Held) -> None:
        """Release the key: nothing was created, and the request may be sent again, changed or not."""
        self._release({"record": held.name}, token=held.token)
