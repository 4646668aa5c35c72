"""Everything that decides how a network is built and trained, in one frozen value that JSON can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

from shared.network import validation
from shared.network.activations import ACTIVATIONS
from shared.network.augmentation import Augmentation
from shared.network.early_stopping import EarlyStopping
from shared.network.errors import ConfigurationError
from shared.network.initializers import INITIALIZERS
from shared.network.optimizers import OPTIMIZERS, AdamW, Optimizer
from shared.network.schedules import SCHEDULES, Schedule
from shared.network.settings import read, read_optional

DTYPES = ("float32", "float64")
UPDATE_ORDERS = ("together", "layerwise")


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """A network's layers and the way they are trained; the data decide the input's shape and the classes.

    A value that cannot work raises ConfigurationError, which names the field.
    """

    hidden: tuple[int, ...]
    """The widths of the hidden layers, from the input's side. Empty: softmax regression."""

    activation: str
    """The function of every hidden layer, by its name in `activations`."""

    initializer: str
    """How weights and biases begin, by its name in `initializers`."""

    optimizer: Optimizer

    schedule: Schedule
    """How the learning rate changes from step to step."""

    update_order: str
    """"together": all layers' gradients first, then one update. "layerwise": from the last layer to the
    first, update the layer and propagate the error through its new weights, as the article does."""

    epochs: int

    batch_size: int

    seed: int
    """Where the one random generator starts, which draws the parameters and shuffles the images."""

    dtype: str

    # Whatever comes later is off unless it is set: the configurations of older models do not know it.

    weight_decay: float = 0.0
    """λ of the penalty λ/2 ‖W‖² on the weights (not on the biases), added to the loss: its gradient λ W goes through
    the optimizer. AdamW's own `optimizer.weight_decay` does not, and takes this one's place there."""

    dropout: float = 0.0
    """The probability with which each unit of a hidden layer is left out of a training step."""

    label_smoothing: float = 0.0
    """The share of each target that goes to all classes alike. Reported losses are of the labels themselves."""

    gradient_clip: float | None = None
    """The norm that the gradient of a mini-batch's loss is shortened to where it is longer."""

    augmentation: Augmentation | None = None
    """How each image is changed at random whenever it is trained on."""

    validation_fraction: float = 0.0
    """The share of the training images that is not trained on, but measured after each epoch: with each class in
    proportion, chosen by the seed."""

    early_stopping: EarlyStopping | None = None
    """When to stop before the last epoch; the training then gives the parameters that validated best."""

    def __post_init__(self) -> None:
        self._set("hidden", _widths("hidden", self.hidden))
        validation.choice("activation", self.activation, ACTIVATIONS)
        validation.choice("initializer", self.initializer, INITIALIZERS)
        self._set("optimizer", read("optimizer", OPTIMIZERS, self.optimizer))
        self._set("schedule", read("schedule", SCHEDULES, self.schedule))
        validation.choice("update_order", self.update_order, UPDATE_ORDERS)
        self._set("epochs", validation.integer("epochs", self.epochs, minimum=1))
        self._set("batch_size", validation.integer("batch_size", self.batch_size, minimum=1))
        self._set("seed", validation.integer("seed", self.seed, minimum=0, maximum=2**63 - 1))
        validation.choice("dtype", self.dtype, DTYPES)
        self._set("weight_decay", validation.number("weight_decay", self.weight_decay, minimum=0))
        for share in ("dropout", "label_smoothing", "validation_fraction"):
            self._set(share, validation.number(share, getattr(self, share), minimum=0, below=1))
        if self.gradient_clip is not None:
            self._set("gradient_clip", validation.number("gradient_clip", self.gradient_clip, above=0))
        self._set("augmentation", read_optional(Augmentation, self.augmentation))
        self._set("early_stopping", read_optional(EarlyStopping, self.early_stopping))
        self._check_combinations()

    def _check_combinations(self) -> None:
        self.schedule.check(self.epochs)
        if self.weight_decay and isinstance(self.optimizer, AdamW):
            raise ConfigurationError("weight_decay", "must be 0 with adamw, which has an optimizer.weight_decay")
        if self.gradient_clip is not None and self.update_order == "layerwise":
            raise ConfigurationError("gradient_clip", 'must be null with the update_order "layerwise"')
        if self.early_stopping and not self.validation_fraction:
            raise ConfigurationError("early_stopping", "needs a validation_fraction above 0")

    def check(self, samples: int) -> None:
        """Refuse what cannot work with this many training images. Raises ConfigurationError."""
        count = self.validation_count(samples)
        if self.validation_fraction and not count:
            raise ConfigurationError("validation_fraction", f"must leave an image of {samples} to validate on")
        if self.batch_size > samples - count:
            what = "images left to train on" if count else "images"
            raise ConfigurationError("batch_size", f"must be at most the number of {what}, {samples - count}")

    def validation_count(self, samples: int) -> int:
        """Say how many of so many training images are kept apart for validation."""
        return round(self.validation_fraction * samples)

    def to_dict(self) -> dict[str, Any]:
        """Give every setting as a plain value, none left out, ready for JSON."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return values | {
            "hidden": list(self.hidden),
            "optimizer": self.optimizer.to_dict(),
            "schedule": self.schedule.to_dict(),
            "augmentation": self.augmentation.to_dict() if self.augmentation else None,
            "early_stopping": self.early_stopping.to_dict() if self.early_stopping else None,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Configuration:
        """Read `to_dict`'s form, of another version too: a field that only one of the two knows is off.

        Raises ConfigurationError for a field that is unknown and not off, missing or wrong.
        """
        known = {field.name: field.default for field in fields(cls)}
        for name, value in values.items():
            if name not in known and value:
                raise ConfigurationError(name, "is no setting of a network")
        for name, default in known.items():
            if name not in values and default is MISSING:
                raise ConfigurationError(name, "is missing")
        return cls(**{name: value for name, value in values.items() if name in known})

    def _set(self, field: str, value: object) -> None:
        object.__setattr__(self, field, value)  # the one moment at which a frozen value is still being made


def _widths(field: str, value: object) -> tuple[int, ...]:
    if not isinstance(value, list | tuple):
        raise ConfigurationError(field, "must be a list of widths")
    return tuple(validation.integer(f"{field}.{i}", width, minimum=1) for i, width in enumerate(value))
