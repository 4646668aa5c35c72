"""Reasons why a queued job cannot start now, from its record, Redis, the volume and the workers.

A full Redis cannot store a reason in the job's record, so the reason is computed when the job is read. Each fact is
read at most once per second.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from redis import Redis

from shared.jobs import Job, JobStore, Kind, State
from shared.jobs.capacity.gauges import VolumeGauge, new_job_fault, write_fault
from shared.jobs.capacity.sharing.places import Place
from shared.jobs.outcome import Waiting
from shared.jobs.task_queue import QUEUES, TaskQueue
from shared.runtime.redis_faults import RedisFault

T = TypeVar("T")

FRESH_SECONDS = 1.0
FIRST_OF_QUEUE = {QUEUES[kind]: kind for kind in (Kind.TRAINING, Kind.BATCH)}


class WaitingReasons:
    """The current reasons why jobs wait."""

    def __init__(self, redis: Redis, jobs: JobStore, task_queue: TaskQueue, gauge: VolumeGauge) -> None:
        self._redis_fault = _Fresh(lambda: write_fault(redis))
        self._new_job_fault = _Fresh(lambda: new_job_fault(redis))
        self._volume_fault = _Fresh(gauge.fault)
        self._places = {
            kind: _Fresh(lambda kind=kind: jobs.places(kind, task_queue.processes_online(kind)))  # type: ignore[misc]
            for kind in (Kind.TRAINING, Kind.BATCH)
        }
        self._workers = {kind: _Fresh(lambda kind=kind: task_queue.workers_online(kind)) for kind in Kind}  # type: ignore[misc]

    def new_job_fault(self) -> RedisFault | None:
        """Return why Redis accepts no new job; None if it accepts one."""
        return self._new_job_fault()

    def of(self, job: Job) -> Waiting | None:
        """Return why this job waits; None if it is not queued, or waits only for its turn. Raises `RedisError`."""
        if job.state is not State.QUEUED:
            return None
        fault = self._redis_fault()
        if fault is not None:
            return {"code": fault.code, "detail": fault.detail}
        if job.waiting is not None:
            return {"code": job.waiting["code"], "detail": job.waiting["detail"]}
        if not self._workers[job.kind]():
            return {"code": "no_workers", "detail": f"no worker is online for the queue {QUEUES[job.kind]!r}"}
        volume_fault = self._volume_fault()
        return None if volume_fault is None else {"code": volume_fault.code, "detail": volume_fault.detail}

    def place(self, job: Job, waiting: Waiting | None) -> Place | None:
        """Return the place of a queued job, which is empty if the job cannot start now; None if it is not queued.

        Raises `RedisError`.
        """
        if job.state is not State.QUEUED:
            return None
        if waiting is not None:
            return Place()
        return self._places[FIRST_OF_QUEUE[QUEUES[job.kind]]]().get(job.id, Place())


class _Fresh(Generic[T]):
    """A value that is cached for `FRESH_SECONDS`."""

    def __init__(self, read: Callable[[], T]) -> None:
        self._read = read
        self._known: tuple[float, T] | None = None

    def __call__(self) -> T:
        known = self._known
        if known is None or time.monotonic() - known[0] > FRESH_SECONDS:
            known = self._known = (time.monotonic(), self._read())
        return known[1]
