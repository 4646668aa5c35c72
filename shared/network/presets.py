"""Presets: named configurations, whose fields a request can override."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from shared.network.augmentation.ranges import Augmentation
from shared.network.configuration import Configuration
from shared.network.optimization.optimizers import SGD, Adam, Nesterov
from shared.network.optimization.schedules import Constant, Cosine, OneCycle
from shared.network.settings.fields import Choice

PRESETS: Mapping[str, Configuration] = MappingProxyType(
    {
        "fast": Configuration(
            hidden=(128, 64),
            activation="relu",
            initializer="he",
            optimizer=Nesterov(learning_rate=0.05, momentum=0.9),
            schedule=Cosine(warmup=0.2),
            update_order="together",
            epochs=8,
            batch_size=128,
            seed=0,
            dtype="float32",
            standardize=True,
        ),
        # Found by experiment: docs/experiments.md.
        "accurate": Configuration(
            hidden=(1024, 512),
            activation="relu",
            initializer="he",
            optimizer=Adam(learning_rate=0.003),
            schedule=OneCycle(),
            update_order="together",
            epochs=25,
            batch_size=256,
            seed=0,
            dtype="float32",
            label_smoothing=0.05,
            augmentation=Augmentation(shift=1.5, rotation=10, scale=0.1, shear=0.1, elastic=30, smoothness=5),
        ),
        "article": Configuration(
            hidden=(64, 32),
            activation="sigmoid",
            initializer="uniform",
            optimizer=SGD(learning_rate=0.01),
            schedule=Constant(),
            update_order="layerwise",
            epochs=5,
            batch_size=1,
            seed=0,
            dtype="float32",
        ),
    }
)


AUTO = "auto"
"""The preset without a fixed configuration: `shared.network.selection` chooses one for the data."""

DEFAULT_PRESET = AUTO
PRESET_OF_SETTINGS = "fast"
"""The preset of a request that has settings of the network, but names no preset."""

FIXED = Choice("Preset", PRESETS)
PRESET = Choice("Preset; fast if only settings are given", (AUTO, *PRESETS))


def preset(name: str, **overrides: Any) -> Configuration:
    """Return the preset of this name with some fields overridden. Raises ConfigurationError for an unknown name."""
    FIXED.check("preset", name)
    return overridden(PRESETS[name], overrides)


def overridden(configuration: Configuration, overrides: Mapping[str, Any]) -> Configuration:
    """Return the configuration with some fields overridden, in the form of `Configuration.to_dict`.

    An optimizer or schedule without a name, or with the same name as in the configuration, overrides single settings;
    one with another name starts from its own defaults. An augmentation overrides single settings of the
    configuration's augmentation, and null turns it off. Raises ConfigurationError for an unknown field, and for an
    invalid value.
    """
    base = configuration.to_dict()
    values = base | dict(overrides)
    for part in ("optimizer", "schedule"):
        changes = values[part]
        if isinstance(changes, Mapping) and changes.get("name", base[part]["name"]) == base[part]["name"]:
            values[part] = base[part] | dict(changes)
    if isinstance(values["augmentation"], Mapping) and base["augmentation"]:
        values["augmentation"] = base["augmentation"] | dict(values["augmentation"])
    return Configuration.from_dict(values)


def fitted(configuration: Configuration, samples: int) -> Configuration:
    """Return the configuration with a batch size of at most the number of images left for training, but at least 1."""
    left = max(1, samples - configuration.validation_count(samples))
    return replace(configuration, batch_size=min(configuration.batch_size, left))
