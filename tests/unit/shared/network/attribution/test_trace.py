from __future__ import annotations

import numpy as np
import pytest

from shared.network.attribution.trace import activation_shapes, trace
from tests.support.objects.networks import NETWORKS, random_network


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_trace_has_the_bits_of_a_prediction(kind: str, rng: np.random.Generator) -> None:
    network, parameters = random_network(kind, rng, dtype="float32", activation="gelu")
    image = rng.integers(0, 256, network.image_shape, np.uint8)

    found = trace(network, parameters, image)

    np.testing.assert_array_equal(found.probabilities, network.probabilities(parameters, image[np.newaxis])[0])
    assert [each.shape for each in found.activations] == activation_shapes(network)
    exponentials = np.exp(found.logits - found.logits.max())
    np.testing.assert_allclose(found.probabilities, exponentials / exponentials.sum(), rtol=1e-5)


def test_the_activations_of_a_dense_network_are_those_of_its_formula(rng: np.random.Generator) -> None:
    network, parameters = random_network("dense", rng)
    image = rng.random(network.image_shape)

    found = trace(network, parameters, image)

    A = image.reshape(-1)
    for number, activations in enumerate(found.activations, start=1):
        A = np.tanh(A @ parameters[f"layer{number}.weights"] + parameters[f"layer{number}.biases"])
        np.testing.assert_allclose(activations, A)
    np.testing.assert_allclose(found.logits, A @ parameters["layer3.weights"] + parameters["layer3.biases"])


def test_the_activations_of_a_convolutional_block_have_the_order_of_images(rng: np.random.Generator) -> None:
    network, parameters = random_network("convolutional", rng, convolutions=[{"filters": 3, "kernel_size": 1}])
    image = rng.random(network.image_shape)

    first, *dense = trace(network, parameters, image).activations

    Z = image[..., np.newaxis] @ parameters["layer1.weights"].reshape(1, 3) + parameters["layer1.biases"]
    np.testing.assert_allclose(first, np.tanh(Z))
    assert [each.shape for each in dense] == [(5,), (4,)]
