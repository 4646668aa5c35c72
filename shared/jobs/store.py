"""The job records in Redis: created, claimed under a lease, kept alive, and moved between states, each step atomic.

Every step is one Lua script, which Redis runs as a compare-and-set on the job's state and fence: of two workers that
hold the same message, one gets the claim; a worker that lost its lease can write nothing more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, cast

from redis import Redis

from shared.errors import NotFound
from shared.jobs import keys
from shared.jobs.record import Job, Progress, encode_fields
from shared.jobs.states import State, sources_of

SCRIPTS = Path(__file__).parent / "scripts"


@dataclass(frozen=True)
class Claim:
    """The right to work on a job: valid while its fence is the newest and its lease is renewed in time."""

    job: Job

    @property
    def fence(self) -> int:
        """The number of this attempt."""
        return self.job.attempt


class Pulse(Enum):
    """What a heartbeat learns."""

    HELD = "held"  # go on
    CANCEL = "cancel"  # somebody asked for the job to stop
    LOST = "lost"  # the job is somebody else's, or over: stop, and write nothing


class JobStore:
    """All reading and writing of job records. Raises `redis.RedisError` where Redis does not answer."""

    def __init__(self, redis: Redis, lease_seconds: float) -> None:
        self._redis = redis
        self._lease_ms = int(lease_seconds * 1000)
        self._create, self._claim, self._renew, self._move = (
            redis.register_script((SCRIPTS / f"{name}.lua").read_text())
            for name in ("create", "claim", "renew", "move")
        )

    def create(self, job: Job) -> None:
        """Write a new job down, in state `queued`."""
        self._create(
            keys=[keys.job(job.id), keys.events(job.id), keys.JOBS, keys.in_state(State.QUEUED)],
            args=[job.id, *_flat(job.to_hash())],
        )

    def discard(self, job_id: str) -> None:
        """Take back a job whose submission failed half-way."""
        with self._redis.pipeline() as pipe:
            pipe.delete(keys.job(job_id), keys.events(job_id))
            for index in (keys.JOBS, keys.LEASES, *map(keys.in_state, State)):
                pipe.zrem(index, job_id)
            pipe.execute()

    def get(self, job_id: str) -> Job:
        """The job as it stands; `NotFound` where there is none."""
        fields = cast("dict[str, str]", self._redis.hgetall(keys.job(job_id)))
        if not fields:
            raise NotFound("job_not_found", f"there is no job {job_id!r}")
        return Job.from_hash(fields)

    def newest_first(self, state: State | None = None, before: str | None = None) -> Iterator[Job]:
        """The jobs, in `state` if one is given, from the newest or from the one just older than the id `before`."""
        index = keys.JOBS if state is None else keys.in_state(state)
        while True:
            newest = "+" if before is None else f"({before}"
            page = cast("list[str]", self._redis.zrevrangebylex(index, newest, "-", start=0, num=100))
            if not page:
                return
            with self._redis.pipeline(transaction=False) as pipe:
                for job_id in page:
                    pipe.hgetall(keys.job(job_id))
                yield from (Job.from_hash(fields) for fields in pipe.execute() if fields)
            before = page[-1]

    def count(self, state: State) -> int:
        """How many jobs are in `state`."""
        return int(self._redis.zcard(keys.in_state(state)))

    def claim(self, job_id: str, owner: str) -> Claim | None:
        """Take a queued job; None where it is not queued (any more), so that a message seen twice does no harm."""
        fields = self._claim(
            keys=[
                keys.job(job_id),
                keys.events(job_id),
                keys.LEASES,
                keys.in_state(State.QUEUED),
                keys.in_state(State.RUNNING),
            ],
            args=[job_id, owner, self._lease_ms],
        )
        if not fields:
            return None
        return Claim(Job.from_hash(dict(zip(fields[::2], fields[1::2], strict=True))))

    def renew(
        self,
        claim: Claim,
        progress: Progress | None = None,
        metrics: Mapping[str, Any] | None = None,
        event: str = "",
    ) -> Pulse:
        """Prolong the lease and report how far the job is; tells whether to go on."""
        report: dict[str, Any] = {}
        if progress is not None:
            report["progress"] = progress.model_dump()
        if metrics is not None:
            report["metrics"] = dict(metrics)
        state = self._renew(
            keys=[keys.job(claim.job.id), keys.events(claim.job.id), keys.LEASES],
            args=[
                claim.job.id,
                claim.fence,
                self._lease_ms,
                event,
                json.dumps(report) if event else "",
                *_flat(encode_fields(report)),
            ],
        )
        if state is None:
            return Pulse.LOST
        return Pulse.CANCEL if state == State.CANCELLING else Pulse.HELD

    def finish(self, claim: Claim, state: State, **fields: Any) -> bool:
        """End the claimed job in `state`, with `result`, `error`, `progress`; False where the lease was lost."""
        return self._move_to(claim.job.id, state, fence=claim.fence, fields=fields)[0]

    def _move_to(
        self, job_id: str, target: State, *, fence: int | None = None, fields: Mapping[str, Any]
    ) -> tuple[bool, State | None]:
        """Whether the job moved, and its state now; None where there is no such job (any more)."""
        sources = sorted(sources_of(target))
        moved, state = self._move(
            keys=[
                keys.job(job_id),
                keys.events(job_id),
                keys.LEASES,
                keys.in_state(target),
                *map(keys.in_state, sources),
            ],
            args=[
                job_id,
                "" if fence is None else fence,
                target,
                int(target.is_terminal),
                len(sources),
                *sources,
                *_flat(encode_fields(fields)),
            ],
        )
        return bool(moved), State(state) if state else None


def _flat(fields: Mapping[str, str]) -> list[str]:
    return [text for pair in fields.items() for text in pair]
