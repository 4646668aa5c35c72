"""The fault matrix's rows about Redis's memory, on a stack of real processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from shared.jobs import Kind, State
from tests.chaos import work
from tests.chaos.stack import QUICK, Stack
from tests.support.waiting import eventually

START_SECONDS = 30.0  # within which a waiting job must start when Redis has memory again


@pytest.fixture
def stack() -> Iterator[Stack]:
    with TemporaryDirectory(prefix="glassbox-") as folder:
        # Only the tested mechanism may start the job: an unclaimed message is sent again after an hour.
        settings = {**QUICK, "RESEND_SECONDS": "3600"}
        with Stack(Path(folder), settings, workers=("training",)) as stack:
            yield stack


def submit(stack: Stack) -> str:
    response = stack.http.post("/v1/training-jobs", json={"model": "toy", "dataset": "digits", "epochs": 1})
    assert response.status_code == 202, response.text
    return str(response.json()["id"])


def waiting(stack: Stack, job_id: str) -> str | None:
    reason = stack.http.get(f"/v1/jobs/{job_id}").json()["waiting"]
    return reason and str(reason["code"])


def seconds_until_started(stack: Stack, job_id: str) -> float:
    """Raise Redis's memory limit, wait until the job has succeeded, and return the seconds until it started."""
    stack.redis.config_set("maxmemory", 0)
    raised_ms = stack.jobs.now()
    eventually(lambda: stack.jobs.get(job_id).state is State.SUCCEEDED, within=60)
    started_ms = stack.jobs.get(job_id).started_at
    assert started_ms is not None
    return (started_ms - raised_ms) / 1000


def test_jobs_that_a_worker_finds_at_its_start_wait_for_memory_in_redis(stack: Stack) -> None:
    stack.end("training")
    job = submit(stack)
    stack.redis.config_set("maxmemory", 1)

    stack.start("training")

    eventually(lambda: waiting(stack, job) == "redis_full")
    eventually(lambda: stack.http.get("/readyz").json()["workers"]["training"] == 1)
    refused = stack.http.post("/v1/training-jobs", json={"model": "toy", "dataset": "digits", "epochs": 1})
    assert (refused.status_code, refused.json()["code"]) == (503, "redis_full")
    assert seconds_until_started(stack, job) < START_SECONDS
    assert stack.jobs.get(job).attempt == 1


def test_running_and_queued_jobs_end_while_redis_is_full(stack: Stack) -> None:
    running = work.submit(stack.http, epochs=10_000)
    eventually(lambda: stack.jobs.get(running).state is State.RUNNING)
    next_one, cancelled = (submit(stack) for _ in range(2))
    stack.redis.config_set("maxmemory", 1)

    assert stack.http.post(f"/v1/jobs/{cancelled}/cancel").json()["state"] == "cancelled"
    assert stack.http.delete(f"/v1/jobs/{cancelled}").status_code == 204
    full_since = stack.jobs.now()
    eventually(lambda: stack.jobs.now() - full_since > 3 * stack.settings.lease_seconds * 1000)
    assert stack.jobs.get(running).attempt == 1
    assert stack.http.post(f"/v1/jobs/{running}/cancel").json()["state"] == "cancelling"

    eventually(lambda: stack.jobs.get(running).state is State.CANCELLED, within=60)
    eventually(lambda: stack.jobs.get(next_one).state is State.SUCCEEDED, within=60)
    assert stack.http.get("/readyz").json()["reasons"][0]["code"] == "redis_full"


def test_a_job_whose_message_is_lost_with_its_worker_starts_when_redis_has_memory(stack: Stack) -> None:
    stack.kill("training")
    job = submit(stack)
    assert stack.redis.lpop(stack.queue(Kind.TRAINING))  # as if the worker had received it before its death
    stack.redis.config_set("maxmemory", 1)
    stack.start("training")
    eventually(lambda: "the worker waits: Redis is full" in stack.parts["training"].log())

    assert seconds_until_started(stack, job) < START_SECONDS
