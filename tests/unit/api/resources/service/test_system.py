"""`GET /v1/system`."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

from api.app import create_app
from shared.jobs import JobStore, ShardQueue, State
from shared.jobs.capacity import gauges as capacity
from shared.jobs.task_queue import DISPATCHER, Presence
from shared.runtime.settings import Settings
from shared.runtime.version import VERSION
from tests.support.objects.jobs import a_batch, a_training


def system(client: FlaskClient) -> dict[str, Any]:
    response = client.get("/v1/system")
    assert response.status_code == 200
    return response.get_json()  # type: ignore[no-any-return]


def test_an_idle_service_has_empty_queues_and_no_faults(client: FlaskClient) -> None:
    shown = system(client)

    assert shown["version"] == VERSION
    assert shown["jobs"] == dict.fromkeys(State, 0)
    idle = {"jobs": 0, "oldest_seconds": 0.0, "processes": 0, "busy": 0, "free": 0}
    assert shown["queues"] == [{"queue": queue, **idle} for queue in ("training", "inference")]
    assert shown["workers"] == []
    assert shown["redis"]["fault"] is None
    assert shown["redis"]["memory_used"] > 0
    assert shown["volume"]["fault"] is None
    assert 0 < shown["volume"]["free"] <= shown["volume"]["total"]


def test_processes_that_run_a_job_or_help_with_one_are_busy(client: FlaskClient, redis: Redis, jobs: JobStore) -> None:
    for worker, queue, processes in (("a:1", "training", 1), ("b:1", "inference", 2), ("b:9", "inference", 2)):
        Presence(redis, worker, queue, processes).renew()
    Presence(redis, "c:1", DISPATCHER, 1).renew()
    training, batch, waiting = a_training(), a_batch(), a_batch()
    for job in (training, batch, waiting):
        jobs.create(job)
    jobs.claim(training.id, "a:2")
    claim = jobs.claim(batch.id, "b:2")
    assert claim is not None
    shards = ShardQueue(redis)
    shards.open(claim, [0, 1, 2])
    redis.delete("glassbox:waiting")  # else helpers leave for the batch that waits
    assert shards.arrive(claim, "b:3") is not None

    shown = system(client)

    training_queue, inference = shown["queues"]
    assert (training_queue["busy"], training_queue["free"], training_queue["jobs"]) == (1, 0, 0)
    assert (inference["busy"], inference["free"], inference["jobs"]) == (2, 2, 1)
    assert inference["oldest_seconds"] >= 0
    assert shown["workers"] == [
        {"host": "a", "queue": "training", "workers": 1, "processes": 1, "busy": 1, "free": 0},
        {"host": "b", "queue": "inference", "workers": 2, "processes": 4, "busy": 2, "free": 2},
    ]
    assert shown["webhook_dispatchers"] == 1
    assert (shown["jobs"]["running"], shown["jobs"]["queued"]) == (2, 1)


def test_without_redis_the_rest_is_shown(client_without_redis: FlaskClient) -> None:
    shown = system(client_without_redis)

    assert shown["redis"]["fault"]["code"] == "redis_unavailable"
    assert (shown["jobs"], shown["queues"], shown["workers"]) == (None, None, None)
    assert shown["volume"]["free"] > 0


def test_a_volume_that_hangs_delays_the_response_by_a_bounded_time(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    monkeypatch.setattr(capacity, "STATVFS_SECONDS", 0.2)
    monkeypatch.setattr(capacity, "_space", lambda _: released.wait(30))
    started = time.monotonic()

    shown = system(create_app(settings).test_client())

    released.set()
    assert time.monotonic() - started < 5
    assert shown["volume"]["fault"]["code"] == "volume_unavailable"
    assert shown["volume"]["free"] is None
    assert shown["queues"] is not None
