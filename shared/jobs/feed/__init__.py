"""The newest events of all jobs in one stream in Redis, for clients that follow many jobs.

The scripts that append to a job's log append to this stream in the same step. It is bounded: a reader that is too far
behind misses events, and notices it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from redis import Redis

from shared.jobs import keys
from shared.json_types import JsonObject
from shared.runtime.clock import rfc3339

MAX_ALL_EVENTS = 5000  # about the most that the stream keeps
MAX_ANNOUNCED = 4096  # bytes of an event's data; of a larger one, the stream has only that it happened
START = "0-0"  # the position before the first event

SOURCE = (Path(__file__).parent / "announce.lua").read_text()
CONSTANTS = f"local MAX_ALL_EVENTS = {MAX_ALL_EVENTS}; local MAX_ANNOUNCED = {MAX_ANNOUNCED}; local START = '{START}'"


@dataclass(frozen=True)
class FeedEvent:
    """An event of any job. `id` is its position in the stream of all jobs, not in the job's log.

    `previous` is the position of the event before it. `kind` may be one that only a newer version of the code has.
    """

    id: str
    previous: str
    type: str
    job: str
    kind: str
    model: str
    data: JsonObject

    @property
    def time(self) -> str:
        """The time of the event."""
        return rfc3339(position_of(self.id)[0])


@dataclass(frozen=True)
class Read:
    """Events in order. If `missed`, events after the reader's position are gone, and reading continues at `resume`."""

    events: list[FeedEvent]
    missed: bool
    resume: str


def position_of(event_id: str) -> tuple[int, int]:
    """Return the place of an event's id in the stream: its time in ms, and a number."""
    milliseconds, number = event_id.split("-")
    return int(milliseconds), int(number)


class EventFeed:
    """The reader of the stream. Raises `redis.RedisError` if Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def end(self) -> str:
        """Return the position of the newest event, after which only new events follow."""
        newest = cast("list[Any]", self._redis.xrevrange(keys.ALL_EVENTS, count=1))
        return str(newest[0][0]) if newest else START

    def read(self, after: str, limit: int) -> Read:
        """Return at most `limit` events after this position."""
        with self._redis.pipeline() as pipe:  # one step, so that no event is removed between the two commands
            pipe.xrange(keys.ALL_EVENTS, count=1)
            pipe.xrevrange(keys.ALL_EVENTS, count=1)
            pipe.xrange(keys.ALL_EVENTS, min=f"({after}", count=limit)
            oldest, newest, entries = pipe.execute()
        if not oldest:  # Redis has lost its data, unless nothing has happened yet
            return Read([], after != START, START)
        first, last = feed_event(oldest[0]), feed_event(newest[0])
        if position_of(after) > position_of(last.id):  # Redis has lost its data, and its clock was set back
            return Read([], True, last.id)
        events = [feed_event(entry) for entry in entries]
        if position_of(first.id) <= position_of(after):
            return Read(events, False, after)
        lost = first.previous == START != after  # Redis has lost the data that the position belongs to
        return Read(events, lost or position_of(first.previous) > position_of(after), first.previous)

    def wait(self, after: str, seconds: float) -> None:
        """Wait until there is an event after this position, for so long at most."""
        stream: Any = {keys.ALL_EVENTS: after}
        self._redis.xread(stream, count=1, block=max(1, int(seconds * 1000)))


def feed_event(entry: tuple[str, Mapping[str, str]]) -> FeedEvent:
    """Return the event of an entry in Redis."""
    event_id, fields = entry
    return FeedEvent(
        event_id,
        fields["previous"],
        fields["type"],
        fields["job"],
        fields["kind"],
        fields["model"],
        json.loads(fields["data"]),
    )
