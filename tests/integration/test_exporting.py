"""Export and reproduction of a version by real workers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnxruntime
import pytest
import safetensors.numpy

from tests.support.data.npz import easy_arrays, npz
from tests.support.servers.stack import Stack

ARRAYS = easy_arrays(train=300, test=60, seed=5)
QUICK = {"hidden": [8], "epochs": 4, "batch_size": 10, "optimizer": {"name": "adam", "learning_rate": 0.02}}
VERSION = "/v1/models/exporting/versions/1"


@pytest.fixture(scope="module", autouse=True)
def trained(stack: Stack) -> dict[str, Any]:
    """The job that trained `exporting@1`."""
    stack.upload(npz(ARRAYS), name="exporting")
    return stack.finished(stack.train(model="exporting", dataset="exporting", **QUICK)["id"])


def reproduction_result(stack: Stack, path: str = VERSION) -> dict[str, Any]:
    response = stack.http.post(f"{path}/reproduce")
    assert response.status_code == 202, response.text
    job = stack.finished(response.json()["id"])
    assert job["state"] == "succeeded", job
    result: dict[str, Any] = job["result"]
    return result


def test_the_version_is_reproduced_to_the_same_bits(stack: Stack, trained: dict[str, Any]) -> None:
    result = reproduction_result(stack)

    assert result["reproduced"] is True
    assert result["weights_sha256_expected"] == result["weights_sha256_got"] == trained["result"]["weights_sha256"]
    assert len(stack.get("/v1/models/exporting/versions")["items"]) == 1


def test_a_version_with_a_changed_manifest_is_not_reproduced(stack: Stack) -> None:
    stack.finished(stack.train(model="tampered", dataset="exporting", **QUICK)["id"])
    manifest = stack.volume.version("tampered", 1) / "manifest.json"
    content = json.loads(manifest.read_bytes())
    content["configuration"]["seed"] = 1
    manifest.write_text(json.dumps(content))

    result = reproduction_result(stack, "/v1/models/tampered/versions/1")

    assert result["reproduced"] is False
    assert result["first_difference"]["parameter"] == "layer1.weights"
    assert result["environment"] == {}


def test_the_version_has_the_environment_of_its_training(stack: Stack) -> None:
    version = stack.get(VERSION)

    assert version["environment"]["numpy"] == np.__version__
    assert version["blas_threads"] >= 1
    assert version["links"]["reproduce"] == f"{VERSION}/reproduce"


def test_other_libraries_read_the_exported_weights(stack: Stack) -> None:
    rows = ARRAYS["x_test"].reshape(60, -1).astype(np.float32) / np.float32(255)

    tensors = safetensors.numpy.load(stack.http.get(f"{VERSION}/weights?format=safetensors").content)
    session = onnxruntime.InferenceSession(stack.http.get(f"{VERSION}/weights?format=onnx").content)
    (probabilities,) = session.run(None, {"images": rows})

    layers = ["layer1.biases", "layer1.weights", "layer2.biases", "layer2.weights"]
    assert sorted(tensors) == ["input.deviation", "input.mean", *layers]
    instances = {"instances": ARRAYS["x_test"].reshape(60, -1).tolist()}
    predictions = stack.http.post(f"{VERSION}/predict", json=instances).json()["predictions"]
    assert [prediction["label"] for prediction in predictions] == [str(best) for best in probabilities.argmax(axis=1)]
    assert np.abs(probabilities.max(axis=1) - [prediction["confidence"] for prediction in predictions]).max() < 1e-6


def test_a_download_of_an_export_resumes(stack: Stack) -> None:
    path = f"{VERSION}/weights?format=onnx"
    whole = stack.http.get(path)

    rest = stack.http.get(path, headers={"Range": "bytes=100-", "If-Range": whole.headers["ETag"]})

    assert (rest.status_code, rest.content) == (206, whole.content[100:])
