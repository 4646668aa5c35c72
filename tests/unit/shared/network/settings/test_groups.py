from __future__ import annotations

import json

import pytest

from shared.network import ConfigurationError
from shared.network.augmentation.ranges import Augmentation
from shared.network.optimization.early_stopping import EarlyStopping
from shared.network.optimization.optimizers import OPTIMIZERS, Adam
from shared.network.optimization.schedules import SCHEDULES
from shared.network.settings.groups import Settings, read, read_optional

KINDS: list[type[Settings]] = [*OPTIMIZERS.values(), *SCHEDULES.values()]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_restored_from_json(kind: type[Settings]) -> None:
    kinds: dict[str, type[Settings]] = {kind.name: kind for kind in KINDS}
    assert read(kind.part, kinds, json.loads(json.dumps(kind().to_dict()))) == kind()


def test_the_dict_contains_defaults() -> None:
    assert Adam(learning_rate=1).to_dict() == {
        "name": "adam",
        "learning_rate": 1.0,
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-8,
    }


def test_a_whole_number_becomes_a_float() -> None:
    assert json.dumps(Adam(learning_rate=1).to_dict()) == json.dumps(Adam(learning_rate=1.0).to_dict())


def test_settings_that_are_already_read_are_returned_unchanged() -> None:
    settings = Adam(learning_rate=0.3)
    assert read("optimizer", OPTIMIZERS, settings) is settings


def test_a_missing_setting_has_its_default() -> None:
    assert read("optimizer", OPTIMIZERS, {"name": "adam", "beta1": 0.5}) == Adam(beta1=0.5)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"name": "adamant"}, "optimizer.name"),
        ({"learning_rate": 0.1}, "optimizer.name"),
        ({"name": ["sgd"]}, "optimizer.name"),
        ({"name": "sgd", "momentum": 0.9}, "optimizer.momentum"),
        ({"name": "sgd", "part": "optimizer"}, "optimizer.part"),
        ({"name": "sgd", "learning_rate": "fast"}, "optimizer.learning_rate"),
        ("sgd", "optimizer"),
        (None, "optimizer"),
        ([], "optimizer"),
    ],
)
def test_the_error_for_invalid_settings_names_the_field(settings: object, field: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        read("optimizer", OPTIMIZERS, settings)
    assert error.value.field == field


def test_an_optional_group_is_read_without_a_name() -> None:
    assert read_optional(Augmentation, {"shift": 2}) == Augmentation(shift=2.0)
    assert read_optional(Augmentation, Augmentation(shift=2)) == Augmentation(shift=2)
    assert read_optional(Augmentation, None) is None


@pytest.mark.parametrize("settings", [{"patience": 2, "name": "early"}, {}, {"patience": None}])
def test_the_error_for_an_invalid_optional_group_names_the_field(settings: object) -> None:
    with pytest.raises(ConfigurationError, match=r"^early_stopping\.(name|patience) "):
        read_optional(EarlyStopping, settings)
