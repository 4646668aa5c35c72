"""Counters of all jobs: transitions, durations and images, counted in Redis by the scripts that make the transitions.

A count and its transition are one atomic step. So the counters are exact even if a process dies, and the same on every
host. They restart from 0 if Redis loses its data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from redis import Redis

from shared.jobs import keys
from shared.jobs.record import Kind
from shared.jobs.states import State
from shared.runtime.redis_scripts import Script

BOUNDS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400)  # seconds
OUTCOMES = ("succeeded", "failed")


OLDEST = (Path(__file__).parents[1] / "scripts" / "finding" / "oldest.lua").read_text()


@dataclass(frozen=True)
class Durations:
    """A histogram of job durations: the jobs between each upper bound in seconds and the previous one; and the sum."""

    counts: Mapping[float, int]
    total: float


@dataclass(frozen=True)
class JobCounters:
    """All counters at one moment. `images` counts the images of ended batches, `queued` the jobs that wait now."""

    entered: Mapping[tuple[Kind, State], int]
    durations: Mapping[Kind, Durations]
    queued: Mapping[Kind, int]
    images: Mapping[str, int]


def read_counters(redis: Redis) -> JobCounters:
    """Read all counters; raises `redis.RedisError` if Redis does not answer."""
    fields = cast("dict[str, str]", redis.hgetall(keys.COUNTERS))

    def number(name: str) -> int:
        return int(fields.get(name, 0))

    return JobCounters(
        entered={(kind, state): number(f"entered:{kind}:{state}") for kind in Kind for state in State},
        durations={
            kind: Durations(
                {bound: number(f"seconds:{kind}:{bound}") for bound in (*BOUNDS, float("inf"))},
                float(fields.get(f"seconds:{kind}:sum", 0)),
            )
            for kind in Kind
        },
        queued={kind: number(f"queued:{kind}") for kind in Kind},
        images={outcome: number(f"images:{outcome}") for outcome in OUTCOMES},
    )


def oldest_ages(redis: Redis) -> dict[Kind, float]:
    """Return for each kind how many seconds its oldest queued job has waited; 0 if none waits."""
    oldest = Script(redis, OLDEST)
    queued = keys.in_state(State.QUEUED)
    return {kind: float(cast("str", oldest({"queued": keys.queued(kind), "all_queued": queued}))) for kind in Kind}


def open_shards(redis: Redis) -> int:
    """Return how many shards of the running batches no process has taken; raises `redis.RedisError`."""
    claimed = cast("list[str]", redis.zrange(keys.LEASES, 0, -1))  # at most as many jobs as there are worker processes
    lengths = redis.pipeline(transaction=False)
    for job_id in claimed:
        lengths.llen(keys.open_shards(job_id))
    return sum(lengths.execute())
