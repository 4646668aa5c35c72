"""The candidates of the preset `auto`: a handful of configurations, built from facts about the data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from shared.network.augmentation.ranges import Augmentation
from shared.network.configuration import Configuration
from shared.network.convolutions.blocks import Block
from shared.network.errors import ConfigurationError
from shared.network.network import Network
from shared.network.optimization.early_stopping import EarlyStopping
from shared.network.optimization.optimizers import AdamW
from shared.network.optimization.schedules import OneCycle
from shared.network.presets import fitted, overridden
from shared.network.selection.costs import training_cost

TRAINING = 6e12
"""The bound on the estimated cost of a candidate's whole training: about a minute on two cores."""

FEWEST_EPOCHS, ENOUGH_EPOCHS = 5, 10
"""A network is too large if the bound allows fewer epochs than enough, or fewer images than `ENOUGH_IMAGES`."""

ENOUGH_IMAGES, MOST_IMAGES = 64_000, 128_000
"""Images times epochs. More than the most do not help a small data set."""

MOST_EPOCHS = 30, 200
"""The most epochs of a large and of a small data set."""

FILTERS = (32, 24, 16, 8)
"""Filters of the first block, from the largest network to the smallest."""

DEAREST = 1.5
"""How many times the cost of the first candidate another may have; the cost of a dearer one would shorten the race."""

VALIDATION_FRACTION = 0.1
FEWEST_VALIDATION = 20
"""With fewer images in the validation split, early stopping would stop at random; such a training has none."""


@dataclass(frozen=True)
class Facts:
    """What is known about a data set before it is loaded. samples: the number of training images."""

    image_shape: tuple[int, ...]
    classes: int
    samples: int


def candidates(facts: Facts, overrides: Mapping[str, Any]) -> list[Network]:
    """Return the candidates' networks, the most trusted one first; a setting in `overrides` is fixed in all of them.

    A candidate that the overrides make equal to an earlier one, too expensive or invalid, is dropped. Raises
    ConfigurationError if all are invalid.
    """
    found: list[Network] = []
    first_error = None
    for base in _bases(facts, overrides):
        try:
            network = _candidate(base, facts, overrides)
        except ConfigurationError as error:
            first_error = first_error or error
            continue
        if found and training_cost(network, facts.samples) > DEAREST * training_cost(found[0], facts.samples):
            continue
        if all(network.configuration != other.configuration for other in found):
            found.append(network)
    if not found:
        assert first_error is not None
        raise first_error
    return found


def _bases(facts: Facts, overrides: Mapping[str, Any]) -> Sequence[Configuration]:
    """Return the configurations before overrides, most trusted first; `_candidate` sets the epochs and the patience."""
    geometry = mild(facts.image_shape)
    light = replace(geometry, brightness=0.25, contrast=0.25, saturation=0.25 if len(facts.image_shape) == 3 else 0.0)
    base = Configuration(
        hidden=(256, 128),
        activation="relu",
        initializer="he",
        optimizer=AdamW(learning_rate=0.003, weight_decay=0.01),
        schedule=OneCycle(),
        update_order="together",
        epochs=most_epochs(facts),
        batch_size=64 if facts.samples < 10_000 else 128,
        seed=0,
        dtype="float32",
        standardize=True,
        dropout=0.3,
        label_smoothing=0.05,
        augmentation=geometry,
    )
    if overrides.get("convolutions") != []:
        base = convolutional(base, facts)
    if base.convolutions:
        wide = tuple(replace(block, kernel_size=block.kernel_size + 2) for block in base.convolutions)
        other = replace(base, convolutions=wide)
    else:
        other = replace(base, hidden=(512, 256))
    return [
        base,
        replace(base, augmentation=light),
        replace(base, augmentation=replace(geometry, flip=True)),
        other,
        replace(base, optimizer=AdamW(learning_rate=0.001, weight_decay=0.01)),
        replace(base, augmentation=None),
    ]


def convolutional(base: Configuration, facts: Facts) -> Configuration:
    """Return the configuration with the largest convolutional network that the bound allows to train enough.

    It stays dense if the images are too small for convolutions, or too large.
    """
    found = base
    for filters in FILTERS:
        configuration = replace(base, hidden=(128,), convolutions=blocks(facts.image_shape, filters))
        try:
            epochs = _affordable_epochs(configuration, facts)
        except ConfigurationError:  # a network for very large images stores too much for each
            continue
        found = configuration
        if epochs >= ENOUGH_EPOCHS and epochs >= min(most_epochs(facts), ENOUGH_IMAGES / facts.samples):
            break
    return found if found.convolutions else base


def most_epochs(facts: Facts) -> int:
    """Return the most epochs that a training on the data can need."""
    fewest, most = MOST_EPOCHS
    return min(max(fewest, MOST_IMAGES // facts.samples), most)


def _affordable_epochs(configuration: Configuration, facts: Facts) -> int:
    """Return how many epochs the bound allows, at least `FEWEST_EPOCHS` and at most `most_epochs`."""
    most = most_epochs(facts)
    network = Network(facts.image_shape, facts.classes, replace(configuration, epochs=most))
    affordable = int(most * TRAINING / training_cost(network, facts.samples))
    return min(max(FEWEST_EPOCHS, affordable), most)


def blocks(image_shape: tuple[int, ...], filters: int) -> tuple[Block, ...]:
    """Return blocks that halve the image until about 4 pixels are left, none for an image of fewer than 4.

    filters: of the first block; the next blocks have twice and four times as many. The first block of a large image has
    strides that leave about 64 pixels.
    """
    side = min(image_shape[:2])
    if side < 4:
        return ()
    strides = min(max(1, round(side / 64)), 16)
    count = min(max(1, round(math.log2(side / strides / 4))), 4)
    first = Block(filters=filters, kernel_size=max(3, 2 * strides - 1), strides=strides, batch_norm=True, pool_size=2)
    others = (Block(filters=filters * min(2**number, 4), batch_norm=True, pool_size=2) for number in range(1, count))
    return (first, *others)


def mild(image_shape: tuple[int, ...]) -> Augmentation:
    """Return small changes of the geometry, which keep the class of any image that a person recognizes."""
    return Augmentation(shift=0.07 * min(image_shape[:2]), rotation=8, scale=0.1, border="edge")


def _candidate(base: Configuration, facts: Facts, overrides: Mapping[str, Any]) -> Network:
    """Return the network of the candidate with the overrides, its epochs and batch size fitted to the data."""
    if round(VALIDATION_FRACTION * facts.samples) >= FEWEST_VALIDATION:
        base = replace(base, validation_fraction=VALIDATION_FRACTION)
    configuration = overridden(base, overrides)
    if "epochs" not in overrides:
        configuration = replace(configuration, epochs=_affordable_epochs(configuration, facts))
    if "early_stopping" not in overrides and configuration.validation_fraction:
        patience = max(3, configuration.epochs // 2)
        configuration = replace(configuration, early_stopping=EarlyStopping(patience=patience))
    if "batch_size" not in overrides:
        configuration = fitted(configuration, facts.samples)
    configuration.check(facts.samples)
    return Network(facts.image_shape, facts.classes, configuration)
