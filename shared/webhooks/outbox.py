"""The transactional outbox of webhook deliveries: stored in the same step that ends a job, kept until they are settled.

A delivery contains the job as it ended, so it is sent even if the job is retried or deleted meanwhile. One dispatcher
at a time takes a delivery; if that dispatcher dies, another takes it later. So each is sent at least once, with one id.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from redis import Redis

from shared.jobs import feed, keys
from shared.jobs.record import Job
from shared.jobs.store import MAX_EVENTS
from shared.json_types import JsonObject
from shared.runtime.redis_scripts import Script

SCRIPTS = Path(__file__).parent / "scripts"
GONE_SECONDS = 24 * 3600  # how long nothing is sent to a receiver that answered 410


@dataclass(frozen=True)
class Delivery:
    """The delivery of one end of one job. `tries` counts the failed tries; the id is the same in every try."""

    id: str
    job: Job
    tries: int


class Outbox:
    """All deliveries that are not settled. Raises `redis.RedisError` if Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        constants = f"local MAX_EVENTS = {MAX_EVENTS}"
        self._take = Script(redis, (SCRIPTS / "take.lua").read_text())
        self._tried = Script(redis, constants, feed.CONSTANTS, feed.SOURCE, (SCRIPTS / "tried.lua").read_text())

    def due(self, limit: int, start: int = 0) -> list[str]:
        """Return the ids of at most `limit` deliveries that are due, the most overdue first, after `start` others."""
        seconds, microseconds = self._redis.time()
        now = seconds * 1000 + microseconds // 1000
        return cast("list[str]", self._redis.zrangebyscore(keys.DELIVERIES_DUE, "-inf", now, start=start, num=limit))

    def urls(self, ids: Sequence[str]) -> dict[str, str | None]:
        """Return the URLs of these deliveries, by their ids; None for one that no longer exists."""
        texts = cast("list[str | None]", self._redis.hmget(keys.DELIVERIES, ids)) if ids else []
        return {
            delivery_id: None if text is None else _delivery(delivery_id, text).job.webhook
            for delivery_id, text in zip(ids, texts, strict=True)
        }

    def take(self, ids: Sequence[str], seconds: float) -> list[Delivery]:
        """Take those of these deliveries that are still due; no other caller gets them within `seconds`."""
        if not ids:
            return []
        names = {"deliveries": keys.DELIVERIES, "deliveries_due": keys.DELIVERIES_DUE}
        flat = cast("list[str]", self._take(names, take_ms=int(seconds * 1000), ids=ids))
        return [_delivery(delivery_id, text) for delivery_id, text in zip(flat[::2], flat[1::2], strict=True)]

    def postpone(self, delivery: Delivery, seconds: float, outcome: JsonObject) -> None:
        """Count a failed try, log its outcome in the job's log, and make the delivery due again after `seconds`."""
        self._record_try(delivery, outcome, str(int(seconds * 1000)))

    def defer(self, delivery: Delivery, seconds: float) -> None:
        """Make the delivery due again after `seconds`, without a try."""
        self._record_try(delivery, None, str(int(seconds * 1000)))

    def settle(self, delivery: Delivery, outcome: JsonObject) -> None:
        """Remove the delivery, successful or not, and log its outcome in the job's log."""
        self._record_try(delivery, outcome, "")

    def count(self) -> int:
        """Return how many deliveries are not settled."""
        return int(self._redis.hlen(keys.DELIVERIES))

    def mark_gone(self, url: str) -> None:
        """Mark the receiver at this URL as gone, for a day."""
        self._redis.set(_gone(url), 1, ex=GONE_SECONDS)

    def is_gone(self, url: str) -> bool:
        """Return whether the receiver at this URL is marked as gone."""
        return bool(self._redis.exists(_gone(url)))

    def hold(self, url: str, seconds: float) -> None:
        """Mark that the receiver at this URL gets nothing for so long."""
        self._redis.set(_held(url), 1, px=max(1, int(seconds * 1000)))

    def held_seconds(self, url: str) -> float:
        """Return for how long the receiver at this URL still gets nothing, 0 if it gets deliveries."""
        return max(0, int(self._redis.pttl(_held(url)))) / 1000

    def _record_try(self, delivery: Delivery, outcome: JsonObject | None, due: str) -> None:
        names = {
            "deliveries": keys.DELIVERIES,
            "deliveries_due": keys.DELIVERIES_DUE,
            "record": keys.job(delivery.job.id),
            "events": keys.events(delivery.job.id),
            "all_events": keys.ALL_EVENTS,
            "ended": keys.ENDED,
        }
        text = "" if outcome is None else json.dumps({"notice": delivery.id, **outcome})
        self._tried(names, id=delivery.id, outcome=text, retry_ms=due)


def _delivery(delivery_id: str, text: str) -> Delivery:
    content = json.loads(text)
    flat = content["record"]
    return Delivery(delivery_id, Job.from_hash(dict(zip(flat[::2], flat[1::2], strict=True))), content["tries"])


def _gone(url: str) -> str:
    return keys.gone(_digest(url))


def _held(url: str) -> str:
    return keys.held(_digest(url))


def _digest(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()
