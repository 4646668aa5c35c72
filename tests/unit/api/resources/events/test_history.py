"""`GET /v1/jobs/{id}/history`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask.testing import FlaskClient

from shared.jobs import JobStore, Kind, Progress, State
from shared.network import EpochReport
from shared.registry import Registry
from tests.support.objects.jobs import a_batch, a_training, running
from tests.support.objects.models import publish
from tests.support.problems import assert_problem


def pages(client: FlaskClient, job: str, limit: int = 500) -> list[dict[str, Any]]:
    """Return the epochs of all pages."""
    items: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": limit}
    while True:
        page = client.get(f"/v1/jobs/{job}/history", query_string=query).get_json()
        assert len(page["items"]) <= limit
        items += page["items"]
        if page["next"] is None:
            return items
        query["after"] = page["next"]


def log_epochs(jobs: JobStore, epochs: list[int]) -> str:
    """Log these epochs of a running training, and return its id."""
    claim = running(jobs)
    for number in epochs:
        metrics: Any = {"epoch": number, "train_loss": 1 / number, "train_accuracy": 0.5}
        jobs.renew(claim, Progress(done=number, total=9, unit="epochs"), metrics, "epoch")
        jobs.renew(claim, Progress(done=number, total=9, unit="epochs"), metrics, "progress")
    return claim.job.id


def test_a_published_training_has_every_epoch(client: FlaskClient, jobs: JobStore, registry: Registry) -> None:
    job = log_epochs(jobs, [1, 2])
    history = [
        asdict(EpochReport(number, 1 / number, 0.5, 0.25, None, None, 0.1, (0.0, 0.5), 0.01, (0.3, 0.2, 0.1)))
        for number in range(1, 501)
    ]
    publish(registry, job=job, history=tuple(history))

    items = pages(client, job, limit=200)

    assert [item["epoch"] for item in items] == list(range(1, 501))
    assert items[299] == {**history[299], "dead_units": [0.0, 0.5], "layer_gradient_norms": [0.3, 0.2, 0.1]}


def test_a_running_training_has_the_epochs_of_its_log_each_once(client: FlaskClient, jobs: JobStore) -> None:
    job = log_epochs(jobs, [1, 2, 3, 2, 3, 4])  # epochs after a checkpoint were trained again

    items = pages(client, job, limit=3)

    assert [item["epoch"] for item in items] == [1, 2, 3, 4]
    assert items[0] == {
        **dict.fromkeys(("validation_loss", "validation_accuracy", "gradient_norm", "learning_rate", "seconds")),
        "predicted_classes": None,
        "epoch": 1,
        "train_loss": 1.0,
        "train_accuracy": 0.5,
        "layer_gradient_norms": [],
        "dead_units": [],
    }


def test_a_training_whose_version_was_deleted_has_the_epochs_of_its_log(
    client: FlaskClient, jobs: JobStore, registry: Registry
) -> None:
    job = log_epochs(jobs, [1, 2])
    publish(registry, job=job)
    registry.delete("toy", "1")

    assert [item["epoch"] for item in pages(client, job)] == [1, 2]


def test_a_training_without_an_epoch_has_an_empty_history(client: FlaskClient, jobs: JobStore) -> None:
    claim = running(jobs)
    assert pages(client, claim.job.id) == []
    jobs.finish(claim, State.FAILED)
    assert pages(client, claim.job.id) == []


def test_a_batch_has_no_history(client: FlaskClient, jobs: JobStore) -> None:
    job = a_batch()
    jobs.create(job)

    assert_problem(client.get(f"/v1/jobs/{job.id}/history"), 409, "not_a_training")
    assert_problem(client.get("/v1/jobs/unknown/history"), 404, "job_not_found")


def test_an_evaluation_has_no_epochs(client: FlaskClient, jobs: JobStore) -> None:
    job = a_training(kind=Kind.EVALUATION)
    jobs.create(job)
    assert client.get(f"/v1/jobs/{job.id}/history").get_json() == {"items": [], "next": None}
