"""The fault matrix's rows about Redis's memory, on a stack of real processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from shared.jobs import Kind, State
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


def held_job(stack: Stack) -> str:
    """Submit a job whose message a worker has received but which it cannot claim, because Redis is full."""
    with stack.frozen(stack.parts["training"].pid):
        job = submit(stack)
        stack.redis.config_set("maxmemory", 1)
    eventually(lambda: stack.waiting(Kind.TRAINING) == 0)
    eventually(lambda: "cannot start yet: Redis is full" in stack.parts["training"].log())
    return job


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


def test_a_job_whose_message_was_received_starts_when_redis_has_memory(stack: Stack) -> None:
    job = held_job(stack)

    eventually(lambda: waiting(stack, job) == "redis_full")
    assert seconds_until_started(stack, job) < START_SECONDS
    assert stack.jobs.get(job).attempt == 1


def test_a_job_whose_message_is_lost_with_its_worker_starts_when_redis_has_memory(stack: Stack) -> None:
    job = held_job(stack)
    stack.kill("training")
    stack.start("training")

    assert seconds_until_started(stack, job) < START_SECONDS
