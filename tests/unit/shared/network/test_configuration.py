from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest

from shared.network import PRESETS, Configuration, ConfigurationError, preset


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_configuration_is_restored_from_json(name: str) -> None:
    configuration = PRESETS[name]
    assert Configuration.from_dict(json.loads(json.dumps(configuration.to_dict()))) == configuration


def test_the_dict_contains_every_setting() -> None:
    assert preset("article").to_dict() == {
        "hidden": [64, 32],
        "activation": "sigmoid",
        "initializer": "uniform",
        "optimizer": {"name": "sgd", "learning_rate": 0.01},
        "schedule": {"name": "constant", "warmup": 0.0},
        "update_order": "layerwise",
        "epochs": 5,
        "batch_size": 1,
        "seed": 0,
        "dtype": "float32",
        "weight_decay": 0.0,
        "dropout": 0.0,
        "label_smoothing": 0.0,
        "gradient_clip": None,
        "augmentation": None,
        "validation_fraction": 0.0,
        "early_stopping": None,
        "convolutions": [],
        "standardize": False,
    }


def test_the_dict_contains_every_nested_setting() -> None:
    configuration = preset("fast", augmentation={"shift": 2}, early_stopping={"patience": 3}, validation_fraction=0.1)
    values = configuration.to_dict()
    assert values["augmentation"] == {
        "shift": 2.0,
        "rotation": 0.0,
        "scale": 0.0,
        "shear": 0.0,
        "elastic": 0.0,
        "smoothness": 4.0,
    }
    assert values["early_stopping"] == {"patience": 3}
    assert Configuration.from_dict(json.loads(json.dumps(values))) == configuration


def test_configurations_are_compared_by_value() -> None:
    assert preset("fast", hidden=[5]) == preset("fast", hidden=(5,))
    assert hash(preset("fast", seed=3)) == hash(preset("fast", seed=3))
    with pytest.raises(dataclasses.FrozenInstanceError):
        preset("fast").epochs = 3  # type: ignore[misc]


def test_a_configuration_without_hidden_layers_is_valid() -> None:
    assert preset("fast", hidden=[]).hidden == ()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hidden", 64),
        ("hidden", "64"),
        ("hidden", None),
        ("activation", "sine"),
        ("activation", None),
        ("initializer", "zeros"),
        ("optimizer", "sgd"),
        ("schedule", 3),
        ("update_order", "article"),
        ("epochs", 0),
        ("epochs", -1),
        ("epochs", 1.5),
        ("epochs", True),
        ("epochs", "3"),
        ("batch_size", 0),
        ("batch_size", 32.0),
        ("batch_size", False),
        ("seed", -1),
        ("seed", 2**63),
        ("seed", None),
        ("dtype", "float16"),
        ("dtype", float),
        ("weight_decay", -1e-9),
        ("weight_decay", None),
        ("dropout", 1.0),
        ("dropout", -0.1),
        ("dropout", True),
        ("label_smoothing", 1),
        ("label_smoothing", math.nan),
        ("gradient_clip", 0),
        ("gradient_clip", math.inf),
        ("gradient_clip", "1"),
        ("validation_fraction", 1.0),
        ("validation_fraction", -0.1),
        ("augmentation", True),
        ("augmentation", "elastic"),
        ("early_stopping", 3),
        ("early_stopping", []),
        ("convolutions", 16),
        ("convolutions", "16"),
        ("standardize", 1),
        ("standardize", None),
    ],
)
def test_the_error_for_an_invalid_value_names_the_field(field: str, value: Any) -> None:
    with pytest.raises(ConfigurationError) as error:
        preset("fast", **{field: value})
    assert error.value.field == field


@pytest.mark.parametrize("width", [0, -3, 1.0, True, "64", None])
def test_the_error_for_an_invalid_layer_names_its_index(width: Any) -> None:
    with pytest.raises(ConfigurationError) as error:
        preset("fast", hidden=[64, width])
    assert error.value.field == "hidden.1"


@pytest.mark.parametrize("rate", [0, -1, math.nan, math.inf, True, "1"])
def test_the_error_for_a_nested_value_names_the_dotted_field(rate: Any) -> None:
    with pytest.raises(ConfigurationError) as error:
        preset("fast", optimizer={"learning_rate": rate})
    assert error.value.field == "optimizer.learning_rate"


