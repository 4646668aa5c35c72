"""`POST /v1/models/{name}/versions/{ref}/reproduce`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

from api.app import create_app
from shared.datasets import DatasetStore
from shared.jobs import JobStore, Kind
from shared.registry import ModelVersion, Registry
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from tests.support.data.files import files_below
from tests.support.data.npz import npz
from tests.support.objects.jobs import messages
from tests.support.objects.models import publish
from tests.support.problems import assert_problem

PATH = "/v1/models/toy/versions/1/reproduce"


@pytest.fixture(autouse=True)
def version(client: FlaskClient, registry: Registry) -> ModelVersion:
    """`toy@1`, the champion, with its data."""
    dataset: Any = client.post("/v1/datasets?name=easy", data=npz()).json
    version = publish(registry, dataset=dataset["id"])
    registry.point("toy", "champion", 1)
    return version


@pytest.mark.parametrize("reference", ["1", "champion", "latest"])
def test_reproduction_is_accepted_in_the_training_queue(
    client: FlaskClient, redis: Redis, jobs: JobStore, version: ModelVersion, reference: str
) -> None:
    response = client.post(f"/v1/models/toy/versions/{reference}/reproduce")

    assert response.status_code == 202
    job: Any = response.json
    assert (job["kind"], job["state"]) == ("reproduction", "queued")
    assert job["request"] == {"model": f"toy@{reference}"}
    assert job["progress"] == {"done": 0, "total": 3, "unit": "epochs", "eta_seconds": None}
    assert response.headers["Location"] == job["links"]["self"]
    assert jobs.get(job["id"]).specification == {"model": "toy", "version": 1, "dataset": version.dataset}
    assert len(messages(redis, "training")) == 1


def test_specification_is_written_to_the_volume(client: FlaskClient, volume: Volume) -> None:
    job: Any = client.post(PATH).json

    assert json.loads(volume.specification(job["id"]).read_bytes())["kind"] == "reproduction"


def test_reproduction_is_listed_by_kind_and_model(client: FlaskClient) -> None:
    job: Any = client.post(PATH).json

    for query in ("kind=reproduction", "model=toy"):
        assert [item["id"] for item in client.get(f"/v1/jobs?{query}").get_json()["items"]] == [job["id"]]
    assert client.get("/v1/jobs?kind=training").get_json()["items"] == []


def test_reproduction_can_be_cancelled_and_retried(client: FlaskClient) -> None:
    job: Any = client.post(PATH).json

    assert client.post(f"/v1/jobs/{job['id']}/cancel").get_json()["state"] == "cancelled"
    assert client.post(f"/v1/jobs/{job['id']}/retry").get_json()["state"] == "queued"


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_repeated_idempotency_key_creates_one_job(client: FlaskClient, jobs: JobStore, body: bytes) -> None:
    first, second = (client.post(PATH, data=body, headers={"Idempotency-Key": "once"}) for _ in range(2))

    assert first.json == second.json
    assert second.headers["Idempotent-Replayed"] == "true"
    assert [job.id for job in jobs.newest_first()] == [first.get_json()["id"]]


def test_version_with_deleted_data_is_rejected(
    client: FlaskClient, datasets: DatasetStore, version: ModelVersion, volume: Volume
) -> None:
    datasets.delete(version.dataset)

    problem = assert_problem(client.post(PATH), 409, "dataset_deleted")

    assert version.dataset in problem["detail"]
    assert files_below(volume.jobs) == []


def test_damaged_version_is_rejected(client: FlaskClient, volume: Volume) -> None:
    (volume.version("toy", 1) / "weights.npz").write_bytes(b"something else")

    assert_problem(client.post(PATH), 500, "version_damaged")
    assert files_below(volume.jobs) == []


@pytest.mark.parametrize(
    ("path", "code"),
    [("unknown/versions/1", "model_not_found"), ("toy/versions/2", "version_not_found")],
)
def test_unknown_model_or_version_is_not_found(client: FlaskClient, path: str, code: str) -> None:
    assert_problem(client.post(f"/v1/models/{path}/reproduce"), 404, code)


def test_data_set_of_an_active_reproduction_is_not_deleted(
    client: FlaskClient, registry: Registry, version: ModelVersion
) -> None:
    job: Any = client.post(PATH).json
    registry.delete_model("toy", force=True)

    problem = assert_problem(client.delete(f"/v1/datasets/{version.dataset}"), 409, "dataset_in_use")

    assert job["id"] in problem["detail"]


def test_reproduction_for_a_full_queue_is_rejected(settings: Settings, jobs: JobStore) -> None:
    client = create_app(settings.model_copy(update={"max_queued_jobs": 2})).test_client()
    for _ in range(2):
        assert client.post(PATH).status_code == 202

    problem = client.post(PATH)

    assert_problem(problem, 429, "queue_full")
    assert jobs.waiting(Kind.REPRODUCTION) == 2


def test_reproductions_and_trainings_share_a_queue(client: FlaskClient) -> None:
    client.post(PATH)
    client.post("/v1/training-jobs", json={"model": "toy", "dataset": "easy"})

    assert 'glassbox_queue_jobs{queue="training"} 2.0' in client.get("/metrics").text
    assert client.get("/metrics").text.count("glassbox_queue_jobs{") == 2


def test_reproduction_that_needs_more_memory_than_a_trainer_has_is_rejected(settings: Settings) -> None:
    client = create_app(settings.model_copy(update={"trainer_memory_bytes": 1_000_000})).test_client()

    problem = assert_problem(client.post(PATH), 422, "training_too_large")

    assert "GLASSBOX_TRAINER_MEMORY_BYTES" in problem["detail"]
