"""`/healthz`: the process lives. `/readyz`: what it needs answers, and who else is online."""

from __future__ import annotations

import os
from typing import Any

from flask import Blueprint
from redis import Redis, RedisError

from shared import durable
from shared.broker import QUEUES, Outbox
from shared.errors import StorageFull
from shared.volume import Volume


def blueprint(redis: Redis, outbox: Outbox, volume: Volume) -> Blueprint:
    """The operators' routes."""
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @routes.get("/readyz")
    def readyz() -> tuple[dict[str, Any], int, dict[str, str]]:
        workers: dict[str, int] = {}
        try:
            redis.ping()
            workers = {QUEUES[kind]: outbox.workers_online(kind) for kind in QUEUES}
            redis_state = "ok"
        except RedisError as error:
            redis_state = f"does not answer: {error}"
        volume_state = _volume_state(volume)
        ready = redis_state == volume_state == "ok"
        checks = {"redis": redis_state, "volume": volume_state, "workers": workers}
        if ready:
            return {"status": "ready", **checks}, 200, {}
        return {"status": "not ready", **checks}, 503, {"Retry-After": "2"}

    return routes


def _volume_state(volume: Volume) -> str:
    try:
        durable.make_folder(volume.incoming)
    except (OSError, StorageFull) as error:
        return f"cannot be used: {error}"
    return "ok" if os.access(volume.incoming, os.W_OK) else "is not writable"
