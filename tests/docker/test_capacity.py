"""The deployment's messages when the memory of Redis or of a trainer runs out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.servers.deployment import Deployment, Json
from tests.support.waiting import eventually

ENOUGH_SECONDS = 300  # for three attempts, each of which ends when its lease of 30 s expires


@pytest.fixture
def full_redis(deployment: Deployment) -> Iterator[None]:
    """Use up the memory of Redis."""
    _, before = deployment.redis("config", "get", "maxmemory").splitlines()
    deployment.redis("config", "set", "maxmemory", "500kb")
    yield
    deployment.redis("config", "set", "maxmemory", before)
    eventually(lambda: deployment.send("GET", "/readyz").status == 200)


@pytest.fixture
def small_trainer(deployment: Deployment) -> Iterator[None]:
    """Run a trainer with too little memory for a large network."""
    deployment.up("--no-deps", "trainer", GLASSBOX_TRAINER_MEMORY="200m")
    yield
    deployment.up("--no-deps", "trainer")


@pytest.mark.usefixtures("full_redis")
def test_a_full_redis_is_reported_and_no_job_is_accepted(deployment: Deployment) -> None:
    readiness = deployment.send("GET", "/readyz")
    refused = deployment.send(
        "POST",
        "/v1/training-jobs",
        b'{"model": "refused", "dataset": "mnist", "epochs": 1}',
        **{"Content-Type": "application/json"},
    )

    assert readiness.status == 503
    assert readiness.json()["redis"].startswith("Redis is full: ")
    assert readiness.json()["workers"]["training"] == 1
    assert (refused.status, refused.json()["code"]) == (503, "redis_full")
    assert deployment.send("GET", "/v1/models").status == 200


@pytest.mark.usefixtures("small_trainer")
def test_a_training_that_is_too_large_for_its_trainer_fails_at_once_with_the_reason_and_the_remedy(
    deployment: Deployment,
) -> None:
    job = deployment.submit_training(model="too-large", epochs=5, hidden=[4000, 4000])

    def failed() -> Json | None:
        now = deployment.get(f"/v1/jobs/{job['id']}")
        return now if now["state"] == "failed" else None

    error = eventually(failed, within=ENOUGH_SECONDS, interval=1.0)["error"]
    assert error["code"] == "training_too_large"
    assert "GLASSBOX_TRAINER_MEMORY" in error["detail"]
    assert deployment.get(f"/v1/jobs/{job['id']}")["attempt"] == 1
