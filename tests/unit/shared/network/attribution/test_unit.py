"""A unit's sum of terms, compared with the forward pass."""

from __future__ import annotations

import numpy as np
import pytest

from shared.network.attribution.trace import trace
from shared.network.attribution.unit import layer_shapes, unit
from tests.support.objects.networks import NETWORKS, random_network


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_sum_of_every_unit_at_every_place_gives_its_activation(kind: str, rng: np.random.Generator) -> None:
    network, parameters = random_network(kind, rng)
    image = rng.integers(0, 256, network.image_shape, np.uint8)
    seen = trace(network, parameters, image)

    for layer, shape in enumerate(layer_shapes(network)):
        is_last = layer == len(seen.activations)
        for number in range(shape[-1]):
            for place in np.ndindex(*shape[:-1]):
                found = unit(network, parameters, image, seen, layer, number, place or None)
                assert found.place == (place or None)
                assert found.terms.shape == found.weights.shape == found.inputs.shape
                if is_last:
                    assert found.z == pytest.approx(seen.logits[number])
                    assert found.activation == seen.probabilities[number]
                else:
                    assert np.tanh(found.z) == pytest.approx(found.activation)
                    assert found.activation == seen.activations[layer][(*place, number)]


@pytest.mark.parametrize("kind", ["convolutional", "normalized, strided, in colour"])
def test_the_place_of_a_filter_is_by_default_that_of_its_largest_activation(
    kind: str, rng: np.random.Generator
) -> None:
    network, parameters = random_network(kind, rng)
    image = rng.random(network.image_shape)
    seen = trace(network, parameters, image)

    found = unit(network, parameters, image, seen, 0, 1)

    assert found.activation == seen.activations[0][..., 1].max()


def test_the_window_is_where_the_inputs_of_a_filter_are(rng: np.random.Generator) -> None:
    network, parameters = random_network("convolutional", rng)
    image = rng.random(network.image_shape)
    seen = trace(network, parameters, image)
    padded = np.pad(image, 1)

    for place in np.ndindex(*seen.activations[0].shape[:2]):
        found = unit(network, parameters, image, seen, 0, 2, place)
        assert found.window is not None
        row, column = found.window
        np.testing.assert_array_equal(found.inputs, padded[row + 1 : row + 4, column + 1 : column + 4])


def test_a_first_layer_has_weights_in_the_images_shape(rng: np.random.Generator) -> None:
    network, parameters = random_network("dense, standardized, in colour", rng)
    image = rng.random(network.image_shape)

    found = unit(network, parameters, image, trace(network, parameters, image), 0, 3)

    np.testing.assert_array_equal(found.weights.reshape(-1), parameters["layer1.weights"][:, 3])
    np.testing.assert_allclose(found.inputs, (image - parameters["input.mean"]) / parameters["input.deviation"])
