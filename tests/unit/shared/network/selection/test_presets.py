from __future__ import annotations

import pytest

from shared.network import PRESETS, Augmentation, ConfigurationError, Network, preset
from shared.network.optimization.optimizers import SGD, Adam
from shared.network.optimization.schedules import Constant
from shared.network.selection.presets import suited


def test_preset_article_is_the_articles_network() -> None:
    article = preset("article")
    assert article.hidden == (64, 32)
    assert (article.activation, article.initializer) == ("sigmoid", "uniform")
    assert article.optimizer == SGD(learning_rate=0.01)
    assert article.schedule == Constant()
    assert (article.epochs, article.batch_size, article.update_order) == (5, 1, "layerwise")


def test_only_preset_article_has_the_articles_order_of_updates() -> None:
    assert [name for name in PRESETS if PRESETS[name].update_order == "layerwise"] == ["article"]


def test_fields_of_a_preset_can_be_overridden() -> None:
    configuration = preset("fast", epochs=1, hidden=[7], seed=9)
    assert (configuration.epochs, configuration.hidden, configuration.seed) == (1, (7,), 9)
    assert configuration.activation == PRESETS["fast"].activation


def test_settings_of_the_presets_own_optimizer_are_overridden_one_by_one() -> None:
    base = PRESETS["fast"].optimizer
    for override in ({"learning_rate": 0.5}, {"name": base.name, "learning_rate": 0.5}):
        assert preset("fast", optimizer=override).optimizer.to_dict() == base.to_dict() | {"learning_rate": 0.5}


def test_another_optimizer_starts_from_its_own_defaults() -> None:
    assert preset("fast", optimizer={"name": "adam", "beta1": 0.5}).optimizer == Adam(beta1=0.5)
    assert preset("fast", optimizer=Adam(beta1=0.5)).optimizer == Adam(beta1=0.5)


def test_a_schedule_is_overridden_like_an_optimizer() -> None:
    assert preset("fast", schedule={"warmup": 0.5}).schedule.name == PRESETS["fast"].schedule.name
    assert preset("fast", schedule={"name": "constant"}).schedule == Constant()


def test_an_augmentation_is_overridden_range_by_range() -> None:
    base = PRESETS["accurate"].augmentation
    assert base is not None
    changed = preset("accurate", augmentation={"shift": 0}).augmentation
    assert changed is not None
    assert changed.to_dict() == base.to_dict() | {"shift": 0.0}


def test_an_augmentation_starts_from_its_defaults_if_the_preset_has_none() -> None:
    assert preset("fast", augmentation={"shift": 2}).augmentation == Augmentation(shift=2)


def test_null_turns_an_augmentation_off() -> None:
    assert preset("accurate", augmentation=None).augmentation is None


def test_overriding_does_not_change_the_preset() -> None:
    before = PRESETS["fast"].to_dict()
    preset("fast", optimizer={"learning_rate": 0.5}, hidden=[3])
    assert PRESETS["fast"].to_dict() == before


@pytest.mark.parametrize("name", ["slow", "", "FAST"])
def test_an_unknown_preset_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        preset(name)
    assert error.value.field == "preset"


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ConfigurationError) as error:
        preset("fast", epoch=3)
    assert error.value.field == "epoch"


@pytest.mark.parametrize(
    ("image_shape", "padding", "pool_size"),
    [
        ((28, 28), "valid", 2),
        ((28, 28, 3), "valid", 2),
        ((8, 8), "same", 2),
        ((8, 30, 3), "same", 2),
        ((3, 2), "same", 1),
    ],
)
def test_blocks_of_a_preset_suit_small_images(image_shape: tuple[int, ...], padding: str, pool_size: int) -> None:
    configuration = suited(preset("accurate"), image_shape)
    assert {(block.padding, block.pool_size) for block in configuration.convolutions[:2]} == {(padding, pool_size)}
    assert Network(image_shape, 2, configuration).parameter_count > 0


@pytest.mark.parametrize("name", ["fast", "article"])
def test_presets_without_convolutions_suit_all_images(name: str) -> None:
    assert suited(preset(name), (1, 1)) == preset(name)
