"""The job records in Redis: created, claimed under a lease, renewed, and moved between states, each step atomic.

Every step is one Lua script (`scripts/`). If two workers receive the same message, one gets the claim. A worker that
lost its lease cannot write any more.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from pydantic import ValidationError
from redis import Redis, WatchError

from shared.errors import Conflict, Damaged, NotFound, Unavailable
from shared.jobs import feed, index, keys
from shared.jobs.capacity import sharing
from shared.jobs.capacity.counters import BOUNDS
from shared.jobs.capacity.sharing import Line
from shared.jobs.capacity.sharing.places import Place, places
from shared.jobs.index import EVERY_JOB, JobFilter, JobIndex, digests_of, labels_of
from shared.jobs.outcome import JobError, LiveFinding, Metrics, Result
from shared.jobs.record import Job, Kind, Progress, encode_fields
from shared.jobs.states import State, sources_of
from shared.json_types import JsonObject
from shared.runtime.clock import rfc3339
from shared.runtime.redis_scripts import Script

if TYPE_CHECKING:
    from shared.jobs.files import JobFiles

log = logging.getLogger(__name__)

SCRIPTS = Path(__file__).parent / "scripts"
ACTIVE = frozenset(str(state) for state in State if not state.is_terminal)
MANY = 1000  # the most jobs that one call returns or changes
ESTIMATED = 200  # the most queued jobs whose starts are estimated
MAX_DETAIL = 2000  # characters of an error's detail in a job's record
PAGE = 100  # records that are read at once
MAX_EVENTS = 2000  # about the most that a job's log keeps, the newest
MOVED = "on_volume"  # the field of a record that has moved to the volume
# What Redis keeps of a moved record: what the scripts and the filters of lists read, and what older versions require.
KEPT = (
    *("id", "kind", "state", "model", "created_at", "started_at", "finished_at", "attempt", "retries"),
    *("counted_succeeded", "counted_failed", "key", "archive_bytes"),
)
PLACEHOLDERS = {"progress": '{"total":0,"unit":""}', "request": "{}", "specification": "{}", MOVED: "1"}


@dataclass(frozen=True)
class Claim:
    """The right to work on a job: valid while its token is the newest and its lease is renewed in time."""

    job: Job

    @property
    def token(self) -> str:
        """The fencing token of every write under this claim: the attempt and its owner."""
        return f"{self.job.attempt}@{self.job.owner}"

    @property
    def seconds_left(self) -> float | None:
        """The job's remaining time when it was claimed, None without a limit; earlier attempts' time counts."""
        if self.job.timeout_seconds is None:
            return None
        return self.job.timeout_seconds - self._ran_before

    def slowdown(self, seconds: float) -> float:
        """Return how many times as long the job has taken as without the waits between its turns; at least 1.

        seconds: how long this attempt has run.
        """
        return 1 + self.job.waited_ms / 1000 / max(self._ran_before + seconds, 1e-3)

    @property
    def _ran_before(self) -> float:
        """The seconds from the job's first start to this claim, without the waits between its turns."""
        assert self.job.started_at is not None
        assert self.job.claimed_at is not None
        return (self.job.claimed_at - self.job.started_at - self.job.waited_ms) / 1000


@dataclass(frozen=True)
class Quota:
    """What the jobs of one API key may take: queued and running jobs, and bytes of archives; 0: unlimited."""

    jobs: int = 0
    archive_bytes: int = 0


UNLIMITED = Quota()


class OverQuota(Exception):
    """The API key's jobs would take more than the quota. `part`: the field of `Quota`."""

    def __init__(self, part: str) -> None:
        super().__init__(part)
        self.part = part


@dataclass(frozen=True)
class Blocked:
    """Why a job has to wait for space on the volume, and how many bytes were free there."""

    code: str
    detail: str
    free: int


class Pulse(Enum):
    """The result of a heartbeat."""

    HELD = "held"  # the claim is valid: continue
    CANCEL = "cancel"  # a user cancelled the job: stop
    LOST = "lost"  # another process holds the job, or it has ended: stop, and write nothing


