"""Jobs on a running service."""

from __future__ import annotations

from typing import Any

import pytest
from redis import Redis

from shared.jobs import JobStore, Kind, State, keys
from shared.jobs.task_queue import TaskQueue, celery_app
from shared.runtime.settings import Settings
from tests.support.data.archives import zip_of_images
from tests.support.data.npz import easy_arrays, npz
from tests.support.objects.jobs import messages, move
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.stack import Stack
from tests.support.waiting import eventually

QUICK = {"hidden": [], "epochs": 2, "batch_size": 10}
ENDLESS = {"hidden": [256, 128], "epochs": 100_000, "batch_size": 1}


@pytest.fixture(scope="module")
def dataset(stack: Stack) -> str:
    """A data set's id."""
    return str(stack.upload(npz(easy_arrays(seed=12)), name="jobs")["id"])


@pytest.fixture
def store(stack_redis: Redis) -> JobStore:
    """The service's job records."""
    return JobStore(stack_redis, Settings().lease_seconds)


def events(stack: Stack, job_id: str) -> list[dict[str, Any]]:
    """Return the job's log."""
    return list(stack.get(f"/v1/jobs/{job_id}/events?limit=500")["items"])


def states(log: list[dict[str, Any]]) -> list[str]:
    """Return the states in a job's log, in order."""
    return [event["data"]["state"] for event in log if event["type"] == "state"]


def test_both_queues_have_a_worker(stack: Stack) -> None:
    assert stack.get("/readyz")["workers"] == {"training": 1, "inference": 1}


def test_a_job_is_queued_then_running_then_succeeded(stack: Stack, stack_redis: Redis, dataset: str) -> None:
    job = stack.train(model="states", dataset=dataset, **QUICK)
    assert "warnings" not in job

    stack.finished(job["id"])

    log = events(stack, job["id"])
    assert states(log) == ["queued", "running", "succeeded"]
    assert [event["type"] for event in log].count("epoch") == 2
    eventually(lambda: not stack_redis.exists(keys.events(job["id"])))  # it moves to the volume
    assert int(stack_redis.memory_usage(keys.job(job["id"])) or 0) < 500
    assert job["id"] in [listed["id"] for listed in stack.get("/v1/jobs?kind=training&model=states")["items"]]


def test_a_running_job_shows_its_progress_and_can_be_cancelled(stack: Stack, store: JobStore, dataset: str) -> None:
    job_id = stack.train(model="endless", dataset=dataset, **ENDLESS)["id"]
    eventually(lambda: stack.job(job_id)["progress"]["done"] > 0)
    running = stack.job(job_id)
    assert running["state"] == "running"
    assert running["metrics"]["train_loss"] > 0
    assert running["progress"]["eta_seconds"] > 0

    move(store, job_id, State.CANCELLING)

    assert stack.finished(job_id)["state"] == "cancelled"
    assert stack.http.get("/v1/models/endless").status_code == 404


def test_ten_deliveries_of_a_message_are_one_attempt(
    stack: Stack, stack_redis: Redis, redis_server: RedisServer, dataset: str
) -> None:

    job_id = stack.train(model="ten-times", dataset=dataset, **QUICK)["id"]
    task_queue = TaskQueue(celery_app(Settings(redis_url=redis_server.url(1))), stack_redis)
    for _ in range(9):
        task_queue.send(Kind.TRAINING, job_id)

    job = stack.finished(job_id)
    after = stack.finished(stack.train(model="after", dataset=dataset, **QUICK)["id"])

    assert after["state"] == "succeeded"
    eventually(lambda: messages(stack_redis, "training") == [])
    assert stack.job(job_id) == job
    assert job["attempt"] == 1
    assert states(events(stack, job_id)) == ["queued", "running", "succeeded"]
    assert [version["version"] for version in stack.get("/v1/models/ten-times/versions")["items"]] == [1]


def test_a_batch_does_not_wait_for_a_long_training(stack: Stack, store: JobStore, dataset: str) -> None:

    stack.finished(stack.train(model="quick", dataset=dataset, **QUICK)["id"])
    endless = stack.train(model="endless", dataset=dataset, **ENDLESS)["id"]
    try:
        eventually(lambda: stack.job(endless)["state"] == "running")

        batch = stack.finished(stack.classify(zip_of_images(easy_arrays()["x_test"]), "quick")["id"])

        assert batch["state"] == "succeeded"
        assert stack.job(endless)["state"] == "running"
    finally:
        move(store, endless, State.CANCELLING)
        stack.finished(endless)


def test_a_failed_training_has_an_error_and_the_worker_runs_the_next_job(stack: Stack, dataset: str) -> None:
    request: dict[str, Any] = {
        **QUICK,
        "optimizer": {"name": "sgd", "learning_rate": 1e38},
        "epochs": 20,
        "hidden": [8],
    }

    failed = stack.finished(stack.train(model="diverging", dataset=dataset, **request)["id"])

    assert failed["state"] == "failed"
    assert failed["error"]["code"] == "training_diverged"
    assert stack.http.get("/v1/models/diverging").status_code == 404
    assert stack.finished(stack.train(model="fine", dataset=dataset, **QUICK)["id"])["state"] == "succeeded"


def test_jobs_are_listed_by_model_and_state(stack: Stack, dataset: str) -> None:
    ids = [stack.finished(stack.train(model="listed", dataset=dataset, **QUICK)["id"])["id"] for _ in range(2)]

    items = stack.get("/v1/jobs?model=listed&state=succeeded")["items"]

    assert [item["id"] for item in items] == ids[::-1]
