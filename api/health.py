"""`/healthz`: the process lives. `/readyz`: what it needs answers, and who else is online."""

from __future__ import annotations

import os
from typing import Literal

from flask import Blueprint
from redis import Redis, RedisError
from typing_extensions import TypedDict

from api.operations import Answer, operation
from shared import durable
from shared.broker import QUEUES, Outbox
from shared.errors import StorageFull
from shared.settings import Settings
from shared.version import VERSION
from shared.volume import Volume


class Health(TypedDict):
    """The process lives."""

    status: Literal["ok"]


class Readiness(TypedDict):
    """Whether Redis and the volume answer, how many workers are online for each queue, and which Glassbox this is."""

    status: Literal["ready", "not ready"]
    redis: str
    volume: str
    workers: dict[str, int]
    version: str
    revision: str | None


NOT_READY = Answer((Readiness,), "Redis or the volume does not answer.", headers=("Retry-After",))


def blueprint(redis: Redis, outbox: Outbox, volume: Volume, settings: Settings) -> Blueprint:
    """The operators' routes."""
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    @operation("Does the process live?", scope=None, answers={200: Health})
    def healthz() -> Health:
        return {"status": "ok"}

    @routes.get("/readyz")
    @operation("Can it do its work?", scope=None, answers={200: Readiness, 503: NOT_READY})
    def readyz() -> tuple[Readiness, int, dict[str, str]]:
        workers: dict[str, int] = {}
        try:
            redis.ping()
            workers = {QUEUES[kind]: outbox.workers_online(kind) for kind in QUEUES}
            redis_state = "ok"
        except RedisError as error:
            redis_state = f"does not answer: {error}"
        volume_state = _volume_state(volume)
        ready = redis_state == volume_state == "ok"
        readiness: Readiness = {
            "status": "ready" if ready else "not ready",
            "redis": redis_state,
            "volume": volume_state,
            "workers": workers,
            "version": VERSION,
            "revision": settings.revision,
        }
        return (readiness, 200, {}) if ready else (readiness, 503, {"Retry-After": "2"})

    return routes


def _volume_state(volume: Volume) -> str:
    try:
        durable.make_folder(volume.incoming)
    except (OSError, StorageFull) as error:
        return f"cannot be used: {error}"
    return "ok" if os.access(volume.incoming, os.W_OK) else "is not writable"
