"""Everything that decides how a network is built and trained, in one frozen value that JSON can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from shared.network import validation
from shared.network.activations import ACTIVATIONS
from shared.network.errors import ConfigurationError
from shared.network.initializers import INITIALIZERS
from shared.network.optimizers import OPTIMIZERS, Optimizer
from shared.network.schedules import SCHEDULES, Schedule
from shared.network.settings import read

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
        self.schedule.check(self.epochs)

    def check(self, samples: int) -> None:
        """Refuse what cannot work with this many training images. Raises ConfigurationError."""
        if self.batch_size > samples:
            raise ConfigurationError("batch_size", f"must be at most the number of images, {samples}")

    def to_dict(self) -> dict[str, Any]:
        """Give every setting as a plain value, none left out, ready for JSON."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return values | {
            "hidden": list(self.hidden),
            "optimizer": self.optimizer.to_dict(),
            "schedule": self.schedule.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Configuration:
        """Read `to_dict`'s form. Raises ConfigurationError for a field that is unknown, missing or wrong."""
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise ConfigurationError(name, "is no setting of a network")
        for name in known:
            if name not in values:
                raise ConfigurationError(name, "is missing")
        return cls(**values)

    def _set(self, field: str, value: object) -> None:
        object.__setattr__(self, field, value)  # the one moment at which a frozen value is still being made


def _widths(field: str, value: object) -> tuple[int, ...]:
    if not isinstance(value, list | tuple):
        raise ConfigurationError(field, "must be a list of widths")
    return tuple(validation.integer(f"{field}.{i}", width, minimum=1) for i, width in enumerate(value))
