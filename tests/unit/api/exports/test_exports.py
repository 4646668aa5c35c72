"""Exported versions, in the hands of the real libraries: their answers are ours to 1e-6."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import safetensors.numpy
from numpy.typing import NDArray

from api.exports import FORMATS, export
from api.exports.description import SCALE
from api.exports.graph import ACTIVATIONS as TRANSLATED
from shared.network import Configuration, Network, Parameters, preset
from shared.network.layers.activations import ACTIVATIONS
from shared.registry import ModelVersion, Weights
from tests.support.objects.models import a_draft

IMAGES = np.random.default_rng(7).integers(0, 256, (300, 28, 28), dtype=np.uint8)
ROWS = IMAGES.reshape(len(IMAGES), -1).astype(np.float32) / np.float32(255)
CONFIGURATIONS = {
    "article": preset("article"),
    "fast": preset("fast"),
    "accurate": preset("accurate"),
    "no hidden layer": preset("fast", hidden=[]),
    **{f"{name} in {dtype}": preset("fast", activation=name, dtype=dtype, initializer="glorot")
       for name in ACTIVATIONS for dtype in ("float32", "float64")},
}  # fmt: skip


def network_of(configuration: Configuration) -> tuple[Network, Parameters]:
    """A network that is sure of some images and unsure of others."""
    network = Network(IMAGES.shape[1:], 10, configuration)
    parameters = network.initialize(np.random.default_rng(3))
    for _, b in network.layers(parameters):
        b += np.linspace(-1, 1, len(b), dtype=b.dtype)  # noqa: PLW2901 - in place
    return network, parameters


def version_of(configuration: Configuration, **fields: Any) -> ModelVersion:
    draft = a_draft(
        configuration=configuration.to_dict(),
        image_shape=IMAGES.shape[1:],
        classes=tuple(map(str, range(10))),
    )
    version = ModelVersion.of(draft, 3, Weights(bytes=1, sha256="0" * 64), "2026-01-31T12:00:00.000Z")
    return version.model_copy(update=fields)


def exported(configuration: Configuration, form: str, **fields: Any) -> bytes:
    content = export(version_of(configuration, **fields), network_of(configuration)[1], form)
    joined = b"".join(content.blocks())
    assert len(joined) == content.length
    assert hashlib.sha256(joined).hexdigest() == content.sha256
    return joined


def run(model: bytes, images: NDArray[np.float32]) -> NDArray[Any]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (probabilities,) = session.run(["probabilities"], {"images": images})
    result: NDArray[Any] = probabilities
    return result


@pytest.mark.parametrize("name", CONFIGURATIONS)
class TestEveryNetwork:
    def test_onnxruntime_answers_as_we_do(self, name: str) -> None:
        network, parameters = network_of(CONFIGURATIONS[name])

        answers = run(exported(CONFIGURATIONS[name], "onnx"), ROWS)

        assert answers.dtype == network.dtype
        assert np.abs(answers - network.probabilities(parameters, ROWS)).max() < 1e-6

    def test_the_graph_is_valid_onnx(self, name: str) -> None:
        model = onnx.load_model_from_string(exported(CONFIGURATIONS[name], "onnx"))

        onnx.checker.check_model(model, full_check=True)

    def test_safetensors_hold_the_parameters_bit_for_bit(self, name: str) -> None:
        _, parameters = network_of(CONFIGURATIONS[name])

        loaded = safetensors.numpy.load(exported(CONFIGURATIONS[name], "safetensors"))

        assert loaded.keys() == parameters.keys()
        for key, array in parameters.items():
            assert loaded[key].dtype == array.dtype
            assert np.array_equal(loaded[key], array)


def test_numpy_alone_answers_as_we_do_from_safetensors() -> None:
    network, parameters = network_of(preset("article"))
    loaded = safetensors.numpy.load(exported(preset("article"), "safetensors"))

    A = ROWS
    for layer in (1, 2, 3):
        A = A @ loaded[f"layer{layer}.weights"] + loaded[f"layer{layer}.biases"]
        A = 1 / (1 + np.exp(-A)) if layer < 3 else np.exp(A) / np.exp(A).sum(axis=1, keepdims=True)

    assert np.abs(A - network.probabilities(parameters, ROWS)).max() < 1e-6


def test_probabilities_are_clipped_as_ours_are() -> None:
    configuration = preset("fast", activation="identity", hidden=[])
    network, parameters = network_of(configuration)
    parameters["layer1.biases"][0] += 1000

    model = b"".join(export(version_of(configuration), parameters, "onnx").blocks())

    assert np.array_equal(run(model, ROWS), network.probabilities(parameters, ROWS))
    assert run(model, ROWS).min() == np.float32(1e-10)


def test_no_image_gives_no_answer() -> None:
    assert run(exported(preset("fast"), "onnx"), ROWS[:0]).shape == (0, 10)


def test_every_activation_has_a_translation() -> None:
    assert TRANSLATED.keys() == ACTIVATIONS.keys()


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_version_gives_the_same_bytes(form: str) -> None:
    assert exported(preset("fast"), form) == exported(preset("fast"), form)


@pytest.mark.parametrize("classes", [tuple("0123456789"), tuple("äöü<&\"'\\\n7")])
def test_each_says_what_it_is(classes: tuple[str, ...]) -> None:
    configuration = preset("fast")
    model = onnx.load_model_from_string(exported(configuration, "onnx", classes=classes))
    header = exported(configuration, "safetensors", classes=classes)
    length = int.from_bytes(header[:8], "little")

    said = {entry.key: entry.value for entry in model.metadata_props}

    assert said == json.loads(header[8 : 8 + length])["__metadata__"]
    assert (said["model"], said["version"]) == ("toy", "3")
    assert tuple(json.loads(said["classes"])) == classes
    assert json.loads(said["image_shape"]) == [28, 28]
    assert Configuration.from_dict(json.loads(said["configuration"])) == configuration
    assert float(said["scale"]) == SCALE == 1 / 255
    assert model.graph.name == "toy@3"
    assert (8 + length) % 8 == 0
