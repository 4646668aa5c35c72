"""`GET /v1/jobs/{id}/weights`."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from flask.testing import FlaskClient

from shared.jobs import JobStore, State
from shared.network import Network, Training, preset
from shared.network.selection.auto_training import TRAINING
from shared.network.training.pixel_order import FIRST
from shared.registry.checkpoints import Checkpoints
from shared.storage.volume import Volume
from tests.support.objects.jobs import A_RESULT, a_batch, a_training, claimed, running
from tests.support.problems import assert_problem, parameters


@pytest.fixture
def training() -> Training:
    """A training after its first epoch. Its pixels are reordered: the first two rows are black."""
    rng = np.random.default_rng(0)
    images = rng.integers(1, 256, (60, 4, 4), np.uint8)
    images[:, :2] = 0
    network = Network((4, 4), 3, preset("fast", hidden=(5,), epochs=3, batch_size=10, standardize=False))
    started = Training(network, images, np.arange(60) % 3)
    while not started.history:
        next(started)
    assert started.state()["pixels"].tolist() != list(range(16))
    return started


@pytest.fixture
def job(jobs: JobStore) -> str:
    return running(jobs).job.id


@pytest.fixture
def checkpoints(volume: Volume, job: str) -> Checkpoints:
    return Checkpoints(volume.checkpoints(job))


def get(client: FlaskClient, job: str, headers: dict[str, str] | None = None, **query: str) -> Any:
    return client.get(f"/v1/jobs/{job}/weights", query_string=query, headers=headers, buffered=True)


@pytest.mark.parametrize("prefix", ["", TRAINING])
def test_weights_are_those_of_the_training_in_the_order_of_the_pixels(
    client: FlaskClient, job: str, checkpoints: Checkpoints, training: Training, prefix: str
) -> None:
    checkpoints.save({prefix + name: array for name, array in training.state().items()}, training.steps)

    response = get(client, job)
    stored = safetensors.numpy.load(response.data)
    with np.load(io.BytesIO(get(client, job, format="npz").data)) as archive:
        arrays = dict(archive)

    for loaded in (stored, arrays):
        assert loaded.keys() == training.parameters.keys()
        assert all(np.array_equal(loaded[name], array) for name, array in training.parameters.items())
    assert b'"epochs":"1","steps":"6"' in response.data


def test_single_tensor_comes_as_npy_json_or_safetensors(
    client: FlaskClient, job: str, checkpoints: Checkpoints, training: Training
) -> None:
    checkpoints.save(training.state(), training.steps)
    expected = training.parameters[FIRST]

    npy = np.load(io.BytesIO(get(client, job, tensor=FIRST, format="npy").data))
    document = get(client, job, tensor=FIRST, format="json").json
    stored = safetensors.numpy.load(get(client, job, tensor=FIRST).data)

    assert np.array_equal(npy, expected)
    assert np.array_equal(np.reshape(document.pop("values"), document["shape"]).astype(np.float32), expected)
    assert document == {"epochs": 1, "steps": 6, "tensor": FIRST, "shape": [16, 5]}
    assert list(stored) == [FIRST]


def test_etag_changes_with_the_checkpoint_alone(
    client: FlaskClient, job: str, checkpoints: Checkpoints, training: Training
) -> None:
    checkpoints.save(training.state(), training.steps)
    first = get(client, job, tensor=FIRST)
    current = {"If-None-Match": first.headers["ETag"]}

    assert get(client, job, current, tensor=FIRST).status_code == 304
    assert get(client, job, current, tensor="layer1.biases").status_code == 200
    part = get(client, job, {"Range": "bytes=8-15", "If-Range": first.headers["ETag"]}, tensor=FIRST)
    assert (part.status_code, part.data) == (206, first.data[8:16])
    next(training)
    checkpoints.save(training.state(), training.steps)
    assert get(client, job, current, tensor=FIRST).status_code == 200


def test_number_that_is_not_finite_is_null_in_json(
    client: FlaskClient, job: str, checkpoints: Checkpoints, training: Training
) -> None:
    state = training.state()
    state["parameters.layer1.biases"][1] = np.nan
    checkpoints.save(state, training.steps)

    values = get(client, job, tensor="layer1.biases", format="json").json["values"]

    assert [index for index, value in enumerate(values) if value is None] == [1]


def test_damaged_checkpoint_is_reported(
    client: FlaskClient, job: str, checkpoints: Checkpoints, training: Training, volume: Volume
) -> None:
    checkpoints.save(training.state(), training.steps)
    (path,) = volume.checkpoints(job).iterdir()
    content = path.read_bytes()
    for damaged in (content[:-9], content[:3], content[:400] + b"?" + content[401:]):
        path.write_bytes(damaged)

        assert_problem(get(client, job), 500, "checkpoint_damaged")


def test_job_without_a_checkpoint_is_not_found(client: FlaskClient, jobs: JobStore, job: str) -> None:
    assert "at the end of an epoch" in assert_problem(get(client, job), 404, "checkpoint_not_found")["detail"]
    ended = a_training()
    jobs.create(ended)
    jobs.finish(claimed(jobs, ended.id), State.SUCCEEDED, result=A_RESULT)
    assert "toy@3" in assert_problem(get(client, ended.id), 404, "checkpoint_not_found")["detail"]
    batch = a_batch()
    jobs.create(batch)
    assert_problem(get(client, batch.id), 409, "not_a_training")


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"tensor": "layer9.weights"}, "tensor"),
        ({"tensor": 'a"b'}, "tensor"),
        ({"format": "npy"}, "tensor"),
        ({"format": "json", "tensor": FIRST}, "format"),
        ({"format": "onnx"}, "format"),
    ],
)
def test_invalid_query_is_reported(
    client: FlaskClient,
    job: str,
    checkpoints: Checkpoints,
    training: Training,
    monkeypatch: pytest.MonkeyPatch,
    query: dict[str, str],
    named: str,
) -> None:
    monkeypatch.setattr("api.resources.trainings.checkpoint_weights.MOST_NUMBERS", 79)
    checkpoints.save(training.state(), training.steps)

    assert parameters(assert_problem(get(client, job, None, **query), 422, "validation_failed")) == [named]
