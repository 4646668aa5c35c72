"""Webhooks from end to end: a real service, a dispatcher's process, and a receiver that verifies signatures."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, cast

import pytest
from redis import Redis

from shared.jobs import keys
from tests.integration.conftest import DATABASE
from tests.support.data.archives import zip_of_images
from tests.support.data.npz import easy_arrays, easy_images, npz
from tests.support.programs.processes import Process
from tests.support.servers.receiver import receiving
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.stack import Stack
from tests.support.waiting import eventually


@contextmanager
def running_dispatcher(stack: Stack, redis_server: RedisServer, folder: Path) -> Iterator[Process]:
    environment = {
        "GLASSBOX_REDIS_URL": redis_server.url(DATABASE),
        "GLASSBOX_VOLUME": str(stack.volume.root),
        "GLASSBOX_WEBHOOK_ALLOW_PRIVATE": "true",
        "GLASSBOX_WEBHOOK_RETRY_SECONDS": "0.1",
    }
    with Process("courier", [sys.executable, "-m", "worker.webhooks"], folder, environment) as process:
        yield process


@pytest.fixture
def dispatcher(stack: Stack, redis_server: RedisServer, tmp_path: Path) -> Iterator[Process]:
    with running_dispatcher(stack, redis_server, tmp_path) as process:
        yield process


@pytest.fixture(scope="module", autouse=True)
def model(stack: Stack) -> None:
    stack.upload(npz(easy_arrays(seed=31)), "webhooks")
    stack.finished(stack.train(model="webhooks", dataset="webhooks", epochs=2)["id"])


def log_of(stack: Stack, job_id: str) -> list[dict[str, Any]]:
    """The events of the job's webhook in its log."""
    items = stack.get(f"/v1/jobs/{job_id}/events")["items"]
    return [item["data"] for item in items if item["type"] == "webhook"]


def test_the_ends_of_trainings_and_batches_are_delivered(stack: Stack, dispatcher: Process) -> None:
    with receiving() as receiver:
        training = stack.train(model="webhooks", dataset="webhooks", epochs=1, webhook=receiver.url)
        batch = stack.classify(zip_of_images(easy_images(5)[0]), "webhooks", webhook=receiver.url)
        eventually(lambda: len(receiver.messages) == 2, within=60.0)
        secret = stack.volume.webhook_secret.read_text()
        delivered = {
            content["data"]["id"]: content for content in (each.verified(secret) for each in receiver.messages)
        }
        for job in (training, batch):
            eventually(lambda job_id=job["id"]: log_of(stack, job_id))  # type: ignore[misc]

    for job in (training, batch):
        assert delivered[job["id"]]["type"] == "job.succeeded"
        assert delivered[job["id"]]["data"] == stack.job(job["id"])
        assert [outcome["outcome"] for outcome in log_of(stack, job["id"])] == ["delivered"]


def test_a_failed_delivery_is_retried(stack: Stack, dispatcher: Process) -> None:
    with receiving(500, 503) as receiver:
        job = stack.train(model="webhooks", dataset="webhooks", epochs=1, webhook=receiver.url)
        eventually(
            lambda: [outcome["outcome"] for outcome in log_of(stack, job["id"])] == [*["failed"] * 2, "delivered"]
        )

    assert len({message.id for message in receiver.messages}) == 1
    assert len(receiver.messages) == 3


def test_the_end_of_a_job_without_a_running_dispatcher_is_delivered_by_the_next(
    stack: Stack, redis_server: RedisServer, tmp_path: Path
) -> None:
    with receiving() as receiver:
        job = stack.train(model="webhooks", dataset="webhooks", epochs=1, webhook=receiver.url)
        stack.finished(job["id"])
        assert receiver.messages == []

        with running_dispatcher(stack, redis_server, tmp_path):
            eventually(lambda: log_of(stack, job["id"]))

    assert len(receiver.messages) == 1


def test_a_delivery_of_a_killed_dispatcher_is_taken_over_by_the_next(
    stack: Stack, redis_server: RedisServer, stack_redis: Redis, tmp_path: Path
) -> None:
    released = threading.Event()

    def hang(_: BaseHTTPRequestHandler) -> None:
        released.wait(60.0)

    with receiving(hang) as receiver:
        with running_dispatcher(stack, redis_server, tmp_path) as first:
            job = stack.train(model="webhooks", dataset="webhooks", epochs=1, webhook=receiver.url)
            eventually(lambda: receiver.messages)
            first.kill()
        for delivery in cast("list[str]", stack_redis.zrange(keys.DELIVERIES_DUE, 0, -1)):  # expire the lease
            stack_redis.zadd(keys.DELIVERIES_DUE, {delivery: 1})
        with running_dispatcher(stack, redis_server, tmp_path):
            eventually(lambda: log_of(stack, job["id"]))
        released.set()

    assert len(receiver.messages) == 2
    assert len({message.id for message in receiver.messages}) == 1


def test_a_dispatcher_ends_soon_after_a_stop_signal(dispatcher: Process) -> None:
    eventually(lambda: "ready" in dispatcher.log())

    dispatcher.terminate()

    eventually(lambda: dispatcher.has_ended, within=10.0)


def test_a_dispatcher_with_an_invalid_secret_does_not_start(tmp_path: Path) -> None:
    environment = {"GLASSBOX_WEBHOOK_SECRETS": "hunter2", "GLASSBOX_VOLUME": str(tmp_path / "volume")}
    with Process("courier", [sys.executable, "-m", "worker.webhooks"], tmp_path, environment) as process:
        eventually(lambda: "GLASSBOX_WEBHOOK_SECRETS" in process.log())
        assert "hunter2" not in process.log()
