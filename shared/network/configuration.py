"""The configuration of a network and its training: an immutable value that converts to and from JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any

from shared.network.augmentation.ranges import Augmentation
from shared.network.convolutions.blocks import Block
from shared.network.errors import ConfigurationError
from shared.network.layers.activations import ACTIVATIONS
from shared.network.layers.initializers import INITIALIZERS
from shared.network.optimization.early_stopping import EarlyStopping
from shared.network.optimization.optimizers import OPTIMIZERS, AdamW, Optimizer
from shared.network.optimization.schedules import SCHEDULES, Schedule
from shared.network.settings.fields import Choice, Flag, Integer, Integers, JsonObject, Number, normalize
from shared.network.settings.groups import GroupList, NamedGroup, OptionalGroup

DTYPES = ("float32", "float64")
UPDATE_ORDERS = ("together", "layerwise")

PRESET_ONLY = ("update_order",)
"""Fields that only a preset sets. The request for a training may override every other field."""


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """A network's layers and the way they are trained. The data set determines the input's shape and the classes.

    An invalid value raises ConfigurationError, which names the field.
    """

    hidden: Annotated[
        tuple[int, ...],
        Integers("Units in each hidden layer, from input to output", minimum=1, longest=100),
    ]
    """Empty: softmax regression."""

    activation: Annotated[str, Choice("Activation function of the hidden layers", ACTIVATIONS)]

    initializer: Annotated[str, Choice("Initialization of weights and biases", INITIALIZERS)]

    optimizer: Annotated[Optimizer, NamedGroup("Optimizer", OPTIMIZERS)]

    schedule: Annotated[Schedule, NamedGroup("Learning-rate schedule", SCHEDULES)]

    update_order: Annotated[str, Choice("Order in which the layers are updated", UPDATE_ORDERS)]
    """"together": all layers' gradients first, then one update. "layerwise": from the last layer to the
    first, update the layer and propagate the error through its new weights, as the article does."""

    epochs: Annotated[int, Integer("Number of epochs", minimum=1, maximum=100_000)]

    batch_size: Annotated[int, Integer("Number of images in a mini-batch", minimum=1)]

    seed: Annotated[int, Integer("Random seed", minimum=0, maximum=2**63 - 1)]
    """It determines the initial parameters, the order of the images, dropout, augmentation and the validation split."""

    dtype: Annotated[str, Choice("Floating-point type of the computation", DTYPES)]

    # Fields added later are off by default: the configurations of older models do not have them.

    weight_decay: Annotated[float, Number("Weight decay (L2 penalty on the weights)", minimum=0)] = 0.0
    """λ of the penalty λ/2 ‖W‖² on the weights (not on the biases), added to the loss: its gradient λ W goes through
    the optimizer. It must be 0 with AdamW, whose `optimizer.weight_decay` is decoupled from the gradient."""

    dropout: Annotated[float, Number("Dropout rate of the hidden layers", minimum=0, below=1)] = 0.0
    """The probability with which a training step leaves out each unit of a hidden layer."""

    label_smoothing: Annotated[float, Number("Label smoothing, as a share of each target", minimum=0, below=1)] = 0.0
    """The share of each target that is spread over all classes. Reported losses use the labels without smoothing."""

    gradient_clip: Annotated[
        float | None, Number("Largest norm of a mini-batch's gradient", above=0, optional=True)
    ] = None
    """A longer gradient of a mini-batch's loss is scaled down to this norm."""

    augmentation: Annotated[
        Augmentation | None, OptionalGroup("Random augmentation of each training image", Augmentation)
    ] = None

    validation_fraction: Annotated[float, Number("Share of the training images for validation", minimum=0, below=1)] = (
        0.0
    )
    """These images are not trained on, but measured after each epoch. The split keeps the proportions of the classes,
    and the seed determines it. It must be 0 if the data set has a validation split, which is used instead."""

    early_stopping: Annotated[
        EarlyStopping | None, OptionalGroup("Early stopping on the validation loss", EarlyStopping)
    ] = None
    """The training then returns the parameters with the lowest validation loss."""

    convolutions: Annotated[
        tuple[Block, ...], GroupList("Convolutional blocks before the hidden layers", Block, longest=50)
    ] = ()
    """Empty: a network of dense layers. Otherwise `hidden` are the dense layers after the last block."""

    standardize: Annotated[
        bool, Flag("Whether to subtract each channel's mean from the input and divide it by the standard deviation")
    ] = False
    """Mean and deviation are those of the training images."""

    def __post_init__(self) -> None:
        normalize(self)
        self._check_combinations()

    def _check_combinations(self) -> None:
        self.schedule.check(self.epochs)
        if self.weight_decay and isinstance(self.optimizer, AdamW):
            raise ConfigurationError("weight_decay", "must be 0 with adamw, which has an optimizer.weight_decay")
        if self.gradient_clip is not None and self.update_order == "layerwise":
            raise ConfigurationError("gradient_clip", 'must be null with the update_order "layerwise"')
        if self.convolutions and self.update_order == "layerwise":
            raise ConfigurationError("convolutions", 'must be empty with the update_order "layerwise"')

    def check(self, samples: int, validation: int = 0) -> None:
        """Raise ConfigurationError if the configuration cannot work with this many training images.

        validation: the number of images in the data set's own validation split.
        """
        if validation and self.validation_fraction:
            raise ConfigurationError(
                "validation_fraction",
                f"must be 0, as the data set has a validation split: its {validation:,} images are used for validation",
            )
        if self.early_stopping and not self.validation_fraction and not validation:
            raise ConfigurationError(
                "early_stopping", "needs a validation_fraction above 0, as the data set has no validation split"
            )
        count = self.validation_count(samples)
        if self.validation_fraction and not count:
            raise ConfigurationError(
                "validation_fraction", f"must leave at least one of {samples} images for validation"
            )
        if self.batch_size > samples - count:
            what = "images left for training" if count else "images"
            raise ConfigurationError("batch_size", f"must be at most the number of {what}, {samples - count}")

    def validation_count(self, samples: int) -> int:
        """Return how many of this many training images are held out for validation."""
        return round(self.validation_fraction * samples)

    def to_dict(self) -> JsonObject:
        """Return every setting as a plain value, for JSON."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return values | {
            "hidden": list(self.hidden),
            "convolutions": [block.to_dict() for block in self.convolutions],
            "optimizer": self.optimizer.to_dict(),
            "schedule": self.schedule.to_dict(),
            "augmentation": self.augmentation.to_dict() if self.augmentation else None,
            "early_stopping": self.early_stopping.to_dict() if self.early_stopping else None,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Configuration:
        """Read the result of `to_dict`, also from another version: a field that only one of them has must be off.

        Raises ConfigurationError for a field that is missing or invalid, or that is unknown and not off.
        """
        known = {field.name: field.default for field in fields(cls)}
        for name, value in values.items():
            if name not in known and value:
                raise ConfigurationError(name, "is not a setting of a network")
        for name, default in known.items():
            if name not in values and default is MISSING:
                raise ConfigurationError(name, "is missing")
        return cls(**{name: value for name, value in values.items() if name in known})
