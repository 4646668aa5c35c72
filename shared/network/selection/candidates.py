"""The candidates of the preset `auto`: a handful of configurations, built from facts about the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from shared.network.augmentation.ranges import Augmentation
from shared.network.configuration import Configuration
from shared.network.errors import ConfigurationError
from shared.network.network import Network
from shared.network.optimization.early_stopping import EarlyStopping
from shared.network.optimization.optimizers import AdamW
from shared.network.optimization.schedules import OneCycle
from shared.network.presets import fitted, overridden
from shared.network.selection.costs import training_cost

TRAINING = 2e12
"""The estimated multiply-adds of a candidate's whole training: about a minute on two cores."""

FEWEST_EPOCHS, MOST_EPOCHS = 4, 60

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

    A candidate that the overrides make equal to an earlier one, or invalid, is dropped. Raises ConfigurationError if
    all are invalid.
    """
    found: list[Network] = []
    first_error = None
    for base in _bases(facts):
        try:
            network = _candidate(base, facts, overrides)
        except ConfigurationError as error:
            first_error = first_error or error
            continue
        if all(network.configuration != other.configuration for other in found):
            found.append(network)
    if not found:
        assert first_error is not None
        raise first_error
    return found


def _bases(facts: Facts) -> Sequence[Configuration]:
    """Return the configurations before overrides; `_candidate` sets the epochs and the patience."""
    base = Configuration(
        hidden=(256, 128),
        activation="relu",
        initializer="he",
        optimizer=AdamW(learning_rate=0.003, weight_decay=0.01),
        schedule=OneCycle(),
        update_order="together",
        epochs=MOST_EPOCHS,
        batch_size=32 if facts.samples < 2_000 else 64 if facts.samples < 20_000 else 128,
        seed=0,
        dtype="float32",
        label_smoothing=0.05,
    )
    mild = Augmentation(shift=0.07 * min(facts.image_shape[:2]), rotation=8, scale=0.1)
    slow, fast = (AdamW(learning_rate=rate, weight_decay=0.01) for rate in (0.001, 0.01))
    return [
        base,
        replace(base, optimizer=slow),
        replace(base, optimizer=fast),
        replace(base, augmentation=mild),
        replace(base, dropout=0.3),
        replace(base, hidden=(512, 256), dropout=0.3, augmentation=mild),
    ]


def _candidate(base: Configuration, facts: Facts, overrides: Mapping[str, Any]) -> Network:
    """Return the network of the candidate with the overrides, its epochs and batch size fitted to the data."""
    if round(VALIDATION_FRACTION * facts.samples) >= FEWEST_VALIDATION:
        base = replace(base, validation_fraction=VALIDATION_FRACTION)
    configuration = overridden(base, overrides)
    if "epochs" not in overrides:
        one = Network(facts.image_shape, facts.classes, replace(configuration, epochs=MOST_EPOCHS))
        affordable = int(MOST_EPOCHS * TRAINING / training_cost(one, facts.samples))
        configuration = replace(configuration, epochs=min(max(FEWEST_EPOCHS, affordable), MOST_EPOCHS))
    if "early_stopping" not in overrides and configuration.validation_fraction:
        patience = max(3, configuration.epochs // 2)
        configuration = replace(configuration, early_stopping=EarlyStopping(patience=patience))
    if "batch_size" not in overrides:
        configuration = fitted(configuration, facts.samples)
    configuration.check(facts.samples)
    return Network(facts.image_shape, facts.classes, configuration)
