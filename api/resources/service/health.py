"""`/healthz`: liveness of the process. `/readyz`: whether the service accepts jobs, and how many workers are online."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Literal, NotRequired

from flask import Blueprint
from pydantic import Field
from redis import Redis, RedisError
from typing_extensions import TypedDict

from api.schema.operations import ResponseSpec, operation
from shared.jobs.capacity.gauges import VolumeGauge, new_job_fault
from shared.jobs.task_queue import QUEUES, TaskQueue
from shared.runtime.settings import Settings
from shared.runtime.version import VERSION


class Health(TypedDict):
    """The process is live."""

    status: Literal["ok"]


class Reason(TypedDict):
    """Why the service is not ready: a stable code for programs, and a sentence with the remedy for people."""

    code: str
    detail: str


class Readiness(TypedDict):
    """Whether jobs and uploads are accepted, the number of online workers per queue, and the version.

    `redis` and `volume` are `ok` or describe the problem, such as a full memory or disk. Even if the service is not
    ready, clients can read from the volume and run predictions.
    """

    status: Literal["ready", "not ready"]
    redis: str
    volume: str
    workers: dict[str, int]
    version: str
    revision: str | None
    reasons: Annotated[NotRequired[list[Reason]], Field(description="why the service is not ready")]


NOT_READY = ResponseSpec(
    (Readiness,), "Redis or the volume is full or unavailable; see `reasons`.", headers=("Retry-After",)
)


def blueprint(redis: Redis, task_queue: TaskQueue, gauge: VolumeGauge, settings: Settings) -> Blueprint:
    """Return the health routes."""
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    @operation("Check whether the process is live", scope=None, responses={200: Health})
    def healthz() -> Health:
        return {"status": "ok"}

    @routes.get("/readyz")
    @operation("Check whether the service is ready", scope=None, responses={200: Readiness, 503: NOT_READY})
    def readyz() -> tuple[Readiness, int, dict[str, str]]:
        """Ready means that it accepts jobs and uploads. Otherwise, requests that need no failed part still succeed."""
        reasons: list[Reason] = []
        redis_state = volume_state = "ok"
        if fault := new_job_fault(redis):
            redis_state = fault.detail
            reasons.append({"code": fault.code, "detail": fault.detail})
        if volume_fault := gauge.fault():
            volume_state = volume_fault.detail
            reasons.append({"code": volume_fault.code, "detail": volume_fault.detail})
        workers: dict[str, int] = {}
        if fault is None or fault.refuses:  # an unreachable Redis would only cost another timeout
            with suppress(RedisError):
                workers = {QUEUES[kind]: task_queue.workers_online(kind) for kind in QUEUES}
        readiness: Readiness = {
            "status": "not ready" if reasons else "ready",
            "redis": redis_state,
            "volume": volume_state,
            "workers": workers,
            "version": VERSION,
            "revision": settings.revision,
        }
        if not reasons:
            return readiness, 200, {}
        return {**readiness, "reasons": reasons}, 503, {"Retry-After": "2"}

    return routes
