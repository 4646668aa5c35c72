from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.network import ConfigurationError, Facts, Network, candidates, preset
from shared.network.selection.candidates import ENOUGH_EPOCHS, FEWEST_EPOCHS, TRAINING, blocks
from shared.network.selection.costs import training_cost
from shared.network.selection.report import differing_settings

SMALL = Facts((8, 8), 3, 300)


def values(networks: list[Network], name: str) -> list[Any]:
    return [network.configuration.to_dict()[name] for network in networks]


def test_candidates_are_several_and_different() -> None:
    found = candidates(SMALL, {})
    assert 3 <= len(found) <= 9
    assert len({str(network.configuration.to_dict()) for network in found}) == len(found)


def test_fixed_setting_is_the_same_in_all_candidates() -> None:
    found = candidates(SMALL, {"hidden": [20], "optimizer": {"learning_rate": 0.02}, "seed": 7, "epochs": 9})
    assert len(found) > 1
    for network in found:
        configuration = network.configuration
        assert (configuration.hidden, configuration.seed, configuration.epochs) == ((20,), 7, 9)
        assert configuration.optimizer.learning_rate == 0.02


def test_fixed_settings_make_equal_candidates_one() -> None:
    everything: dict[str, Any] = {"hidden": [5], "optimizer": {"name": "sgd", "learning_rate": 0.1}}
    everything |= {"augmentation": None, "dropout": 0.0}
    assert len(candidates(SMALL, everything)) < len(candidates(SMALL, {}))
    texts = [str(network.configuration.to_dict()) for network in candidates(SMALL, everything)]
    assert len(set(texts)) == len(texts)


def test_part_of_an_augmentation_is_fixed_in_all_candidates() -> None:
    found = candidates(SMALL, {"augmentation": {"rotation": 3}})
    assert {network.configuration.augmentation.rotation for network in found if network.configuration.augmentation} == {
        3
    }
    assert all(network.configuration.augmentation for network in found)


