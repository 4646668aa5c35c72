"""Which convolutional blocks fit which images, and the errors for those that do not."""

from __future__ import annotations

from typing import Any

import pytest

from shared.network import ConfigurationError, Network, preset
from shared.network.convolutions.architecture import MAX_ACTIVATIONS

Json = dict[str, Any]


def network(*blocks: Json, image_shape: tuple[int, ...] = (28, 28), **settings: Any) -> Network:
    return Network(image_shape, 10, preset("fast", **({"convolutions": list(blocks), "standardize": False} | settings)))


def shapes(built: Network) -> dict[str, tuple[int, ...]]:
    return built.layout.shapes


def test_the_blocks_come_before_the_dense_layers() -> None:
    built = network(
        {"filters": 16, "kernel_size": 5, "padding": "valid", "pool_size": 2},
        {"filters": 32, "kernel_size": 3, "strides": 2},
        hidden=[20],
        image_shape=(28, 24, 3),
    )
    assert shapes(built) == {
        "layer1.weights": (5, 5, 3, 16),
        "layer1.biases": (16,),
        "layer2.weights": (3, 3, 16, 32),
        "layer2.biases": (32,),
        "layer3.weights": (6 * 5 * 32, 20),
        "layer3.biases": (20,),
        "layer4.weights": (20, 10),
        "layer4.biases": (10,),
    }


def test_a_normalized_block_has_scale_and_shift_instead_of_biases_and_its_statistics_come_last() -> None:
    built = network({"filters": 4, "batch_norm": True}, hidden=[], standardize=True)
    names = list(shapes(built))
    assert names[:3] == ["layer1.weights", "layer1.scale", "layer1.shift"]
    assert set(names[5:]) == {"input.mean", "input.deviation", "layer1.mean", "layer1.variance"}
    assert built.parameter_count == 3 * 3 * 4 + 4 + 4 + 28 * 28 * 4 * 10 + 10


def test_a_dense_network_has_the_layout_that_it_always_had() -> None:
    assert list(shapes(Network((4, 3), 2, preset("article", hidden=[5])))) == [
        "layer1.weights",
        "layer1.biases",
        "layer2.weights",
        "layer2.biases",
    ]


@pytest.mark.parametrize(
    ("blocks", "field", "words"),
    [
        ([{"filters": 8, "kernel_size": 29, "padding": "valid"}], "convolutions.0.kernel_size", "28 × 28 × 1"),
        (
            [{"filters": 8, "pool_size": 8}, {"filters": 8, "kernel_size": 4, "padding": "valid"}],
            "convolutions.1.kernel_size",
            "3 × 3 × 8",
        ),
        ([{"filters": 8, "pool_size": 29}], "convolutions.0.pool_size", "28 × 28 places"),
        ([{"filters": 8, "pool_size": 28}, {"filters": 8, "pool_size": 2}], "convolutions.1.pool_size", "1 × 1 × 8"),
        ([{"filters": 4096, "kernel_size": 3}], "convolutions.0", f"{MAX_ACTIVATIONS:,}"),
        ([{"filters": 1000, "kernel_size": 64}], "convolutions.0", f"{MAX_ACTIVATIONS:,}"),
    ],
)
def test_a_block_that_does_not_fit_is_refused_by_name_with_its_input(blocks: Any, field: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        network(*blocks)
    assert error.value.field == field
    assert words in error.value.reason


def test_a_network_with_too_many_parameters_is_refused_by_its_largest_layer() -> None:
    built = network({"filters": 512, "strides": 2}, {"filters": 4096, "kernel_size": 7, "strides": 14}, hidden=[10])
    with pytest.raises(ConfigurationError, match=r"at most 1,000,000 parameters; got .* layer 2 with 25,088") as error:
        built.check_parameter_count(1_000_000)
    assert error.value.field == "convolutions.1"
    built.check_parameter_count(built.parameter_count)


@pytest.mark.parametrize(
    ("block", "field"),
    [
        ({}, "convolutions.0.filters"),
        ({"filters": 0}, "convolutions.0.filters"),
        ({"filters": 4, "padding": "full"}, "convolutions.0.padding"),
        ({"filters": 4, "batch_norm": 1}, "convolutions.0.batch_norm"),
        ({"filters": 4, "stride": 1}, "convolutions.0.stride"),
        (None, "convolutions.0"),
    ],
)
def test_an_invalid_setting_of_a_block_is_named_with_the_blocks_index(block: Any, field: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        preset("fast", convolutions=[block])
    assert error.value.field == field


def test_convolutions_need_the_update_order_together() -> None:
    with pytest.raises(ConfigurationError, match="layerwise") as error:
        preset("article", convolutions=[{"filters": 4}])
    assert error.value.field == "convolutions"
