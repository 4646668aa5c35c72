"""Exported versions in the formats' own libraries compute the network's probabilities."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import safetensors.numpy
from numpy.typing import NDArray

from api.exports import FORMATS, Export
from api.exports import export as export_stored
from api.exports.activations import ACTIVATIONS as ONNX_ACTIVATIONS
from api.exports.description import SCALE
from shared.network import Configuration, Network, Parameters, preset
from shared.network.layers.activations import ACTIVATIONS
from shared.registry import ModelVersion, Weights
from shared.registry.stored import StoredArray
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


def export(version: ModelVersion, parameters: Mapping[str, NDArray[Any]], form: str) -> Export:
    """Export a version whose parameters are in memory."""
    return export_stored(version, {name: StoredArray.of(array) for name, array in parameters.items()}, form)


def network_of(configuration: Configuration) -> tuple[Network, Parameters]:
    """Return a network with high confidence for some images and low confidence for others."""
    network = Network(IMAGES.shape[1:], 10, configuration)
    parameters = network.initialize(np.random.default_rng(3))
    for _, b in network.dense_layers(parameters):
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
    assert hashlib.sha256(joined).hexdigest() == content.sha256()
    return joined


def run(model: bytes, images: NDArray[np.float32]) -> NDArray[Any]:
    """Return the probabilities of images or rows, in the shape of the graph's input."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    given = images.reshape(len(images), *session.get_inputs()[0].shape[1:])
    (probabilities,) = session.run(["probabilities"], {"images": given})
    result: NDArray[Any] = probabilities
    return result


def block(filters: int = 6, **settings: Any) -> dict[str, Any]:
    return {"filters": filters, "kernel_size": 3, **settings}


BLOCKS: dict[str, list[dict[str, Any]]] = {
    "no convolution": [],
    "valid": [block(padding="valid")],
    "same": [block(padding="same")],
    "even kernel, same": [block(kernel_size=4, padding="same")],
    "strides": [block(padding="valid", strides=2)],
    "strides, same": [block(padding="same", strides=2), block(8, padding="same", strides=2, kernel_size=2)],
    "strides larger than the kernel": [block(padding="same", strides=3, kernel_size=2)],
    "pooling": [block(padding="valid", pool_size=2), block(8, padding="same", pool_size=3)],
    "batch_norm": [block(batch_norm=True), block(8, padding="valid", batch_norm=True, pool_size=2)],
    "all": [block(kernel_size=5, padding="same", strides=2, batch_norm=True, pool_size=2), block(16)],
}
SHAPES = ((13, 10), (13, 10, 3))  # an odd and an even side
SEEING: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    **{f"{name}, {'colour' if len(shape) == 3 else 'gray'}": (shape, {"convolutions": blocks, "hidden": [12]})
       for name, blocks in BLOCKS.items() for shape in SHAPES},
    **{f"standardized, {name}, {shape}": (shape, {"convolutions": BLOCKS[name], "hidden": [12], "standardize": True})
       for name in ("no convolution", "all") for shape in SHAPES},
    **{f"{name} in {dtype}": ((13, 10, 3), {"convolutions": BLOCKS["all"], "activation": name, "dtype": dtype,
                                           "initializer": "glorot", "standardize": True})
       for name in ACTIVATIONS for dtype in ("float32", "float64")},
    **{f"{name} in float64": ((13, 10), {"convolutions": blocks, "dtype": "float64"})
       for name, blocks in BLOCKS.items()},
    "no hidden layer": ((13, 10, 3), {"convolutions": BLOCKS["all"], "hidden": []}),
}  # fmt: skip


def seeing(name: str) -> tuple[ModelVersion, Network, Parameters, NDArray[np.uint8]]:
    """Return a version, its network with random parameters, statistics included, and images of its shape.

    The last layer is scaled so that the probabilities depend on the image and are far from 0 and 1.
    """
    shape, settings = SEEING[name]
    configuration = preset("fast", **({"standardize": False} | settings))
    rng = np.random.default_rng(11)
    network = Network(shape, 10, configuration)
    parameters = network.initialize(rng)
    for key, array in parameters.items():
        kind = key.split(".")[1]
        if kind in {"variance", "deviation"}:
            array[...] = rng.uniform(0.3, 0.9, array.shape)
        elif kind != "weights":
            array[...] = rng.normal(0.3, 0.3, array.shape)
        elif configuration.activation == "sigmoid":  # whose slope is at most 1/4
            array[...] *= 4
    images = rng.integers(0, 256, (200, *shape), np.uint8)
    W, b = network.dense_layers(parameters)[-1]
    b[...] = 0
    logits = np.log(network.probabilities(parameters, images))
    logits -= logits.mean(axis=1, keepdims=True)
    spread = logits.std(axis=0).mean()
    W /= spread
    b -= logits.mean(axis=0) / spread
    return version_of(configuration, image_shape=shape), network, parameters, images


