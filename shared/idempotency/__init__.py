"""What became of requests with an Idempotency-Key: each is done once, and answered alike as often as it is sent.

A key belongs to the request that came first with it. If that one dies, the next takes the key over, and with it the id
of what the dead one was to make: whatever of it was done already is found under that id, and not done twice.
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
class Answered:
    """How the first request was answered. `fingerprint` is the digest of what it asked for, `length` its bytes."""

    fingerprint: str
    length: int
    status: int
    location: str
    body: str


@dataclass(frozen=True)
class Held:
    """A key that is the request's own, and the id for what it is to make."""

    name: str
    token: str
    id: str


class IdempotencyKeys:
    """The keys in use and used. Raises `redis.RedisError` where Redis does not answer.

    keep_seconds: how long an answer is given again. lease_seconds: how long a request may show no sign of life.
    """

    def __init__(self, redis: Redis, keep_seconds: float, lease_seconds: float) -> None:
        self._keep_ms = int(keep_seconds * 1000)
        self._lease_ms = int(lease_seconds * 1000)
        self._begin, self._write, self._give_back = (
            Script(redis, (SCRIPTS / f"{name}.lua").read_text()) for name in ("begin", "write", "give_back")
        )

    def begin(self, owner: str, key: str) -> Held | Answered:
        """Take the owner's key, or learn how it was answered; raises `Conflict` while another request holds it."""
        digest = hashlib.sha256(f"{owner}\0{key}".encode()).hexdigest()  # of any length, with any characters
        name, token = keys.idempotency(digest), uuid4().hex
        flat = cast(
            "list[str]",
            self._begin({"record": name}, token=token, new_id=new_id(), lease_ms=self._lease_ms, keep_ms=self._keep_ms),
        )
        record = dict(zip(flat[::2], flat[1::2], strict=True))
        if "status" in record:
            return Answered(
                record["fingerprint"],
                int(record["length"]),
                int(record["status"]),
                record["location"],
                record["body"],
            )
        if record["token"] != token:
            raise Conflict(
                "idempotency_key_in_use", "a request with this Idempotency-Key is being worked on; try again soon"
            )
        return Held(name, token, record["id"])

    def renew(self, held: Held) -> None:
        """Show a sign of life."""
        self._write({"record": held.name}, token=held.token, lease_ms=self._lease_ms, fields=())

    def finish(self, held: Held, answered: Answered) -> None:
        """Keep the answer for whoever sends the request again."""
        fields = [text for pair in vars(answered).items() for text in pair]
        self._write({"record": held.name}, token=held.token, lease_ms=self._lease_ms, fields=fields)

    def give_back(self, held: Held) -> None:
        """Forget the key: nothing was made, and the request may be sent again, changed or not."""
        self._give_back({"record": held.name}, token=held.token)
