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
from shared.network.selection.costs import training_cost
from shared.network.selection.plan import FEWEST_VALIDATION
from shared.network.selection.presets import fitted, overridden

MODERATE, TRAINING = 4e12, 6e12
"""Estimated costs of a candidate's whole training: one that needs no smaller network, and the bound for every network.
On two cores they take about 30 s and a minute."""

FEWEST_EPOCHS, ENOUGH_EPOCHS = 5, 8
ENOUGH_IMAGES, MOST_IMAGES = 60_000, 120_000
"""Images times epochs. A network is too large if the bound allows fewer than enough, in epochs or in images. A small
data set is trained on for as many epochs as give the most images."""

MOST_EPOCHS = 30, 120
"""The most epochs of a large and of a small data set."""

FILTERS = (48, 24, 16, 8)
"""Filters of the first block, from the largest network to the smallest."""

WIDE_ENOUGH = 16
"""With fewer filters a network is too narrow to be chosen for its moderate cost."""

DEAREST = 1.5
"""How many times the cost of the first candidate another may have; the cost of a dearer one would shorten the race."""

VALIDATION_FRACTION = 0.1
"""Without a validation split of the data set. A training has no early stopping if fewer than FEWEST_VALIDATION images
are for validation: it would stop at random."""


@dataclass(frozen=True)
class Facts:
    """What is known about a data set before it is loaded.

    samples: the number of training images. validation: that of the data set's own validation split.
    """

    image_shape: tuple[int, ...]
    classes: int
    samples: int
    validation: int = 0

    def cost_of(self, network: Network) -> int:
        """Return the estimated cost of the network's whole training."""
        return training_cost(network, self.samples, self.validation)


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
        if found and facts.cost_of(network) > DEAREST * facts.cost_of(found[0]):
            continue
        if all(network.configuration != other.configuration for other in found):
            found.append(network)
    if not found:
        assert first_error is not None
        raise first_error
    return found


def _bases(facts: Facts, overrides: Mapping[str, Any]) -> Sequence[Configuration]:
    """Return the configurations before overrides, most trusted first; `_candidate` sets the epochs and the patience."""
    first = None if overrides.get("convolutions") == [] else convolutional(facts)
    if first is not None:
        other = replace(first, convolutions=tuple(map(with_larger_kernels, first.convolutions)))
    else:
        first = dense(facts)
        other = replace(first, hidden=(512, 256))
    rate = first.optimizer.learning_rate
    geometry = mild(facts.image_shape)
    light = replace(geometry, brightness=0.25, contrast=0.25, saturation=0.25 if len(facts.image_shape) == 3 else 0.0)
    return [
        first,
        replace(first, augmentation=light),
        replace(first, augmentation=replace(geometry, flip=True)),
        other,
        replace(first, optimizer=replace(first.optimizer, learning_rate=rate / 3)),
        replace(first, augmentation=None),
    ]


def dense(facts: Facts) -> Configuration:
    """Return the configuration of a dense network."""
    return Configuration(
        hidden=(256, 128),
        activation="relu",
        initializer="he",
        optimizer=AdamW(learning_rate=0.003, weight_decay=0.01),
        schedule=OneCycle(),
        update_order="together",
        epochs=most_epochs(facts),
        batch_size=32 if facts.samples < 1_000 else 64 if facts.samples < 10_000 else 128,
        seed=0,
        dtype="float32",
        standardize=True,
        dropout=0.2,
        label_smoothing=0.05,
        augmentation=mild(facts.image_shape),
    )


def convolutional(facts: Facts) -> Configuration | None:
    """Return the configuration with a convolutional network, None if the images are too small for it, or too large.

    It is the largest one whose longest training has a moderate cost. If all cost more, it is the largest one that the
    bound allows to train enough. It has no hidden layers, because with these and their dropout it learns later.
    """
    base = replace(dense(facts), hidden=(), dropout=0.0, optimizer=AdamW(learning_rate=0.01, weight_decay=0.01))
    networks = []
    for filters in FILTERS:
        convolutions = blocks(facts.image_shape, filters)
        try:
            networks.append(Network(facts.image_shape, facts.classes, replace(base, convolutions=convolutions)))
        except ConfigurationError:  # a network for very large images stores too much for each
            continue
        if not convolutions:
            return None
    wide = [network for network in networks if network.configuration.convolutions[0].filters >= WIDE_ENOUGH]
    moderate = [network for network in wide if facts.cost_of(network) <= MODERATE]
    enough = max(ENOUGH_EPOCHS, min(most_epochs(facts), ENOUGH_IMAGES / facts.samples))
    possible = [network for network in networks if _affordable_epochs(network, facts) >= enough]
    chosen = [*moderate[:1], *possible[:1], *networks[-1:]]
    return chosen[0].configuration if chosen else None


def most_epochs(facts: Facts) -> int:
    """Return the most epochs that a training on the data can need."""
    fewest, most = MOST_EPOCHS
    return min(max(fewest, MOST_IMAGES // facts.samples), most)


def _affordable_epochs(network: Network, facts: Facts) -> int:
    """Return how many epochs the bound allows, at least `FEWEST_EPOCHS` and at most `most_epochs`."""
    each = facts.cost_of(network) / network.configuration.epochs
    return min(max(FEWEST_EPOCHS, int(TRAINING / each)), most_epochs(facts))


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


def with_larger_kernels(block: Block) -> Block:
    """Return the block with kernels that reach one pixel further, and fewer filters, at about the same cost."""
    return replace(block, kernel_size=block.kernel_size + 2, filters=max(1, block.filters * 2 // 3))


def mild(image_shape: tuple[int, ...]) -> Augmentation:
    """Return small changes of the geometry, which keep the class of any image that a person recognizes."""
    return Augmentation(shift=round(0.07 * min(image_shape[:2]), 2), rotation=8, scale=0.1, border="edge")


def _candidate(base: Configuration, facts: Facts, overrides: Mapping[str, Any]) -> Network:
    """Return the network of the candidate with the overrides, its epochs and batch size fitted to the data."""
    if not facts.validation and round(VALIDATION_FRACTION * facts.samples) >= FEWEST_VALIDATION:
        base = replace(base, validation_fraction=VALIDATION_FRACTION)
    configuration = overridden(base, overrides)
    if "epochs" not in overrides:
        network = Network(facts.image_shape, facts.classes, configuration)
        configuration = replace(configuration, epochs=_affordable_epochs(network, facts))
    measured = configuration.validation_fraction > 0 or facts.validation >= FEWEST_VALIDATION
    if "early_stopping" not in overrides and measured:
        patience = max(3, configuration.epochs // 2)
        configuration = replace(configuration, early_stopping=EarlyStopping(patience=patience))
    if "batch_size" not in overrides:
        configuration = fitted(configuration, facts.samples)
    configuration.check(facts.samples, facts.validation)
    return Network(facts.image_shape, facts.classes, configuration)
