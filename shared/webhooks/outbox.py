"""The notices that webhooks are owed: written down in the same step that ends a job, kept until they are settled.

A notice holds the job as it ended, so it is told even if the job is tried again or deleted meanwhile. It is taken by
one courier at a time; one that dies with it leaves it to the next. So each is delivered at least once, under one id.
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
GONE_SECONDS = 24 * 3600  # how long a receiver that answered 410 is left alone


@dataclass(frozen=True)
class Delivery:
    """One end of one job, to be told; `tries` is how often that failed. The id is the same in every try."""

    id: str
    job: Job
    tries: int


class Outbox:
    """All notices. Raises `redis.RedisError` where Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._take, self._tried = (Script(redis, (SCRIPTS / f"{name}.lua").read_text()) for name in ("take", "tried"))

    def take(self, limit: int, seconds: float) -> list[Delivery]:
        """The notices that are due, `limit` at the most, for this caller alone for so many seconds."""
        names = {"notices": keys.DELIVERIES, "notices_due": keys.DELIVERIES_DUE}
        flat = cast("list[str]", self._take(names, take_ms=int(seconds * 1000), limit=limit))
        return [_delivery(delivery_id, text) for delivery_id, text in zip(flat[::2], flat[1::2], strict=True)]

    def postpone(self, delivery: Delivery, seconds: float, outcome: JsonObject) -> None:
        """Count a try that failed, say so in the job's log, and let the notice be due again after that time."""
        self._note(delivery, outcome, str(int(seconds * 1000)))

    def settle(self, delivery: Delivery, outcome: JsonObject) -> None:
        """Forget the notice, delivered or not, and say in the job's log what came of it."""
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
            "notices": keys.DELIVERIES,
            "notices_due": keys.DELIVERIES_DUE,
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
