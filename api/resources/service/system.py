"""`GET /v1/system`: the version, workers and how busy they are, queues, Redis's memory, the volume's space."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass

from flask import Blueprint
from pydantic import with_config
from redis import Redis, RedisError
from typing_extensions import TypedDict

from api.resources.service.health import Reason
from api.schema import examples
from api.schema.examples import shown_as
from api.schema.operations import operation
from shared.jobs import JobStore
from shared.jobs.capacity.counters import oldest_ages, read_counters
from shared.jobs.capacity.gauges import RedisMemory, VolumeGauge, full_volume, new_job_fault, redis_memory
from shared.jobs.task_queue import QUEUES, TaskQueue
from shared.runtime.redis_faults import RedisFault, explained, fault_of
from shared.runtime.settings import Settings
from shared.runtime.version import VERSION

log = logging.getLogger(__name__)

MOST_HOSTS = 500  # entries of `workers`


class QueueView(TypedDict):
    """A queue: its waiting jobs, the age of the oldest one in seconds, and the processes of its online workers."""

    queue: str
    jobs: int
    oldest_seconds: float
    processes: int
    busy: int
    free: int


class WorkerView(TypedDict):
    """The online workers of one queue on one host. Each process runs one job, or helps with one, at a time."""

    host: str
    queue: str
    workers: int
    processes: int
    busy: int
    free: int


class RedisView(TypedDict):
    """Redis: why it accepts no new job, and the bytes that count against its limit; null if unknown or unlimited."""

    fault: Reason | None
    memory_used: int | None
    memory_limit: int | None


class VolumeView(TypedDict):
    """The volume: why it accepts no job, and its bytes and inodes; null if unknown, or if inodes are unlimited."""

    fault: Reason | None
    free: int | None
    total: int | None
    free_inodes: int | None
    inodes: int | None


@with_config(shown_as(examples.SYSTEM))
class SystemView(TypedDict):
    """The state of the service.

    `jobs` are the numbers of jobs by state; `workers` has at most 500 hosts. `jobs`, `queues`, `workers` and
    `webhook_dispatchers` are null if Redis does not answer.
    """

    version: str
    revision: str | None
    redis: RedisView
    volume: VolumeView
    jobs: dict[str, int] | None
    queues: list[QueueView] | None
    workers: list[WorkerView] | None
    webhook_dispatchers: int | None


@dataclass(frozen=True)
class Live:
    """What Redis has about the deployment."""

    jobs: dict[str, int]
    queues: list[QueueView]
    workers: list[WorkerView]
    webhook_dispatchers: int


def blueprint(redis: Redis, jobs: JobStore, task_queue: TaskQueue, gauge: VolumeGauge, settings: Settings) -> Blueprint:
    """Return the route that shows the state of the service."""
    routes = Blueprint("system", __name__, url_prefix="/v1/system")

    @routes.get("")
    @operation("Show the state of the service", scope="read", responses={200: SystemView})
    def show() -> SystemView:
        """The response is 200 in any state. If Redis or the volume hangs, it takes a few seconds and omits their part.

        `/readyz` is for health checks, `/metrics` for Prometheus.
        """
        fault, memory, live = new_job_fault(redis), None, None
        if fault is None or fault.refuses:  # an unreachable Redis would only cost another timeout
            try:
                memory = _memory(redis)
                live = _live(redis, jobs, task_queue)
            except RedisError as error:
                log.warning("/v1/system omits the workers and the queues: %s", explained(error))
                fault = fault or fault_of(error)
        return {
            "version": VERSION,
            "revision": settings.revision,
            "redis": _redis_view(fault, memory),
            "volume": _volume_view(gauge),
            "jobs": None if live is None else live.jobs,
            "queues": None if live is None else live.queues,
            "workers": None if live is None else live.workers,
            "webhook_dispatchers": None if live is None else live.webhook_dispatchers,
        }

    return routes


def _memory(redis: Redis) -> RedisMemory | None:
    """Return the memory use of Redis; None if it does not report it."""
    try:
        return redis_memory(redis)
    except RedisError as error:
        if not fault_of(error).refuses:
            raise
        return None


def _live(redis: Redis, jobs: JobStore, task_queue: TaskQueue) -> Live:
    """Read the workers, what they do, and the queues; raises `RedisError`."""
    working: dict[tuple[str, str], int] = defaultdict(int)  # busy processes by host and queue
    for process, kind in jobs.busy_processes().items():
        working[process.rpartition(":")[0], QUEUES[kind]] += 1
    waiting, ages = read_counters(redis).queued, oldest_ages(redis)
    queues: list[QueueView] = []
    workers: list[WorkerView] = []
    for queue in dict.fromkeys(QUEUES.values()):
        kinds = [kind for kind in QUEUES if QUEUES[kind] == queue]
        hosts: dict[str, list[int]] = defaultdict(list)
        for worker in task_queue.workers(kinds[0]):
            hosts[worker.host].append(worker.processes)
        own: list[WorkerView] = []
        for host, processes in sorted(hosts.items()):
            busy = min(sum(processes), working[host, queue])
            own.append(
                {
                    "host": host,
                    "queue": queue,
                    "workers": len(processes),
                    "processes": sum(processes),
                    "busy": busy,
                    "free": sum(processes) - busy,
                }
            )
        workers += own
        queues.append(
            {
                "queue": queue,
                "jobs": sum(waiting[kind] for kind in kinds),
                "oldest_seconds": max(ages[kind] for kind in kinds),
                "processes": sum(each["processes"] for each in own),
                "busy": sum(each["busy"] for each in own),
                "free": sum(each["free"] for each in own),
            }
        )
    return Live(jobs.counts(), queues, workers[:MOST_HOSTS], task_queue.dispatchers_online())


def _redis_view(fault: RedisFault | None, memory: RedisMemory | None) -> RedisView:
    return {
        "fault": None if fault is None else {"code": fault.code, "detail": fault.detail},
        "memory_used": None if memory is None else memory.used,
        "memory_limit": None if memory is None else memory.limit,
    }


def _volume_view(gauge: VolumeGauge) -> VolumeView:
    try:
        space = gauge.space()
    except OSError as error:
        reason: Reason = {"code": "volume_unavailable", "detail": f"the volume cannot be used: {error}"}
        return {"fault": reason, "free": None, "total": None, "free_inodes": None, "inodes": None}
    fault = full_volume(space)
    return {
        "fault": None if fault is None else {"code": fault.code, "detail": fault.detail},
        "free": space.free,
        "total": space.total,
        "free_inodes": space.free_inodes if space.inodes else None,
        "inodes": space.inodes or None,
    }