@dataclass(frozen=True)
class Event:
    """One entry of a job's log. `id` sorts by time."""

    id: str
    type: str
    time: str
    data: JsonObject

    @classmethod
    def of(cls, event_id: str, event_type: str, data: JsonObject) -> Self:
        """Return the event; its time is in its id."""
        return cls(event_id, event_type, rfc3339(position_of(event_id)[0]), data)

    @property
    def position(self) -> tuple[int, int]:
        """The place in the log."""
        return position_of(self.id)


def position_of(event_id: str) -> tuple[int, int]:
    """Return the place of an event's id in the order of the log: its time in ms, and a number."""
    milliseconds, number = event_id.split("-")
    return int(milliseconds), int(number)


class JobStore:
    """The reader and writer of job records. Raises `redis.RedisError` if Redis does not answer.

    lease_seconds: how long a claim is valid without a heartbeat. resend_seconds: the time after which an unclaimed
    job's message counts as lost. max_crashes: the lost claims after which a job counts as poison. files: the volume's
    files, to which the records of ended jobs move after `record_seconds`; without files they stay in Redis.
    max_processes_per_key: how many processes of one queue work for one API key at most; 0: unlimited.
    """

    def __init__(
        self,
        redis: Redis,
        lease_seconds: float = 30.0,
        resend_seconds: float = 60.0,
        max_crashes: int = 3,
        files: JobFiles | None = None,
        record_seconds: float = 0.0,
        max_processes_per_key: int = 0,
    ) -> None:
        self._redis = redis
        self._files = files
        self._record_ms = int(record_seconds * 1000)
        self._lease_ms = int(lease_seconds * 1000)
        self._resend_ms = int(resend_seconds * 1000)
        self._max_crashes = max_crashes
        texts = {path.stem: path.read_text() for path in SCRIPTS.glob("*.lua")}
        constants = f"local BOUNDS = {{{', '.join(map(str, BOUNDS))}}}; local MAX_EVENTS = {MAX_EVENTS}"
        tables = {"queued": tuple(Kind), "in_state": tuple(State), "of_kind": tuple(Kind), **sharing.TABLES}
        before = (constants, feed.CONSTANTS, feed.SOURCE, index.SOURCE, sharing.source(), texts["common"])
        self._scripts = {
            name: Script(redis, *before, text, tables=tables) for name, text in texts.items() if name != "common"
        }
        self._index = JobIndex(redis)
        self._limits_processes = max_processes_per_key > 0
        self._line = Line(redis, max_processes_per_key)
        self._due = Script(redis, (SCRIPTS / "finding" / "due.lua").read_text())

    def create(self, job: Job, *, owes_delivery: bool = False, quota: Quota = UNLIMITED) -> bool:
        """Create a job's record in state `queued`, or as the job was if records are rebuilt; False if it exists.

        owes_delivery: whether the job has ended, and no delivery to its webhook is known to be settled. Raises
        `OverQuota`.
        """
        return self._create(job.to_hash(), job.request, owes_delivery, quota)

    def recreate(self, fields: Mapping[str, str]) -> None:
        """Create a record from a backup, field by field, in state `queued` or an ended one.

        The labels of a record that has moved are read from the volume.
        """
        job = self._read(fields)
        self._create(fields, {} if job is None else job.request, owes_delivery=False)

    def discard(self, job_id: str) -> None:
        """Delete a job whose submission failed half-way, in any state."""
        self._run("remove", job_id, anyway=1, labels=self._labels(job_id))

    def delete(self, job_id: str) -> None:
        """Delete an ended job; raises `NotFound`, or `Conflict` if it has not ended."""
        reply = self._run("remove", job_id, anyway=0, labels=self._labels(job_id))
        self._demand(job_id, "deleted: cancel it first", reply)

    def require_ended(self, job_id: str) -> None:
        """Raise `NotFound`, or `Conflict` if the job has not ended."""
        state = self.state(job_id)
        if state is None:
            raise _not_found(job_id)
        if state in ACTIVE:
            raise _wrong_state(job_id, state, "deleted: cancel it first")

    def state(self, job_id: str) -> str | None:
        """Return the job's state, which only a newer version of the code may have; None without a record."""
        return cast("str | None", self._redis.hget(keys.job(job_id), "state"))

    def get(self, job_id: str) -> Job:
        """Read a job; raises `NotFound` if it does not exist, `Damaged` if its record cannot be read."""
        try:
            for _ in range(2):  # again if a retry has moved the record back meanwhile
                fields = cast("dict[str, str]", self._redis.hgetall(keys.job(job_id)))
                if not fields:
                    raise _not_found(job_id)
                if (job := self._read(fields)) is not None:
                    return job
        except ValidationError as error:
            detail = (
                f"the record of job {job_id} cannot be read; a newer version of Glassbox may have written it: {error}"
            )
            raise Damaged("record_unreadable", detail) from error
        raise Damaged("record_lost", f"the record of job {job_id} is missing on the volume: jobs/{job_id}/end.json")

    def newest_first(self, state: State | None = None, before: str | None = None) -> Iterator[Job]:
        """Iterate over the jobs, newest first: those in `state` if one is given, those older than the id `before`."""
        for page in self._pages(state, before):
            yield from self.many(page)

    def ids(self, wanted: JobFilter = EVERY_JOB, before: str | None = None) -> Iterator[str]:
        """Iterate over the ids of such jobs, newest first, without reading their records."""
        most = PAGE  # ids to examine at once: more, the fewer of them pass the filter
        while wanted.needs_index:
            found = self._index.select(wanted, before, most)
            if found is None:
                yield from self._ids_without_index(wanted, before)
                return
            ids, before = found
            yield from ids
            if not before:
                return
            most = min(2 * most, MANY)
        for page in self._pages(wanted.state, before):
            yield from page

    def ended_before(self, time_ms: float) -> Iterator[str]:
        """Iterate over the ids of the jobs that ended before this time, without reading their records."""
        for state in State:
            if state.is_terminal:
                for page in self._pages(state, None):
                    for job_id, (finished_at,) in zip(page, self._fields(page, "finished_at"), strict=True):
                        if finished_at is not None and int(finished_at) < time_ms:
                            yield job_id

    def many(self, ids: Sequence[str]) -> Iterator[Job]:
        """Read these jobs, in order; jobs that do not exist any more, or cannot be read, are skipped."""
        for start in range(0, len(ids), PAGE):
            with self._redis.pipeline(transaction=False) as pipe:
                for job_id in ids[start : start + PAGE]:
                    pipe.hgetall(keys.job(job_id))
                records = pipe.execute()
            for fields in records:
                try:
                    if fields and (job := self._read(fields)) is not None:
                        yield job
                except ValidationError as error:  # of a kind or a state that only a newer version of the code has
                    log.warning("the record of job %s cannot be read and is skipped: %s", fields.get("id"), error)

    def count(self, state: State) -> int:
        """Return how many jobs are in `state`."""
        return int(self._redis.zcard(keys.in_state(state)))

    def counts(self) -> dict[str, int]:
        """Return how many jobs are in each state."""
        with self._redis.pipeline(transaction=False) as pipe:
            for state in State:
                pipe.zcard(keys.in_state(state))
            return dict(zip(map(str, State), pipe.execute(), strict=True))

    def busy_processes(self) -> dict[str, Kind]:
        """Return the processes that run a job, or help with one, each with the kind of its job; of `MANY` jobs at most.

        A process is named as the owner of a claim, `<host>:<pid>`.
        """
        now = self.now()
        ids = cast("list[str]", self._redis.zrangebyscore(keys.LEASES, now, "+inf", start=0, num=MANY))
        busy: dict[str, Kind] = {}
        with self._redis.pipeline(transaction=False) as pipe:
            for job_id in ids:
                pipe.hmget(keys.job(job_id), "owner", "kind")
                pipe.zrangebyscore(keys.taken_shards(job_id), now, "+inf", start=0, num=MANY)
            replies = pipe.execute()
        for (owner, kind), shards in zip(replies[::2], replies[1::2], strict=True):
            if owner and kind in set(Kind):  # a newer version of the code may have other kinds
                busy[owner] = Kind(kind)
            busy |= {shard.partition("@")[2]: Kind.BATCH for shard in shards}
        return busy

    def waiting(self, kind: Kind) -> int:
        """Return how many jobs of this kind are queued."""
        return int(self._redis.hget(keys.COUNTERS, f"queued:{kind}") or 0)

    def events(self, job_id: str, after: str | None = None, limit: int = 50) -> list[Event]:
        """Return the job's events from the beginning of its log, or those after the event `after`."""
        return self._with_moved(job_id, after, self._stream(job_id, after, limit), limit)

    def log_in_redis(self, job_id: str) -> list[Event]:
        """Return the part of the job's log that is in Redis: all of it, unless it has moved to the volume."""
        return self._stream(job_id, None, None)

    def follow(self, job_id: str, after: str | None, seconds: float, limit: int = 50) -> list[Event]:
        """Wait for events after the event `after`, and return them; empty if none comes within `seconds`."""
        log: Any = {keys.events(job_id): after or "0-0"}
        streams = cast("list[Any]", self._redis.xread(log, count=limit, block=max(1, int(seconds * 1000))))
        return self._with_moved(job_id, after, [_event(entry) for _, entries in streams for entry in entries], limit)

    def claim(self, job_id: str, owner: str) -> Claim | None:
        """Claim a queued job; None if it is not queued (any more), so that a duplicate message has no effect."""
        fields = self._run("claim", job_id, owner=owner, lease_ms=self._lease_ms)
        if not fields:
            return None
        return Claim(Job.from_hash(dict(zip(fields[::2], fields[1::2], strict=True))))

    def claim_next(self, named: str, owner: str, kind: Kind | None = None) -> Claim | None:
        """Claim the job that is next in the queue for a process whose message names a job; None if none may start.

        kind: a kind of job of that queue; by default, that of the named job.
        """
        for _ in range(MANY):
            job_id = self._line.next(named, kind)
            if job_id is None:
                return None
            if (claim := self.claim(job_id, owner)) is not None:
                return claim  # else another process was faster
        return None

    def held_back(self, kind: Kind) -> str | None:
        """Return the job that may start in this kind's queue, if a limit may have held it back before."""
        return self._line.next("", kind) if self._limits_processes else None

    def in_line(self, kind: Kind) -> int:
        """Return how many queued jobs of this kind's queue may start."""
        return int(self._redis.zcard(keys.line(keys.QUEUES[kind])))

    def places(self, kind: Kind, processes: int) -> dict[str, Place]:
        """Return the places of the queued jobs that may start in this kind's queue, by their ids.

        processes: those that are online. Of a line of more than `MANY` jobs, the others have no place.
        """
        line, used, running = self._line.snapshot(kind, MANY)
        estimated = [job.id for job in line] if len(line) <= ESTIMATED else []
        records = {job.id: job for job in self.many([*estimated, *running])}
        started = [records[job_id] for job_id in running if job_id in records]
        queued = {job_id: records[job_id] for job_id in estimated if job_id in records}
        return places([job for job in line if not estimated or job.id in queued], used, started, queued, processes)

    def count_of_key(self, key: str | None) -> int:
        """Return how many jobs of an API key are queued or running; None is that of the jobs without a key."""
        return self._line.count(key or sharing.WITHOUT_KEY)

    def archive_bytes_of_key(self, key: str | None) -> int:
        """Return the bytes of the archives of an API key's jobs; None is that of the jobs without a key."""
        return int(self._redis.hget(keys.ARCHIVE_BYTES, key or sharing.WITHOUT_KEY) or 0)

    def recount_archive_bytes(self) -> None:
        """Count the bytes of all archives from the records; at most once a minute for all callers.

        An older version of the code that deletes a job does not subtract its bytes. Changes nothing if a job with an
        archive is created or deleted meanwhile.
        """
        if not self._redis.set(keys.RECOUNTED, 1, nx=True, ex=60):
            return
        counted: Counter[str] = Counter()
        with self._redis.pipeline() as pipe, suppress(WatchError):
            pipe.watch(keys.ARCHIVE_BYTES)  # type: ignore[no-untyped-call]
            for page in self._pages(None, None):
                for key, size in self._fields(page, "key", "archive_bytes"):
                    counted[key or sharing.WITHOUT_KEY] += int(size or 0)
            pipe.multi()
            pipe.delete(keys.ARCHIVE_BYTES)
            for key, total in counted.items():
                if total:
                    pipe.hset(keys.ARCHIVE_BYTES, key, str(total))
            pipe.execute()

    def renew(
        self,
        claim: Claim,
        progress: Progress | None = None,
        metrics: Metrics | None = None,
        event: str = "",
        diagnosis: Sequence[LiveFinding] = (),
        reached: int | None = None,
    ) -> Pulse:
        """Renew the lease and store the job's progress; the returned pulse says whether to continue.

        diagnosis: the findings about a training; none leaves them unchanged. The event has the codes of those that
        hold. reached: how far a later attempt can resume, in mini-batches or images; None leaves it unchanged.
        """
        report: dict[str, object] = {}
        if progress is not None:
            report["progress"] = progress.model_dump()
        if metrics is not None:
            report["metrics"] = metrics
        fields = encode_fields({**report, "diagnosis": diagnosis} if diagnosis else report)
        if holding := [finding["code"] for finding in diagnosis if finding["holds"]]:  # Redis's Lua has no empty list
            report["diagnosis"] = holding
        if reached is not None:
            fields["reached"] = str(reached)
        state = self._renew(claim, event, report, fields)
        if state is None:
            return Pulse.LOST
        return Pulse.CANCEL if state == State.CANCELLING else Pulse.HELD

    def log(self, claim: Claim, event: str, data: JsonObject) -> Pulse:
        """Renew the lease and append an event of another type to the job's log."""
        state = self._renew(claim, event, dict(data), {})
        return Pulse.LOST if state is None else Pulse.HELD

    def finish(
        self,
        claim: Claim,
        state: State,
        progress: Progress | None = None,
        metrics: Metrics | None = None,
        result: Result | None = None,
        error: JobError | None = None,
    ) -> bool:
        """End the claimed job in `state`; False if the lease was lost. Fields that are None stay unchanged."""
        known = {
            "progress": progress and progress.model_dump(),
            "metrics": metrics or None,
            "result": result,
            "error": error and shortened(error),
        }
        texts = _flat(encode_fields({name: value for name, value in known.items() if value is not None}))
        sources = json.dumps(sorted(sources_of(state)))
        arguments = {"token": claim.token, "end_state": state, "sources": sources, "fields": texts}
        return bool(self._run("finish", claim.job.id, **arguments))

    def release(
        self,
        claim: Claim,
        after_seconds: float = 0.0,
        failures: int = 0,
        blocked: Blocked | None = None,
        *,
        hands_over: bool = False,
    ) -> State | None:
        """Requeue the claimed job, due after `after_seconds`, and return its state; None if the lease was lost.

        If its loss was counted as a crash, this is revoked: the worker is alive.

        failures: how many failures to count, 0 if the job did not cause the release. A job in state `cancelling` ends.
        hands_over: whether it only leaves its process to a job that is next.
        """
        state = self._run(
            "release",
            claim.job.id,
            token=claim.token,
            after_ms=int(after_seconds * 1000),
            failures=failures,
            hands_over=int(hands_over),
            reason="" if blocked is None else json.dumps({"code": blocked.code, "detail": blocked.detail}),
            free=0 if blocked is None else blocked.free,
        )
        return None if state is None else State(state)

    def cancel(self, job_id: str) -> State:
        """Cancel a job; returns `cancelled` or `cancelling`. Raises `NotFound` or `Conflict`."""
        return self._demand(job_id, "cancelled", self._run("cancel", job_id))

    def retry(self, job_id: str, quota: Quota = UNLIMITED) -> State:
        """Requeue a job that failed, was cancelled or has errors. Raises `NotFound`, `Conflict` or `OverQuota`."""
        while True:
            fields = _flat(self._moved_fields(job_id))
            reply = self._run("retry", job_id, resend_ms=self._resend_ms, most_jobs=quota.jobs, fields=fields)
            if isinstance(reply, str):
                raise OverQuota(reply)
            if reply != [MOVED]:  # else the record has moved since its fields were read
                return self._demand(job_id, "retried", reply)

    def now(self) -> int:
        """Return the time in ms by Redis's clock, which all hosts share."""
        seconds, microseconds = self._redis.time()
        return seconds * 1000 + microseconds // 1000

    def due(self) -> list[Job]:
        """Return the queued jobs whose message is to be sent now; each is returned to one caller only."""
        ids = cast(
            "list[str]", self._due({"due": keys.DUE, "sends": keys.SENDS}, resend_ms=self._resend_ms, limit=MANY)
        )
        return list(self.many(ids))

    def check_writable(self) -> None:
        """Raise the `redis.RedisError` of a write if Redis accepts no changes now; changes nothing."""
        self._redis.setrange(keys.PROBE, 0, "")

    def are_blocked(self) -> bool:
        """Return whether queued jobs wait for space on the volume."""
        return bool(self._redis.exists(keys.BLOCKED))

    def wake(self, free: int) -> list[str]:
        """Make the blocked jobs due that last saw less than `free` bytes free on the volume; returns their ids."""
        ids = cast("list[str]", self._redis.zrangebyscore(keys.BLOCKED, "-inf", f"({free}", start=0, num=MANY))
        for job_id in ids:
            self._run("wake", job_id, free_now=free)
        return ids

    def hasten(self, sent: Container[str]) -> None:
        """Make the queued jobs due now whose messages are lost, as they are not in `sent`.

        At most once a minute for all callers.
        """
        now = self.now()
        ids = cast("list[str]", self._redis.zrangebyscore(keys.DUE, f"({now}", "+inf", start=0, num=MANY))
        lost = [job_id for job_id in ids if job_id not in sent]
        if lost and self._redis.set(keys.HASTENED, 1, nx=True, ex=60):
            self._redis.zadd(keys.DUE, dict.fromkeys(lost, now), xx=True)  # not those that were claimed meanwhile

    def claimed_by(self, host: str) -> dict[str, str]:
        """Return the claimed jobs whose owner is a process of this host: each job's id with its owner."""
        ids = cast("list[str]", self._redis.zrange(keys.LEASES, 0, MANY - 1))
        with self._redis.pipeline(transaction=False) as pipe:
            for job_id in ids:
                pipe.hget(keys.job(job_id), "owner")
            owners = pipe.execute()
        return {
            job_id: owner
            for job_id, owner in zip(ids, owners, strict=True)
            if owner and owner.rpartition(":")[0] == host
        }

    def note_memory_kill(self, job_id: str, owner: str, detail: str, remedy: str) -> bool:
        """Record that the kernel killed the job's process for memory; False if `owner` does not hold the job."""
        killed = json.dumps({"detail": detail, "remedy": remedy})
        return bool(self._run("killed", job_id, owner=owner, killed=killed))

    def rescue_expired(self, by: int | None = None) -> list[Job]:
        """End the claims whose lease expired, and return their jobs: requeued, or `failed` after too many crashes.

        by: the lease had expired by this time in ms, now by default. Only the crashes since the job last made progress
        count.
        """
        latest = self.now() if by is None else by
        ids = cast("list[str]", self._redis.zrangebyscore(keys.LEASES, "-inf", latest, start=0, num=MANY))
        return list(self.many([job_id for job_id in ids if self._rescue(job_id)]))

    def unclosed(self, after_seconds: float = 5.0) -> list[str]:
        """Return the ids of the ended jobs whose end, log or record has been due on the volume for `after_seconds`."""
        latest = self.now() - after_seconds * 1000
        return cast("list[str]", self._redis.zrangebyscore(keys.ENDED, "-inf", latest, start=0, num=MANY))

    def closed(self, job: Job, newest_event: str = "", *, moves: bool = True) -> None:
        """Record that this end of the job, and its log up to the event, are on the volume.

        If the record `moves` and is old enough, Redis keeps of it only what lists and transitions need.
        """
        self._run(
            "closed",
            job.id,
            finished_at=job.finished_at,
            move_after_ms=self._record_ms if moves and self._files else -1,
            newest_event=newest_event,
            kept=json.dumps(KEPT),
            placeholders=_flat(PLACEHOLDERS),
        )

    def begins_cleanup(self, every_seconds: float) -> bool:
        """Return whether the volume is to be cleaned up now; true for one caller in that time."""
        return bool(self._redis.set(keys.CLEANUP, 1, nx=True, px=int(every_seconds * 1000)))

    def needs_rebuilding(self) -> bool:
        """Return whether the records were lost; true for one caller a minute, until one calls `rebuilt`."""
        if self._redis.exists(keys.REBUILT):
            return False
        return bool(self._redis.set(keys.REBUILDING, 1, nx=True, ex=60))

    def begins_indexing(self, *, anyway: bool) -> bool:
        """Return whether jobs of an older version are to be searched: the index lacks jobs, or `anyway`.

        True for one caller a minute.
        """
        if self._index.is_complete() and not anyway:
            return False
        return bool(self._redis.set(keys.INDEXING, 1, nx=True, ex=60))

    def complete_index(self) -> int:
        """Add the jobs to the index that an older version created, remove those that it deleted; return how many."""
        count = self._index.remove_remnants()
        for page in self._pages(None, None):
            for job_id in self._index.lacks(page):
                self._run("index", job_id, labels=self._labels(job_id))
                count += 1
        return count

    def rebuilt(self) -> None:
        """Record that the records are complete."""
        self._redis.set(keys.REBUILT, 1)
        self._redis.delete(keys.REBUILDING)

    def _rescue(self, job_id: str) -> bool:
        detail = (
            f"its worker died {self._max_crashes} times without progress in between; the cause is in the worker's log,"
            " or in the state of its container (OOMKilled if its memory was exhausted); remove the cause, then run the"
            " job again with `retry`"
        )
        poison = json.dumps({"code": "poison", "detail": detail})
        return self._run("rescue", job_id, max_crashes=self._max_crashes, poison=poison) is not None

    def _read(self, fields: Mapping[str, str]) -> Job | None:
        """Return the job of a record in Redis, or of its file if it has moved; None if that file is gone."""
        if MOVED not in fields or "finished_at" not in fields or self._files is None:
            return Job.from_hash(fields)
        try:
            return self._files.ended(fields["id"])
        except OSError as error:
            detail = f"the record of job {fields['id']} is on the volume, which cannot be read: {error}"
            raise Unavailable("volume_unavailable", detail, retry_after=5) from error

    def _moved_fields(self, job_id: str) -> dict[str, str]:
        """Return the fields that a retry puts back into a record that has moved to the volume; {} if it has not."""
        if not self._redis.hexists(keys.job(job_id), MOVED):
            return {}
        return {name: text for name, text in self.get(job_id).to_hash().items() if name not in KEPT}

    def _pages(self, state: State | None, before: str | None) -> Iterator[list[str]]:
        index = keys.JOBS if state is None else keys.in_state(state)
        while True:
            newest = "+" if before is None else f"({before}"
            page = cast("list[str]", self._redis.zrevrangebylex(index, newest, "-", start=0, num=PAGE))
            if not page:
                return
            yield page
            before = page[-1]

    def _ids_without_index(self, wanted: JobFilter, before: str | None) -> Iterator[str]:
        """Iterate over the ids of such jobs by reading the records of all."""
        for page in self._pages(wanted.state, before):
            named = zip(page, self._fields(page, "kind", "model"), strict=True)
            ids = [
                job_id
                for job_id, (kind, model) in named
                if model is not None and wanted.kind in {None, kind} and wanted.model in {None, model}
            ]
            if wanted.label is None:
                yield from ids
            else:
                yield from (job.id for job in self.many(ids) if wanted.label in labels_of(job.request))

    def _labels(self, job_id: str) -> str:
        """Return the digests of the job's labels, none if its record cannot be read."""
        try:
            return digests_of(self.get(job_id).request)
        except (NotFound, Damaged):
            return ""

    def _fields(self, ids: Iterable[str], *names: str) -> list[list[str | None]]:
        """Return these fields of the jobs' records; None for a field that a record does not have."""
        with self._redis.pipeline(transaction=False) as pipe:
            for job_id in ids:
                pipe.hmget(keys.job(job_id), *names)
            return pipe.execute()

    def _stream(self, job_id: str, after: str | None, limit: int | None) -> list[Event]:
        oldest = "-" if after is None else f"({after}"
        entries = cast(
            "list[tuple[str, dict[str, str]]]", self._redis.xrange(keys.events(job_id), oldest, "+", count=limit)
        )
        return list(map(_event, entries))

    def _with_moved(self, job_id: str, after: str | None, events: list[Event], limit: int) -> list[Event]:
        """Return at most `limit` events after `after`: of the log's part on the volume, then of the one in Redis.

        `events` were read from Redis before, so that none is missed that moves meanwhile. The file is read only if it
        can exist: on NFS, a failed search for a file hides the file for a time after it was written.
        """
        ((moved, retries),) = self._fields([job_id], MOVED, "retries")
        if self._files is None or not (moved or int(retries or 0)):
            return events
        start = (0, 0) if after is None else position_of(after)
        older = [event for event in self._files.log(job_id) if event.position > start]
        newest = older[-1].position if older else start
        return [*older, *(event for event in events if event.position > newest)][:limit]

    def _create(
        self, fields: Mapping[str, str], request: JsonObject, owes_delivery: bool, quota: Quota = UNLIMITED
    ) -> bool:
        reply = self._run(
            "create",
            fields["id"],
            resend_ms=self._resend_ms,
            owes_delivery=int(owes_delivery),
            labels=digests_of(request),
            most_jobs=quota.jobs,
            most_archive_bytes=quota.archive_bytes,
            fields=_flat(fields),
        )
        if isinstance(reply, str):
            raise OverQuota(reply)
        return bool(reply)

    def _renew(self, claim: Claim, event: str, data: Mapping[str, object], fields: Mapping[str, str]) -> str | None:
        state: str | None = self._run(
            "renew",
            claim.job.id,
            token=claim.token,
            lease_ms=self._lease_ms,
            event=event,
            data=json.dumps(data),
            fields=_flat(fields),
        )
        return state

    def _run(self, script: str, job_id: str, **arguments: Any) -> Any:
        return self._scripts[script](keys.job_keys(job_id), id=job_id, **arguments)

    def _demand(self, job_id: str, what: str, reply: list[Any]) -> State:
        """Return the job's state in a script's reply. Raises `NotFound`, or `Conflict` if no change was made."""
        if not reply:
            raise _not_found(job_id)
        possible, state = reply
        if not possible:
            raise _wrong_state(job_id, state, what)
        return State(state)


def _wrong_state(job_id: str, state: str, what: str) -> Conflict:
    return Conflict("wrong_state", f"job {job_id} is {state} and cannot be {what}")


def shortened(error: JobError) -> JobError:
    """Return the error with a detail of at most `MAX_DETAIL` characters: messages of libraries have any length."""
    detail = error["detail"]
    return error if len(detail) <= MAX_DETAIL else {**error, "detail": detail[:MAX_DETAIL] + "…"}


def _not_found(job_id: str) -> NotFound:
    return NotFound("job_not_found", f"there is no job {job_id!r}")


def _event(entry: tuple[str, dict[str, str]]) -> Event:
    event_id, fields = entry
    return Event.of(event_id, fields["type"], json.loads(fields["data"]))


def _flat(fields: Mapping[str, str]) -> list[str]:
    return [text for pair in fields.items() for text in pair]
