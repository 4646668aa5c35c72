"""The outbox of webhook deliveries: each is added by the script that ends its job, and kept until it is settled.

A delivery has the job as it ended, so it is sent even if the job is retried or deleted. One dispatcher at a time takes
it; if that one dies, another takes it later. So each is delivered at least once, always with the same id.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from redis import Redis

from shared.jobs import keys
from shared.jobs.record import Job
from shared.json_types import JsonObject
from shared.runtime.redis_scripts import Script

SCRIPTS = Path(__file__).parent / "scripts"
GONE_SECONDS = 24 * 3600  # how long nothing is sent to a receiver that answered 410


@dataclass(frozen=True)
class Delivery:
    """One end of one job for its webhook. `tries` is the number of failed tries, which all have the same id."""

    id: str
    job: Job
    tries: int


class Outbox:
    """All deliveries. Raises `redis.RedisError` if Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._take, self._tried = (Script(redis, (SCRIPTS / f"{name}.lua").read_text()) for name in ("take", "tried"))

    def take(self, limit: int, seconds: float) -> list[Delivery]:
        """At most `limit` due deliveries, for this caller alone for so many seconds."""
        names = {"deliveries": keys.DELIVERIES, "deliveries_due": keys.DELIVERIES_DUE}
        flat = cast("list[str]", self._take(names, take_ms=int(seconds * 1000), limit=limit))
        return [_delivery(delivery_id, text) for delivery_id, text in zip(flat[::2], flat[1::2], strict=True)]

    def postpone(self, delivery: Delivery, seconds: float, outcome: JsonObject) -> None:
        """Count a failed try, add it to the job's log, and make the delivery due again after that time."""
        self._note(delivery, outcome, str(int(seconds * 1000)))

    def settle(self, delivery: Delivery, outcome: JsonObject) -> None:
        """Delete the delivery, successful or not, and add its outcome to the job's log."""
        self._note(delivery, outcome, "")

    def count(self) -> int:
        """How many are owed."""
        return int(self._redis.hlen(keys.DELIVERIES))

    def mark_gone(self, url: str) -> None:
        """Remember for a day that the receiver at this URL wants nothing more."""
        self._redis.set(_gone(url), 1, ex=GONE_SECONDS)

    def is_gone(self, url: str) -> bool:
        """Whether the receiver at this URL has said within a day that it wants nothing more."""
        return bool(self._redis.exists(_gone(url)))

    def _note(self, delivery: Delivery, outcome: JsonObject, due: str) -> None:
        names = {
            "deliveries": keys.DELIVERIES,
            "deliveries_due": keys.DELIVERIES_DUE,
            "record": keys.job(delivery.job.id),
            "events": keys.events(delivery.job.id),
        }
        self._tried(names, id=delivery.id, outcome=json.dumps({"notice": delivery.id, **outcome}), retry_ms=due)


def _delivery(delivery_id: str, text: str) -> Delivery:
    content = json.loads(text)
    flat = content["record"]
    return Delivery(delivery_id, Job.from_hash(dict(zip(flat[::2], flat[1::2], strict=True))), content["tries"])


def _gone(url: str) -> str:
    return keys.gone(hashlib.sha256(url.encode()).hexdigest())
