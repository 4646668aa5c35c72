from __future__ import annotations

from typing import Any

from shared.network import Network, preset
from shared.network.selection.costs import AUGMENTATION, image_cost, inference_cost, training_cost


def network(**overrides: Any) -> Network:
    return Network((4, 4), 3, preset("fast", **{"hidden": [10], "epochs": 5, **overrides}))


def test_inference_cost_of_a_dense_network_is_its_number_of_parameters() -> None:
    assert inference_cost(network()) == (16 + 1) * 10 + (10 + 1) * 3


def test_training_step_costs_three_forward_passes_and_the_augmentation_of_each_pixel() -> None:
    assert image_cost(network()) == 3 * inference_cost(network())
    assert image_cost(network(augmentation={"shift": 1})) == 3 * inference_cost(network()) + 16 * AUGMENTATION


def test_training_cost_counts_every_epoch_and_the_measurement_of_the_validation_images() -> None:
    assert training_cost(network(), 40) == 5 * 40 * image_cost(network())
    held_out = network(validation_fraction=0.25)
    assert training_cost(held_out, 40) == 5 * (30 * image_cost(network()) + 10 * inference_cost(network()))