@pytest.mark.parametrize("name", SEEING)
class TestConvolutionsAndColour:
    def test_onnxruntime_computes_the_same_probabilities_and_labels(self, name: str) -> None:
        version, network, parameters, images = seeing(name)
        model = b"".join(export(version, parameters, "onnx").blocks())

        computed = run(model, images.astype(np.float32) / np.float32(255))

        expected = network.probabilities(parameters, images.astype(np.float32) / np.float32(255))
        assert expected.std(axis=0).max() > 0.03  # the probabilities depend on the image
        assert computed.dtype == network.dtype
        assert np.abs(computed - expected).max() < (1e-5 if network.dtype == np.float32 else 1e-12)
        assert np.array_equal(computed.argmax(axis=1), expected.argmax(axis=1))
        assert run(model, images[:0].astype(np.float32)).shape == (0, 10)

    def test_graph_is_valid_onnx_with_images_in_the_shape_of_the_data_set(self, name: str) -> None:
        version, network, parameters, _ = seeing(name)
        model = onnx.load_model_from_string(b"".join(export(version, parameters, "onnx").blocks()))

        onnx.checker.check_model(model, full_check=True)
        sides = [side.dim_value for side in model.graph.input[0].type.tensor_type.shape.dim[1:]]
        is_row = len(network.image_shape) == 2 and not network.configuration.convolutions
        assert sides == ([130] if is_row else list(network.image_shape))

    def test_safetensors_hold_the_parameters_bit_for_bit(self, name: str) -> None:
        version, _, parameters, _ = seeing(name)

        loaded = safetensors.numpy.load(b"".join(export(version, parameters, "safetensors").blocks()))

        assert loaded.keys() == parameters.keys()
        assert all(np.array_equal(loaded[key], array) for key, array in parameters.items())


def test_dense_grayscale_exports_keep_their_nodes() -> None:
    model = onnx.load_model_from_string(exported(preset("fast", standardize=False), "onnx"))

    assert [node.op_type for node in model.graph.node] == ["Gemm", "Relu"] * 2 + ["Gemm", "Softmax", "Clip"]


def test_a_convolution_is_one_node_with_the_normalization_in_its_weights() -> None:
    version, _, parameters, _ = seeing("all, colour")
    model = onnx.load_model_from_string(b"".join(export(version, parameters, "onnx").blocks()))

    assert [node.op_type for node in model.graph.node] == [
        "Transpose", "Conv", "MaxPool", "Relu", "Conv", "Relu", "Transpose", "Flatten",
        "Gemm", "Relu", "Gemm", "Softmax", "Clip",
    ]  # fmt: skip
    shapes = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    assert shapes["layer1.weights"] == [6, 3, 5, 5]
    assert "layer1.scale" not in shapes


@pytest.mark.parametrize("name", CONFIGURATIONS)
class TestEveryNetwork:
    def test_onnxruntime_computes_the_same_probabilities(self, name: str) -> None:
        network, parameters = network_of(CONFIGURATIONS[name])

        computed = run(exported(CONFIGURATIONS[name], "onnx"), ROWS)

        assert computed.dtype == network.dtype
        tolerance = 1e-5 if network.configuration.convolutions else 1e-6
        assert np.abs(computed - network.probabilities(parameters, ROWS)).max() < tolerance

    def test_graph_is_valid_onnx(self, name: str) -> None:
        model = onnx.load_model_from_string(exported(CONFIGURATIONS[name], "onnx"))

        onnx.checker.check_model(model, full_check=True)

    def test_safetensors_hold_the_parameters_bit_for_bit(self, name: str) -> None:
        _, parameters = network_of(CONFIGURATIONS[name])

        loaded = safetensors.numpy.load(exported(CONFIGURATIONS[name], "safetensors"))

        assert loaded.keys() == parameters.keys()
        for key, array in parameters.items():
            assert loaded[key].dtype == array.dtype
            assert np.array_equal(loaded[key], array)


def test_numpy_computes_the_same_probabilities_from_safetensors() -> None:
    network, parameters = network_of(preset("article"))
    loaded = safetensors.numpy.load(exported(preset("article"), "safetensors"))

    A = ROWS
    for layer in (1, 2, 3):
        A = A @ loaded[f"layer{layer}.weights"] + loaded[f"layer{layer}.biases"]
        A = 1 / (1 + np.exp(-A)) if layer < 3 else np.exp(A) / np.exp(A).sum(axis=1, keepdims=True)

    assert np.abs(A - network.probabilities(parameters, ROWS)).max() < 1e-6


def test_onnx_probabilities_are_clipped_like_the_networks() -> None:
    configuration = preset("fast", activation="identity", hidden=[])
    network, parameters = network_of(configuration)
    parameters["layer1.biases"][0] += 1000

    model = b"".join(export(version_of(configuration), parameters, "onnx").blocks())

    assert np.array_equal(run(model, ROWS), network.probabilities(parameters, ROWS))
    assert run(model, ROWS).min() == np.float32(1e-10)


def test_empty_input_gives_an_empty_output() -> None:
    assert run(exported(preset("fast"), "onnx"), ROWS[:0]).shape == (0, 10)


def test_every_activation_has_an_onnx_graph() -> None:
    assert ONNX_ACTIVATIONS.keys() == ACTIVATIONS.keys()


@pytest.mark.parametrize("form", FORMATS)
def test_export_of_a_version_always_has_the_same_bytes(form: str) -> None:
    assert exported(preset("fast"), form) == exported(preset("fast"), form)


@pytest.mark.parametrize("classes", [tuple("0123456789"), tuple("äöü<&\"'\\\n7")])
def test_exports_hold_the_same_metadata(classes: tuple[str, ...]) -> None:
    configuration = preset("fast")
    model = onnx.load_model_from_string(exported(configuration, "onnx", classes=classes))
    header = exported(configuration, "safetensors", classes=classes)
    length = int.from_bytes(header[:8], "little")

    metadata = {entry.key: entry.value for entry in model.metadata_props}

    assert metadata == json.loads(header[8 : 8 + length])["__metadata__"]
    assert (metadata["model"], metadata["version"]) == ("toy", "3")
    assert tuple(json.loads(metadata["classes"])) == classes
    assert json.loads(metadata["image_shape"]) == [28, 28]
    assert Configuration.from_dict(json.loads(metadata["configuration"])) == configuration
    assert float(metadata["scale"]) == SCALE == 1 / 255
    assert model.graph.name == "toy@3"
    assert (8 + length) % 8 == 0
