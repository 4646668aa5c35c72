from __future__ import annotations

from typing import Any

import pytest

from shared.network import ConfigurationError, Facts, Network, candidates
from shared.network.selection.candidates import MOST_EPOCHS, TRAINING
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


def test_epochs_bound_the_estimated_cost() -> None:
    for network in candidates(Facts((28, 28), 10, 60_000), {}):
        assert training_cost(network, 60_000) <= 1.01 * TRAINING or network.configuration.epochs == 4
    assert set(values(candidates(SMALL, {}), "epochs")) == {MOST_EPOCHS}


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
        ({"schedule": {"name": "step", "every": 70}}, "schedule.every"),
        ({"validation_fraction": 0.001}, "validation_fraction"),
        ({"epochs": 0}, "epochs"),
    ],
    ids=str,
)
def test_setting_that_no_candidate_can_have_is_refused(overrides: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        candidates(SMALL, overrides)
    assert error.value.field == field


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 3), (8, 8), (28, 28), (64, 64)])
@pytest.mark.parametrize("samples", [2, 700])
def test_images_of_any_shape_have_candidates(shape: tuple[int, ...], samples: int) -> None:
    assert candidates(Facts(shape, 2, samples), {})


def test_differing_settings_omit_those_that_all_candidates_have() -> None:
    found = candidates(SMALL, {"hidden": [9]})
    settings = differing_settings(found)
    assert all("hidden" not in each and "seed" not in each for each in settings)
    assert len({str(each) for each in settings}) == len(found)
