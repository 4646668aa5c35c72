from __future__ import annotations

from typing import Any

from shared.network import Network, preset
from shared.network.selection.costs import AUGMENTATION, ELEMENT, image_cost, inference_cost, training_cost


def network(**overrides: Any) -> Network:
    return Network((4, 4), 3, preset("fast", **{"standardize": False, "hidden": [10], "epochs": 5, **overrides}))


def test_inference_cost_of_a_dense_network_is_its_number_of_parameters() -> None:
    assert inference_cost(network()) == (16 + 1) * 10 + (10 + 1) * 3


def test_training_step_costs_three_forward_passes_and_the_augmentation_of_each_pixel() -> None:
    assert image_cost(network()) == 3 * inference_cost(network())
    assert image_cost(network(augmentation={"shift": 1})) == 3 * inference_cost(network()) + 16 * AUGMENTATION


def test_training_cost_counts_every_epoch_and_the_measurement_of_the_validation_images() -> None:
    assert training_cost(network(), 40) == 5 * 40 * image_cost(network())
    held_out = network(validation_fraction=0.25)
    assert training_cost(held_out, 40) == 5 * (30 * image_cost(network()) + 10 * inference_cost(network()))
    assert training_cost(network(), 40, 10) == 5 * (40 * image_cost(network()) + 10 * inference_cost(network()))


def test_convolution_costs_its_products_at_each_place_and_its_elements() -> None:
    block = {"filters": 5, "kernel_size": 3, "pool_size": 2}
    subject = Network((6, 8, 3), 4, preset("fast", hidden=[7], convolutions=[block]))
    products = 6 * 8 * (3 * 3 * 3 * 5) + (3 * 4 * 5) * 7 + 7 * 4
    elements = 6 * 8 * 5 + 3 * (3 * 4 * 5) + 3 * 4 * 5 + 2 * 7 + 4  # pooling, biases, activations; flattened
    assert inference_cost(subject) == products + ELEMENT * elements
    assert image_cost(subject) == 3 * inference_cost(subject)


def test_augmentation_of_a_pixel_costs_the_same_in_colour() -> None:
    gray, colour = (
        Network(shape, 3, preset("fast", hidden=[10], augmentation={"shift": 1})) for shape in ((4, 4), (4, 4, 3))
    )
    for subject in (gray, colour):
        assert image_cost(subject) - 3 * inference_cost(subject) == 16 * AUGMENTATION