SHAPES = [(8, 8), (28, 28), (32, 32, 3), (64, 64, 3)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("samples", [200, 2_000, 60_000])
def test_epochs_bound_the_estimated_cost(shape: tuple[int, ...], samples: int) -> None:
    for network in candidates(Facts(shape, 10, samples), {}):
        assert training_cost(network, samples) <= TRAINING or network.configuration.epochs == FEWEST_EPOCHS


@pytest.mark.parametrize("shape", SHAPES)
def test_first_candidate_can_train_enough_on_a_few_thousand_images(shape: tuple[int, ...]) -> None:
    for samples in (500, 2_000, 5_000):
        configuration = candidates(Facts(shape, 10, samples), {})[0].configuration
        assert configuration.epochs >= ENOUGH_EPOCHS
        assert configuration.epochs * samples >= 60_000


def test_fewer_images_are_trained_on_for_more_epochs() -> None:
    epochs = [candidates(Facts((28, 28), 10, samples), {})[0].configuration.epochs for samples in (300, 3_000, 60_000)]
    assert epochs == sorted(set(epochs), reverse=True)


@pytest.mark.parametrize("shape", SHAPES)
def test_images_have_convolutional_candidates_with_standardized_inputs(shape: tuple[int, ...]) -> None:
    for network in candidates(Facts(shape, 10, 3_000), {}):
        assert network.architecture is not None
        assert network.configuration.standardize


def test_more_images_get_a_smaller_network() -> None:
    few, many = (candidates(Facts((32, 32, 3), 10, samples), {})[0].parameter_count for samples in (2_000, 60_000))
    assert many < few


@pytest.mark.parametrize(
    ("side", "count"), [(1, 0), (3, 0), (4, 1), (8, 1), (16, 2), (28, 3), (32, 3), (64, 4), (500, 4)]
)
def test_blocks_halve_the_image_to_about_four_pixels(side: int, count: int) -> None:
    assert len(blocks((side, side), 8)) == len(blocks((side, 2 * side, 3), 8)) == count


@pytest.mark.parametrize("overrides", [{"convolutions": []}, {"convolutions": [], "hidden": [9]}], ids=str)
def test_dense_networks_can_be_asked_for(overrides: dict[str, Any]) -> None:
    found = candidates(SMALL, overrides)
    assert len(found) > 1
    assert all(network.architecture is None and network.configuration.hidden for network in found)


@pytest.mark.parametrize("samples", [300, 2_000, 60_000])
def test_candidates_cost_about_the_same(samples: int) -> None:
    costs = [training_cost(network, samples) for network in candidates(Facts((64, 64, 3), 10, samples), {})]
    assert max(costs) <= 1.5 * costs[0]


def test_only_colour_images_have_a_change_of_the_saturation() -> None:
    for shape, expected in (((8, 8), False), ((8, 8, 3), True)):
        augmentations = values(candidates(Facts(shape, 2, 500), {}), "augmentation")
        assert any("saturation" in each for each in augmentations if each) is expected


def test_mirror_images_are_only_tried() -> None:
    first, *others = values(candidates(SMALL, {}), "augmentation")
    assert "flip" not in first
    assert any("flip" in each for each in others if each)


@pytest.mark.parametrize("samples", [2, 8, 60, 190])
def test_few_images_have_no_validation_split(samples: int) -> None:
    for network in candidates(Facts((8, 8), 2, samples), {}):
        configuration = network.configuration
        assert (configuration.validation_fraction, configuration.early_stopping) == (0, None)
        assert configuration.batch_size <= samples


def test_more_images_have_early_stopping() -> None:
    for network in candidates(SMALL, {}):
        assert network.configuration.validation_fraction == 0.1
        assert network.configuration.early_stopping


def test_validation_split_of_the_data_replaces_the_share_that_trainings_hold_out() -> None:
    for own, stops in ((19, False), (20, True)):
        for network in candidates(replace(SMALL, validation=own), {}):
            assert network.configuration.validation_fraction == 0
            assert (network.configuration.early_stopping is not None) is stops


def test_share_for_validation_is_refused_beside_a_validation_split_of_the_data() -> None:
    with pytest.raises(ConfigurationError, match="has a validation split"):
        candidates(replace(SMALL, validation=50), {"validation_fraction": 0.2})


def test_validation_can_be_turned_off() -> None:
    assert set(values(candidates(SMALL, {"validation_fraction": 0}), "early_stopping")) == {None}
    assert set(values(candidates(SMALL, {"early_stopping": None}), "early_stopping")) == {None}


def test_early_stopping_can_be_set() -> None:
    for network in candidates(SMALL, {"early_stopping": {"patience": 2}}):
        assert network.configuration.to_dict()["early_stopping"] == {"patience": 2}


@pytest.mark.parametrize(
    ("overrides", "field"),
    [
        ({"batch_size": 301}, "batch_size"),
        ({"optimizer": {"momentum": 0.3}}, "optimizer.momentum"),
        ({"hidden": [0]}, "hidden.0"),
        ({"schedule": {"name": "step", "every": 700}}, "schedule.every"),
        ({"validation_fraction": 0.001}, "validation_fraction"),
        ({"epochs": 0}, "epochs"),
    ],
    ids=str,
)
def test_setting_that_no_candidate_can_have_is_refused(overrides: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        candidates(SMALL, overrides)
    assert error.value.field == field


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 3, 3), (4, 90), *SHAPES, (300, 200, 3), (64, 5_000)])
@pytest.mark.parametrize("samples", [2, 700])
def test_images_of_any_shape_have_candidates(shape: tuple[int, ...], samples: int) -> None:
    assert candidates(Facts(shape, 2, samples), {})


def test_differing_settings_omit_those_that_all_candidates_have() -> None:
    found = candidates(SMALL, {"hidden": [9]})
    settings = differing_settings(found)
    assert all("hidden" not in each and "seed" not in each for each in settings)
    assert len({str(each) for each in settings}) == len(found)


def test_differing_settings_of_an_augmentation_are_those_that_are_on() -> None:
    def network(**overrides: Any) -> Network:
        return Network((4, 4), 2, preset("fast", **overrides))

    both = [network(augmentation={"shift": 1, "flip": True}), network(augmentation={"shift": 2})]
    assert differing_settings(both) == [
        {"augmentation.shift": 1.0, "augmentation.flip": True},
        {"augmentation.shift": 2.0},
    ]
    assert differing_settings([both[1], network()]) == [{"augmentation.shift": 2.0}, {"augmentation": None}]
