"""`GET /v1/jobs/{id}/weights/histogram`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from api.resources.trainings.weight_histograms import histograms
from shared.jobs import JobStore
from shared.network import Network, Training, preset
from shared.registry import Registry
from shared.registry.checkpoints import Checkpoints
from shared.registry.stored import StoredArray
from shared.storage.volume import Volume
from tests.support.objects.jobs import a_batch, running
from tests.support.objects.models import publish
from tests.support.problems import assert_problem, parameters


def of(found: dict[str, Any], tensor: str) -> dict[str, Any]:
    return next(each for each in found["tensors"] if each["tensor"] == tensor)


def test_a_checkpoint_has_a_histogram_of_each_tensor_until_the_next_one(
    client: FlaskClient, jobs: JobStore, volume: Volume
) -> None:
    job = running(jobs).job.id
    path = f"/v1/jobs/{job}/weights/histogram"
    assert_problem(client.get(path), 404, "checkpoint_not_found")
    images = np.random.default_rng(0).integers(0, 256, (30, 4, 4), np.uint8)
    training = Training(
        Network((4, 4), 3, preset("fast", hidden=(5,), epochs=2, batch_size=10)), images, np.arange(30) % 3
    )
    while not training.history:
        next(training)
    Checkpoints(volume.checkpoints(job)).save(training.state(), training.steps)

    response = client.get(f"{path}?bins=7")
    weights = training.parameters["layer1.weights"]
    found = of(response.get_json(), "layer1.weights")
    assert response.get_json()["epochs"] == 1
    assert found["shape"] == [16, 5]
    assert found["counts"] == np.histogram(weights, 7)[0].tolist()
    assert found["mean"] == pytest.approx(float(weights.mean()), abs=1e-6)
    assert found["deviation"] == pytest.approx(float(weights.std()), abs=1e-6)
    again = client.get(f"{path}?bins=7", headers={"If-None-Match": response.headers["ETag"]})
    assert again.status_code == 304


def test_a_published_training_has_those_of_its_version(client: FlaskClient, jobs: JobStore, registry: Registry) -> None:
    job = running(jobs).job
    version = publish(registry, job=job.id, model=job.model)

    found = client.get(f"/v1/jobs/{job.id}/weights/histogram").get_json()

    assert [each["tensor"] for each in found["tensors"]] == list(registry.stored(version))
    assert all(sum(each["counts"]) == np.prod(each["shape"]) for each in found["tensors"])


def test_numbers_that_are_not_finite_are_counted_apart() -> None:
    values = np.array([[np.nan, np.inf, 1.0], [-3e38, 3e38, 1.0]], np.float32)
    found = histograms(1, {"a": StoredArray.of(values), "b": StoredArray.of(np.full((2,), np.nan, np.float32))}, 3)

    assert (of(dict(found), "a")["not_finite"], of(dict(found), "a")["counts"]) == (2, [1, 2, 1])
    assert (of(dict(found), "b")["mean"], of(dict(found), "b")["counts"]) == (None, [0, 0, 0])


def test_other_jobs_and_bins_are_refused(client: FlaskClient, jobs: JobStore) -> None:
    batch = a_batch()
    jobs.create(batch)
    assert_problem(client.get(f"/v1/jobs/{batch.id}/weights/histogram"), 409, "not_a_training")
    response = client.get(f"/v1/jobs/{batch.id}/weights/histogram?bins=1000")
    assert parameters(assert_problem(response, 422, "validation_failed")) == ["bins"]
