"""A convolutional model in colour, trained by real workers: all its entry points compute the same probabilities."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import onnxruntime
import pytest
from glassbox import Client
from numpy.typing import NDArray
from PIL import Image

from shared.network import Configuration, Network
from tests.support.data.archives import zip_of
from tests.support.data.images import png
from tests.support.data.npz import npy, npz
from tests.support.servers.stack import Stack

SHAPE = (12, 10, 3)
LABELS = np.arange(240) % 3
IMAGES = np.random.default_rng(9).integers(0, 256, (240, *SHAPE), np.uint8)
IMAGES[np.arange(240), :, :, LABELS] //= 2  # the classes differ in their hue
GIVEN = np.where(np.random.default_rng(1).random(240) < 0.2, np.roll(LABELS, 1), LABELS)
NEW = IMAGES[200:210]
SETTINGS: dict[str, Any] = {
    "convolutions": [
        {"filters": 6, "kernel_size": 3, "strides": 2, "padding": "same", "batch_norm": True},
        {"filters": 8, "kernel_size": 3, "padding": "valid", "pool_size": 2},
    ],
    "standardize": True,
    "hidden": [8],
    "epochs": 4,
    "batch_size": 16,
    "preset": "fast",
}
VERSION = "/v1/models/painted/versions/1"


@pytest.fixture(scope="module", autouse=True)
def trained(stack: Stack) -> dict[str, Any]:
    """The job that trained `painted@1`."""
    part = {"train": slice(0, 200), "test": slice(200, None)}
    arrays = {f"x_{name}": IMAGES[rows] for name, rows in part.items()} | {
        f"y_{name}": GIVEN[rows] for name, rows in part.items()
    }
    assert stack.upload(npz(arrays), name="painted")["image_shape"] == list(SHAPE)
    return stack.finished(stack.train(model="painted", dataset="painted", **SETTINGS)["id"])


@pytest.fixture(scope="module")
def P(stack: Stack) -> NDArray[Any]:  # noqa: N802 - the network's name
    """The probabilities of NEW by the network with the downloaded weights."""
    version = stack.get(VERSION)
    network = Network(version["input"]["image_shape"], 3, Configuration.from_dict(version["configuration"]))
    with np.load(io.BytesIO(stack.http.get(f"{VERSION}/weights").content)) as file:
        return network.probabilities(dict(file), NEW)


def assert_agrees(predictions: list[dict[str, Any]], expected: NDArray[Any]) -> None:
    assert [one["label"] for one in predictions] == [str(best) for best in expected.argmax(axis=1)]
    assert np.allclose([one["confidence"] for one in predictions], expected.max(axis=1), atol=1e-5)


def test_the_training_succeeds_in_colour(stack: Stack, trained: dict[str, Any]) -> None:
    assert trained["state"] == "succeeded", trained
    assert stack.get(VERSION)["input"]["image_shape"] == list(SHAPE)


def test_predictions_for_files_and_numbers_agree(stack: Stack, P: NDArray[Any]) -> None:
    files = [("image", (f"{number}.png", png(image))) for number, image in enumerate(NEW)]

    for response in (
        stack.http.post(f"{VERSION}/predict", files=files),
        stack.http.post(f"{VERSION}/predict", json={"instances": NEW.tolist()}),
        stack.http.post(f"{VERSION}/predict", json={"instances": NEW.reshape(len(NEW), -1).tolist()}),
    ):
        assert response.status_code == 200, response.text
        assert_agrees(response.json()["predictions"], P)


def test_batches_of_files_and_of_an_array_agree(stack: Stack, P: NDArray[Any]) -> None:
    for archive in (zip_of({f"{number:02}.png": png(image) for number, image in enumerate(NEW)}), npy(NEW)):
        job = stack.finished(stack.classify(archive, "painted")["id"])

        assert job["state"] == "succeeded", job
        assert_agrees([json.loads(line) for line in stack.http.get(job["links"]["results"]).text.splitlines()], P)


def test_the_inference_protocol_agrees(stack: Stack, P: NDArray[Any]) -> None:
    tensor = {"name": "images", "datatype": "UINT8", "shape": list(NEW.shape), "data": NEW.ravel().tolist()}

    (output,) = stack.http.post("/v2/models/painted/infer", content=json.dumps({"inputs": [tensor]})).json()["outputs"]

    assert np.allclose(np.reshape(output["data"], output["shape"]), P, atol=1e-5)
    assert stack.get("/v2/models/painted")["inputs"][0]["shape"] == [-1, *SHAPE]


def test_onnxruntime_agrees(stack: Stack, P: NDArray[Any]) -> None:
    session = onnxruntime.InferenceSession(stack.http.get(f"{VERSION}/weights?format=onnx").content)

    (found,) = session.run(None, {"images": NEW.astype(np.float32) / np.float32(255)})

    assert np.abs(found - P).max() < 1e-5
    assert np.array_equal(found.argmax(axis=1), P.argmax(axis=1))


def test_numbers_of_a_single_channel_are_rejected_by_every_entry_point(stack: Stack) -> None:
    gray = np.ascontiguousarray(NEW[..., 0])
    tensor = {"name": "images", "datatype": "UINT8", "shape": list(gray.shape), "data": gray.ravel().tolist()}

    for response in (
        stack.http.post(f"{VERSION}/predict", json={"instances": gray.tolist()}),
        stack.http.post("/v2/models/painted/infer", content=json.dumps({"inputs": [tensor]})),
        stack.http.post("/v1/batch-jobs", params={"model": "painted"}, content=npy(gray)),
    ):
        assert response.status_code == 422, response.text
        assert "12, 10, 3" in response.text
        assert "12, 10]" in response.text


def test_the_report_shows_filters_and_errors_in_colour(stack: Stack) -> None:
    with Client(f"http://127.0.0.1:{stack.port}") as client:
        evaluation, report = client.models.evaluation("painted"), client.models.report("painted")

    assert evaluation.mistakes
    for mistake in evaluation.mistakes:
        content = base64.b64decode(mistake.image.removeprefix("data:image/png;base64,"))
        assert np.asarray(Image.open(io.BytesIO(content))).shape == SHAPE
    assert "All 6 filters" in report
    assert "12×10 pixels in colour, convolutions 6 filters 3×3, 8 filters 3×3, hidden layers 8" in report


def test_the_version_is_reproduced_to_the_same_bits(stack: Stack) -> None:
    job = stack.finished(stack.http.post(f"{VERSION}/reproduce").json()["id"])

    assert job["result"]["reproduced"] is True, job
