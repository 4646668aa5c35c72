"""Presets: named configurations, whose fields a request can override."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from shared.network.augmentation.ranges import Augmentation
from shared.network.configuration import Configuration
from shared.network.convolutions.architecture import Architecture
from shared.network.convolutions.blocks import Block
from shared.network.errors import ConfigurationError
from shared.network.layers.activations import ACTIVATIONS
from shared.network.optimization.optimizers import SGD, AdamW, Nesterov
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
            convolutions=(
                Block(filters=16, kernel_size=5, padding="valid", batch_norm=True, pool_size=2),
                Block(filters=32, kernel_size=5, padding="valid", batch_norm=True, pool_size=2),
                Block(filters=96, kernel_size=3, padding="valid", batch_norm=True),
            ),
            hidden=(128,),
            activation="relu",
            initializer="he",
            optimizer=AdamW(learning_rate=0.02, weight_decay=0.05),
            schedule=OneCycle(),
            update_order="together",
            epochs=20,
            batch_size=128,
            seed=0,
            dtype="float32",
            standardize=True,
            label_smoothing=0.05,
            augmentation=Augmentation(shift=1.5, rotation=8, scale=0.1, shear=0.1, elastic=20, smoothness=4),
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

DESCRIPTIONS: Mapping[str, str] = MappingProxyType(
    {
        AUTO: "Compares candidates (networks, learning rates, augmentations) on the data set, and trains the best one.",
        "fast": "Two dense layers, trained for a few epochs: seconds for tens of thousands of small images.",
        "accurate": "Three convolutional blocks with batch normalization and random distortions of the images: slower,"
        " and more accurate than `fast`.",
        "article": "The seed article's network, trained image by image in the article's order of updates.",
    }
)
"""What each preset is, in a sentence or two."""

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


def suited(configuration: Configuration, image_shape: Sequence[int]) -> Configuration:
    """Return a preset's configuration with blocks that leave at least one pixel of small images (H, W) or (H, W, C).

    If its blocks do not fit, they get padding; if they still do not, they lose their pooling.
    """
    blocks = configuration.convolutions
    padded = tuple(replace(block, padding="same") for block in blocks)
    unpooled = tuple(replace(block, pool_size=1) for block in padded)
    for each in (blocks, padded, unpooled):
        if _fits(each, image_shape):
            return replace(configuration, convolutions=each)
    return configuration


def _fits(blocks: Sequence[Block], image_shape: Sequence[int]) -> bool:
    H, W = image_shape[:2]
    try:
        Architecture((H, W, 1), blocks, hidden=(), classes=2, activation=ACTIVATIONS["relu"])
    except ConfigurationError:
        return False
    return True


def fitted(configuration: Configuration, samples: int) -> Configuration:
    """Return the configuration with a batch size of at most the number of images left for training, but at least 1."""
    left = max(1, samples - configuration.validation_count(samples))
    return replace(configuration, batch_size=min(configuration.batch_size, left))
