"""The records as a backup holds them: read piece by piece while jobs run, and written into an empty Redis.

Each piece is read in one step, so a job's record and its log agree. No piece needs another one to agree with it: what
Redis holds beside the records (which jobs are in which state, what is due, who holds a lease) follows from them, and is
made anew. A job that ran is queued again; its work goes on from what the volume has of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypedDict, cast

from redis import Redis

from shared.jobs import keys
from shared.jobs.states import State
from shared.jobs.store import JobStore

PAGE = 1000

Hash = dict[str, str]  # redis-py has wider types for the fields that it takes and gives


class JobChunk(TypedDict):
    """A job's record, and its log as ids and fields."""

    record: Hash
    events: list[tuple[str, Hash]]


class DeliveryChunk(TypedDict):
    """A webhook's delivery that is not settled, as JSON text."""

    content: str


class IdempotencyChunk(TypedDict):
    """The record of an idempotency key, and for how many milliseconds it is kept."""

    fields: Hash
    milliseconds: int


class CountersChunk(TypedDict):
    """The counters of all jobs."""

    fields: Hash


Chunk = JobChunk | DeliveryChunk | IdempotencyChunk | CountersChunk


class JobDump:
    """Reads and writes the pieces: `jobs/<id>`, `notices/<id>`, `idempotency/<digest>` and `counters`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def read(self) -> Iterator[tuple[str, Chunk]]:
        """Every piece, by name: first what refers to jobs, so that the jobs are there, whatever happens meanwhile."""
        prefix = keys.idempotency("")
        for name in set(self._redis.scan_iter(f"{prefix}*", count=PAGE)):  # a scan may give a name twice
            fields, milliseconds = self._at_once(lambda pipe, name=name: (pipe.hgetall(name), pipe.pttl(name)))
            if fields:
                yield f"idempotency/{name.removeprefix(prefix)}", {"fields": fields, "milliseconds": milliseconds}
        for delivery, content in cast("dict[str, str]", self._redis.hgetall(keys.DELIVERIES)).items():
            yield f"notices/{delivery}", {"content": content}
        for job_id in self._job_ids():
            record, events = self._at_once(
                lambda pipe, job_id=job_id: (pipe.hgetall(keys.job(job_id)), pipe.xrange(keys.events(job_id)))
            )
            if record:
                yield f"jobs/{job_id}", {"record": record, "events": events}
        yield "tally", {"fields": cast("Hash", self._redis.hgetall(keys.COUNTERS))}

    def write_job(self, chunk: JobChunk, jobs: JobStore) -> None:
        """Write a job's record and its log anew. Whoever asked for its end gets it; what ran is queued."""
        record = chunk["record"]
        job_id, state = record["id"], State(record["state"])
        with self._redis.pipeline() as pipe:
            for event_id, fields in chunk["events"]:
                pipe.xadd(keys.events(job_id), cast("Any", fields), id=event_id)
            pipe.execute()
        jobs.recreate(record if state.is_terminal else record | {"state": State.QUEUED})
        if state is State.CANCELLING:
            jobs.cancel(job_id)

    def write_delivery(self, delivery: str, chunk: DeliveryChunk) -> None:
        """Owe a webhook its notice again, with the tries that it has had, from now on."""
        seconds, _ = self._redis.time()
        self._redis.hset(keys.DELIVERIES, delivery, chunk["content"])
        self._redis.zadd(keys.DELIVERIES_DUE, {delivery: seconds * 1000})

    def write_idempotency(self, digest: str, chunk: IdempotencyChunk) -> None:
        """Keep a request's answer for as long as it was still to be kept."""
        name = keys.idempotency(digest)
        self._redis.hset(name, mapping=cast("Any", chunk["fields"]))
        self._redis.pexpire(name, max(1, chunk["milliseconds"]))

    def write_counters(self, chunk: CountersChunk) -> None:
        """Let the counts go on from where they were, after the jobs are written; how many wait now they tell."""
        if told := {name: count for name, count in chunk["fields"].items() if not name.startswith("queued:")}:
            self._redis.hset(keys.COUNTERS, mapping=cast("Any", told))

    def is_empty(self) -> bool:
        """Whether Redis knows of no job."""
        return not self._redis.exists(keys.JOBS)

    def clear(self) -> None:
        """Remove everything of Glassbox from Redis, what waits in the queues included."""
        for name in self._redis.scan_iter(f"{keys.PREFIX}*", count=PAGE):
            self._redis.unlink(name)

    def _job_ids(self) -> Iterator[str]:
        """The ids of all jobs, the oldest first; those that come meanwhile are among them or not."""
        oldest = "-"
        while page := cast("list[str]", self._redis.zrangebylex(keys.JOBS, oldest, "+", start=0, num=PAGE)):
            yield from page
            oldest = f"({page[-1]}"

    def _at_once(self, ask: Any) -> list[Any]:
        with self._redis.pipeline(transaction=True) as pipe:
            ask(pipe)
            return list(pipe.execute())
