"""The newest events of several logs, read with one command: those of jobs, and the one of all jobs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from redis import Redis

from shared.jobs import keys
from shared.jobs.feed import FeedEvent, feed_event
from shared.jobs.store import Event

ALL_JOBS = ""  # the name of the stream of all jobs; a job's log has the job's id


class Tails:
    """The reader. Raises `redis.RedisError` if Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def read(self, after: Mapping[str, str], seconds: float, limit: int) -> dict[str, list[Event] | list[FeedEvent]]:
        """Wait for events after each log's position, and return at most `limit` of each log.

        Empty if none comes within `seconds`. Of a job's log, only the part in Redis is read.
        """
        logs = {_key(log): log for log in after}
        streams: Any = {key: after[log] for key, log in logs.items()}
        found = cast("list[Any]", self._redis.xread(streams, count=limit, block=max(1, int(seconds * 1000))))
        return {logs[key]: [_event(logs[key], entry) for entry in entries] for key, entries in found}


def _key(log: str) -> str:
    return keys.ALL_EVENTS if log == ALL_JOBS else keys.events(log)


def _event(log: str, entry: tuple[str, dict[str, str]]) -> Any:
    if log == ALL_JOBS:
        return feed_event(entry)
    event_id, fields = entry
    return Event.of(event_id, fields["type"], json.loads(fields["data"]))
