"""The records in a backup: read chunk by chunk while jobs run, and written into an empty Redis.

Each chunk is read in one transaction, so a job's record and its log are consistent. Chunks are independent of each
other: a restore derives the indexes of Redis (the jobs by state, due messages, leases) from the records. A job that was
running is queued again and resumes from its files on the volume.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypedDict, cast

from redis import Redis

from shared.jobs import keys
from shared.jobs.states import State
from shared.jobs.store import JobStore

PAGE = 1000

Hash = dict[str, str]  # redis-py's types for a hash's fields are wider


class JobChunk(TypedDict):
    """A job's record, and its log as pairs of id and fields."""

    record: Hash
    events: list[tuple[str, Hash]]


class DeliveryChunk(TypedDict):
    """A webhook delivery that is not settled, as JSON text."""

    content: str


class IdempotencyChunk(TypedDict):
    """The record of an idempotency key, and the milliseconds until it expires."""

    fields: Hash
    milliseconds: int


class CountersChunk(TypedDict):
    """The counters of all jobs."""

    fields: Hash


Chunk = JobChunk | DeliveryChunk | IdempotencyChunk | CountersChunk


class JobDump:
    """Reads and writes the chunks: `jobs/<id>`, `notices/<id>`, `idempotency/<digest>` and `tally`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def read(self) -> Iterator[tuple[str, Chunk]]:
        """Yield each chunk with its name: first those that refer to jobs, so that the dump has their jobs, too."""
        prefix = keys.idempotency("")
        for name in set(self._redis.scan_iter(f"{prefix}*", count=PAGE)):  # a scan may return a name twice
            fields, milliseconds = self._transaction(lambda pipe, name=name: (pipe.hgetall(name), pipe.pttl(name)))
            if fields:
                yield f"idempotency/{name.removeprefix(prefix)}", {"fields": fields, "milliseconds": milliseconds}
        for delivery, content in cast("dict[str, str]", self._redis.hgetall(keys.DELIVERIES)).items():
            yield f"notices/{delivery}", {"content": content}
        for job_id in self._job_ids():
            record, events = self._transaction(
                lambda pipe, job_id=job_id: (pipe.hgetall(keys.job(job_id)), pipe.xrange(keys.events(job_id)))
            )
            if record:
                yield f"jobs/{job_id}", {"record": record, "events": events}
        yield "tally", {"fields": cast("Hash", self._redis.hgetall(keys.COUNTERS))}

    def write_job(self, chunk: JobChunk, jobs: JobStore) -> None:
        """Write a job's record and log. A job that was running is queued; one that was cancelling is cancelled."""
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
        """Write a pending webhook delivery, with its number of tries; it is due now."""
        seconds, _ = self._redis.time()
        self._redis.hset(keys.DELIVERIES, delivery, chunk["content"])
        self._redis.zadd(keys.DELIVERIES_DUE, {delivery: seconds * 1000})

    def write_idempotency(self, digest: str, chunk: IdempotencyChunk) -> None:
        """Write an idempotency key's record with the rest of its lifetime."""
        name = keys.idempotency(digest)
        self._redis.hset(name, mapping=cast("Any", chunk["fields"]))
        self._redis.pexpire(name, max(1, chunk["milliseconds"]))

    def write_counters(self, chunk: CountersChunk) -> None:
        """Write the counters, after the jobs; skip those of queued jobs, which the jobs themselves have set."""
        if totals := {name: count for name, count in chunk["fields"].items() if not name.startswith("queued:")}:
            self._redis.hset(keys.COUNTERS, mapping=cast("Any", totals))

    def is_empty(self) -> bool:
        """Return whether Redis has no job."""
        return not self._redis.exists(keys.JOBS)

    def clear(self) -> None:
        """Remove every key of Glassbox from Redis, including the messages in the queues."""
        for name in self._redis.scan_iter(f"{keys.PREFIX}*", count=PAGE):
            self._redis.unlink(name)

    def _job_ids(self) -> Iterator[str]:
        """Yield the ids of all jobs, the oldest first; jobs submitted meanwhile may be missing."""
        oldest = "-"
        while page := cast("list[str]", self._redis.zrangebylex(keys.JOBS, oldest, "+", start=0, num=PAGE)):
            yield from page
            oldest = f"({page[-1]}"

    def _transaction(self, queue_commands: Any) -> list[Any]:
        with self._redis.pipeline(transaction=True) as pipe:
            queue_commands(pipe)
            return list(pipe.execute())
