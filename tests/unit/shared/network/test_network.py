from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

from shared.network import Network, Parameters, preset
from shared.network.arrays import Images
from shared.network.evaluation import inference as module
from shared.network.layers.activations import ACTIVATIONS


@pytest.fixture
def network() -> Network:
    return Network((4, 3), 5, preset("article", hidden=[7, 6]))


@pytest.fixture
def parameters(network: Network, rng: np.random.Generator) -> Parameters:
    return network.initialize(rng)


@pytest.fixture
def images(rng: np.random.Generator) -> Images:
    return rng.integers(0, 256, (50, 4, 3), dtype=np.uint8)


def test_the_reference_network_has_784_64_32_10_units() -> None:
    network = Network((28, 28), 10, preset("article"))
    shapes = {name: array.shape for name, array in network.initialize(np.random.default_rng(0)).items()}
    assert shapes == {
        "layer1.weights": (784, 64),
        "layer1.biases": (64,),
        "layer2.weights": (64, 32),
        "layer2.biases": (32,),
        "layer3.weights": (32, 10),
        "layer3.biases": (10,),
    }
    assert network.parameter_count == 52_650


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parameters_have_the_configured_precision_and_pass_the_check(dtype: str) -> None:
    network = Network((4, 3), 5, preset("article", dtype=dtype))
    parameters = network.initialize(np.random.default_rng(0))
    assert {array.dtype.name for array in parameters.values()} == {dtype}
    network.check(parameters)


def test_the_generator_determines_the_parameters(network: Network) -> None:
    first, again, other = (network.initialize(np.random.default_rng(seed)) for seed in (1, 1, 2))
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
        assert (first[name] != other[name]).any()


def test_parameters_of_another_network_are_refused(network: Network, images: Images) -> None:
    other = Network((4, 3), 5, preset("article", hidden=[7, 7])).initialize(np.random.default_rng(0))
    for use in (network.check, lambda p: network.probabilities(p, images)):
        with pytest.raises(ValueError, match=r"layer2\.weights has shape \(7, 7\), not \(7, 6\)"):
            use(other)


def test_a_network_without_pixels_or_with_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="no pixels"):
        Network((0, 3), 5, preset("article"))
    with pytest.raises(ValueError, match="at least 2 classes"):
        Network((4, 3), 1, preset("article"))


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_probabilities_are_computed_layer_by_layer(activation: str, images: Images, rng: np.random.Generator) -> None:
    network = Network((4, 3), 5, preset("article", hidden=[7, 6], activation=activation, dtype="float64"))
    parameters = network.initialize(rng)
    A = images.reshape(-1, 12) / 255
    for number in (1, 2):
        Z = np.einsum("ni,io->no", A, parameters[f"layer{number}.weights"]) + parameters[f"layer{number}.biases"]
        A = np.empty_like(Z)
        ACTIVATIONS[activation].forward(Z, A)
    Z = np.einsum("ni,io->no", A, parameters["layer3.weights"]) + parameters["layer3.biases"]
    expected = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(network.probabilities(parameters, images), expected, rtol=1e-10)


def test_images_can_be_rows_or_scaled_floats(network: Network, parameters: Parameters, images: Images) -> None:
    expected = network.probabilities(parameters, images)
    np.testing.assert_array_equal(network.probabilities(parameters, images.reshape(50, 12)), expected)
    np.testing.assert_allclose(network.probabilities(parameters, images / 255), expected, rtol=1e-5)


def test_probabilities_sum_to_one(network: Network, parameters: Parameters, images: Images) -> None:
    P = network.probabilities(parameters, images)
    assert P.shape == (50, 5)
    assert P.dtype == np.float32
    np.testing.assert_allclose(P.sum(axis=1), 1, rtol=1e-6)


def test_an_empty_array_of_images_gives_no_probabilities(network: Network, parameters: Parameters) -> None:
    assert network.probabilities(parameters, np.empty((0, 4, 3), np.uint8)).shape == (0, 5)


def test_the_block_size_does_not_change_the_probabilities(
    network: Network, parameters: Parameters, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = np.arange(50) % 5
    whole = network.probabilities(parameters, images)
    evaluation = network.evaluate(parameters, images, labels)
    monkeypatch.setattr(module, "BLOCK", 8)
    np.testing.assert_allclose(network.probabilities(parameters, images), whole, rtol=1e-5)
    in_blocks = network.evaluate(parameters, images, labels)
    np.testing.assert_array_equal(in_blocks.confusion, evaluation.confusion)
    assert in_blocks.loss == pytest.approx(evaluation.loss, rel=1e-6)


def test_memory_does_not_grow_with_the_number_of_images(network: Network, parameters: Parameters) -> None:
    images = np.zeros((100 * module.BLOCK, 12), np.uint8)
    tracemalloc.start()
    try:
        network.probabilities(parameters, images)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    result = len(images) * 5 * 4
    assert peak < result + 4 * module.BLOCK * (12 + 7 + 6 + 5) * 4


def test_evaluation_counts_predictions_and_averages_the_loss(
    network: Network, parameters: Parameters, images: Images
) -> None:
    labels = np.arange(50) % 5
    P = network.probabilities(parameters, images)
    evaluation = network.evaluate(parameters, images, labels)
    assert evaluation.samples == 50
    assert evaluation.accuracy == np.mean(P.argmax(axis=1) == labels)
    assert evaluation.loss == pytest.approx(
        -sum(math.log(P[i, label]) for i, label in enumerate(labels)) / 50, rel=1e-5
    )
    for truth in range(5):
        for prediction in range(5):
            count = sum(P[i].argmax() == prediction for i in range(50) if labels[i] == truth)
            assert evaluation.confusion[truth, prediction] == count


def test_an_evaluation_without_images_is_refused(network: Network, parameters: Parameters) -> None:
    with pytest.raises(ValueError, match="at least one image"):
        network.evaluate(parameters, np.empty((0, 4, 3), np.uint8), np.empty(0, np.int64))


def test_labels_that_do_not_match_the_images_are_refused(
    network: Network, parameters: Parameters, images: Images
) -> None:
    with pytest.raises(ValueError, match=r"must have shape \(50,\)"):
        network.evaluate(parameters, images, np.zeros(49, np.int64))
    with pytest.raises(ValueError, match="between 0 and 4"):
        network.evaluate(parameters, images, np.full(50, 5))
