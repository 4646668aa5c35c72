"""`/healthz`: the process lives. `/readyz`: jobs and uploads are accepted, and how many workers are online."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Literal, NotRequired

from flask import Blueprint
from pydantic import Field
from redis import Redis, RedisError
from typing_extensions import TypedDict

from api.schema.operations import ResponseSpec, operation
from shared.jobs.capacity import VolumeGauge, write_fault
from shared.jobs.task_queue import QUEUES, TaskQueue
from shared.runtime.settings import Settings
from shared.runtime.version import VERSION


class Health(TypedDict):
    """The process lives."""

    status: Literal["ok"]


class Reason(TypedDict):
    """Why it is not ready: a stable code for programs, a sentence with the remedy for people."""

    code: str
    detail: str


class Readiness(TypedDict):
    """Whether jobs and uploads are accepted, how many workers are online for each queue, and which Glassbox this is.

    `redis` and `volume` are `ok`, or say what is wrong: one that is full is not ready. What is on the volume can be
    read, and models predict, all the same.
    """

    status: Literal["ready", "not ready"]
    redis: str
    volume: str
    workers: dict[str, int]
    version: str
    revision: str | None
    reasons: Annotated[NotRequired[list[Reason]], Field(description="why it is not ready")]


NOT_READY = ResponseSpec(
    (Readiness,), "Redis or the volume is full, or cannot be used; `reasons` says which.", headers=("Retry-After",)
)


def blueprint(redis: Redis, task_queue: TaskQueue, gauge: VolumeGauge, settings: Settings) -> Blueprint:
    """The operators' routes."""
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    @operation("Does the process live?", scope=None, responses={200: Health})
    def healthz() -> Health:
        return {"status": "ok"}

    @routes.get("/readyz")
    @operation("Can it do its work?", scope=None, responses={200: Readiness, 503: NOT_READY})
    def readyz() -> tuple[Readiness, int, dict[str, str]]:
        """Whether it accepts jobs and uploads. Not ready, it goes on with what needs none of what is missing."""
        reasons: list[Reason] = []
        redis_state = volume_state = "ok"
        if fault := write_fault(redis):
            redis_state = fault.detail
            reasons.append({"code": fault.code, "detail": fault.detail})
        if volume_fault := gauge.fault():
            volume_state = volume_fault.detail
            reasons.append({"code": volume_fault.code, "detail": volume_fault.detail})
        workers: dict[str, int] = {}
        if fault is None or fault.refuses:  # else it would take the time to find it silent once more
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