def test_a_schedule_longer_than_the_training_is_refused() -> None:
    with pytest.raises(ConfigurationError) as error:
        preset("fast", epochs=3, schedule={"name": "step", "every": 3})
    assert error.value.field == "schedule.every"


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("augmentation.elasticity", {"elasticity": 3}),
        ("augmentation.shift", {"shift": -1}),
        ("augmentation.rotation", {"rotation": 360}),
        ("augmentation.scale", {"scale": 1}),
        ("augmentation.shear", {"shear": "much"}),
        ("augmentation.elastic", {"elastic": math.inf}),
        ("augmentation.smoothness", {"smoothness": 0}),
        ("early_stopping.patience", {}),
        ("early_stopping.patience", {"patience": 0}),
        ("early_stopping.patience", {"patience": 2.5}),
        ("early_stopping.metric", {"patience": 1, "metric": "loss"}),
    ],
)
def test_the_error_for_an_invalid_group_names_the_dotted_field(field: str, values: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as error:
        preset("fast", validation_fraction=0.1, **{field.split(".", maxsplit=1)[0]: values})
    assert error.value.field == field


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("weight_decay", {"weight_decay": 0.1, "optimizer": {"name": "adamw"}}),
        ("gradient_clip", {"gradient_clip": 1.0, "update_order": "layerwise"}),
    ],
)
def test_settings_that_exclude_each_other_are_refused(field: str, values: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as error:
        preset("fast", **values)
    assert error.value.field == field


def test_an_unknown_field_is_refused() -> None:
    values = preset("fast").to_dict() | {"learning_rate": 0.1}
    with pytest.raises(ConfigurationError, match="learning_rate is not a setting") as error:
        Configuration.from_dict(values)
    assert error.value.field == "learning_rate"


LATER = {
    "weight_decay",
    "dropout",
    "label_smoothing",
    "gradient_clip",
    "augmentation",
    "validation_fraction",
    "early_stopping",
    "convolutions",
    "standardize",
}


def test_a_field_missing_from_an_older_dict_is_off() -> None:
    before = {name: value for name, value in preset("fast").to_dict().items() if name not in LATER}
    configuration = Configuration.from_dict(before)
    assert not any(getattr(configuration, name) for name in LATER)
    assert configuration == preset("fast", standardize=False)


@pytest.mark.parametrize("field", sorted(preset("fast").to_dict().keys() - LATER))
def test_a_missing_field_is_refused(field: str) -> None:
    values = preset("fast").to_dict()
    del values[field]
    with pytest.raises(ConfigurationError, match=f"{field} is missing"):
        Configuration.from_dict(values)


def test_a_batch_larger_than_the_data_is_refused() -> None:
    configuration = preset("fast", batch_size=32)
    configuration.check(samples=32)
    with pytest.raises(ConfigurationError, match="at most the number of images, 31") as error:
        configuration.check(samples=31)
    assert error.value.field == "batch_size"


def test_a_batch_larger_than_the_images_left_for_training_is_refused() -> None:
    configuration = preset("fast", batch_size=32, validation_fraction=0.2)
    configuration.check(samples=40)
    with pytest.raises(ConfigurationError, match="at most the number of images left for training, 31") as error:
        configuration.check(samples=39)
    assert error.value.field == "batch_size"


def test_early_stopping_needs_images_for_validation() -> None:
    configuration = preset("fast", batch_size=1, early_stopping={"patience": 3})
    configuration.check(samples=40, validation=1)
    with pytest.raises(ConfigurationError, match="needs a validation_fraction above 0") as error:
        configuration.check(samples=40)
    assert error.value.field == "early_stopping"


def test_a_share_for_validation_is_refused_beside_a_validation_split_of_the_data() -> None:
    configuration = preset("fast", batch_size=1, validation_fraction=0.1)
    configuration.check(samples=40)
    with pytest.raises(ConfigurationError, match=r"must be 0, .* its 7 images are used for validation") as error:
        configuration.check(samples=40, validation=7)
    assert error.value.field == "validation_fraction"


def test_a_validation_split_without_images_is_refused() -> None:
    with pytest.raises(ConfigurationError) as error:
        preset("fast", batch_size=1, validation_fraction=0.01).check(samples=40)
    assert error.value.field == "validation_fraction"
