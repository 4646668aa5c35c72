"""Options of trainings, batches and evaluations, by their names in the API.

Generated from the API's requests by `make options`, and compared with them by a test. To change an option, change the
API's request, and generate this file again.
"""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple, TypedDict

Preset = Literal["auto", "fast", "accurate", "article"]
Priority = Literal["interactive", "batch"]
Invert = Literal["never", "always", "auto"]
SinkFormat = Literal["jsonl", "csv", "parquet"]
Split = Literal["train", "validation", "test"]


class TrainingOptions(TypedDict, total=False):
    """A training. Each setting replaces the preset's."""

    preset: Preset
    like: str | None
    promote: str | None
    webhook: str | None
    timeout_seconds: float | None
    priority: Priority
    labels: dict[str, str]
    hidden: list[int]
    activation: str
    initializer: str
    optimizer: dict[str, Any]
    schedule: dict[str, Any]
    epochs: int
    batch_size: int
    seed: int
    dtype: str
    weight_decay: float
    dropout: float
    label_smoothing: float
    gradient_clip: float | None
    augmentation: dict[str, Any] | None
    validation_fraction: float
    early_stopping: dict[str, Any] | None
    convolutions: list[dict[str, Any]]
    standardize: bool


class BatchOptions(TypedDict, total=False):
    """A batch."""

    top_k: int
    invert: Invert
    error_threshold: float
    webhook: str | None
    timeout_seconds: float | None
    sink: str | None
    sink_format: SinkFormat
    priority: Priority


class EvaluationOptions(TypedDict, total=False):
    """An evaluation."""

    split: Split
    webhook: str | None
    timeout_seconds: float | None
    priority: Priority
    labels: dict[str, str]


class Option(NamedTuple):
    """The description of an option, its values in words, and bounds that the command checks."""

    description: str
    values: str = ""
    default: str | None = None
    minimum: int | None = None
    maximum: int | None = None


TRAINING: Final = {
    "model": Option("Name of the model that gets the new version"),
    "dataset": Option("Data set: its id or name; `digits`, `mnist` and `fashion-mnist` are built in"),
    "preset": Option("Preset; fast if only settings are given", values="auto, fast, accurate, article", default="auto"),
    "like": Option("Version whose settings are used in place of a preset's, such as `digits@champion` or `digits@3`"),
    "promote": Option("Alias that is moved to the new version"),
    "webhook": Option("URL that receives a signed POST when the job ends (Standard Webhooks)"),
    "timeout_seconds": Option("Time limit of the job in seconds", values="at most 31536000, greater than 0, or null"),
    "priority": Option(
        "Priority: interactive jobs start before those of batch", values="interactive, batch", default="batch"
    ),
    "labels": Option("Labels: texts by name that are kept with the job, at most 8 KiB together", values="at most 64"),
    "hidden": Option("Units in each hidden layer, from input to output", values="at most 100 numbers"),
    "activation": Option(
        "Activation function of the hidden layers", values="sigmoid, tanh, relu, leaky_relu, gelu, identity"
    ),
    "initializer": Option("Initialization of weights and biases", values="uniform, glorot, he"),
    "optimizer.name": Option("Name of the optimizer", values="sgd, momentum, nesterov, rmsprop, adam, adamw"),
    "optimizer.learning_rate": Option("Learning rate", values="greater than 0"),
    "optimizer.momentum": Option("Momentum (momentum, nesterov)", values="at least 0, less than 1"),
    "optimizer.decay": Option("Decay rate of the mean square (rmsprop)", values="at least 0, less than 1"),
    "optimizer.epsilon": Option(
        "Term that keeps the denominator above 0 (rmsprop, adam, adamw)", values="greater than 0"
    ),
    "optimizer.beta1": Option("Decay rate of the first moment (adam, adamw)", values="at least 0, less than 1"),
    "optimizer.beta2": Option("Decay rate of the second moment (adam, adamw)", values="at least 0, less than 1"),
    "optimizer.weight_decay": Option("Decoupled weight decay (adamw)", values="at least 0"),
    "schedule.name": Option(
        "Name of the learning-rate schedule", values="constant, step, exponential, cosine, one_cycle"
    ),
    "schedule.warmup": Option("Share of the training with a linear warm-up", values="at least 0, less than 1"),
    "schedule.every": Option("Epochs from one drop to the next (step)", values="greater than 0"),
    "schedule.decay": Option(
        "Factor on the learning rate at each drop or epoch (step, exponential)", values="greater than 0"
    ),
    "schedule.final": Option(
        "Last learning rate, as a share of the optimizer's (cosine, one_cycle)", values="at least 0"
    ),
    "schedule.rise": Option(
        "Share of the training in which the rate rises (one_cycle)", values="greater than 0, less than 1"
    ),
    "schedule.start": Option("First learning rate, as a share of the optimizer's (one_cycle)", values="at least 0"),
    "epochs": Option("Number of epochs", values="at least 1, at most 100000", minimum=1, maximum=100000),
    "batch_size": Option("Number of images in a mini-batch", values="at least 1", minimum=1),
    "seed": Option(
        "Random seed", values="at least 0, at most 9223372036854775807", minimum=0, maximum=9223372036854775807
    ),
    "dtype": Option("Floating-point type of the computation", values="float32, float64"),
    "weight_decay": Option("Weight decay (L2 penalty on the weights)", values="at least 0"),
    "dropout": Option("Dropout rate of the hidden layers", values="at least 0, less than 1"),
    "label_smoothing": Option("Label smoothing, as a share of each target", values="at least 0, less than 1"),
    "gradient_clip": Option("Largest norm of a mini-batch's gradient", values="greater than 0, or null"),
    "augmentation": Option("Random augmentation of each training image", values="the settings below, or null"),
    "augmentation.shift": Option("Largest shift in pixels", values="at least 0, less than 1000"),
    "augmentation.rotation": Option("Largest rotation in degrees", values="at least 0, less than 360"),
    "augmentation.scale": Option("Largest change of width and of height, as a share", values="at least 0, less than 1"),
    "augmentation.shear": Option("Largest shear in pixels per row", values="at least 0, less than 10"),
    "augmentation.elastic": Option("Strength of elastic deformations", values="at least 0, less than 100000"),
    "augmentation.smoothness": Option(
        "Smoothness of elastic deformations in pixels", values="greater than 0, less than 1000"
    ),
    "augmentation.border": Option("Pixels from outside an image: black, or those at its edge", values="black, edge"),
    "augmentation.flip": Option("Horizontal flip of every second image on average", values="true, false"),
    "augmentation.brightness": Option("Largest change of the brightness, as a share", values="at least 0, less than 1"),
    "augmentation.contrast": Option("Largest change of the contrast, as a share", values="at least 0, less than 1"),
    "augmentation.saturation": Option(
        "Largest change of the saturation, as a share (colour images)", values="at least 0, less than 1"
    ),
    "augmentation.hue": Option(
        "Largest change of the hue, as a share of the colour circle (colour images)", values="at least 0, less than 1"
    ),
    "augmentation.cutout": Option(
        "Side of a square that is hidden, as a share of the image's shorter side", values="at least 0, less than 1"
    ),
    "validation_fraction": Option("Share of the training images for validation", values="at least 0, less than 1"),
    "early_stopping": Option("Early stopping on the validation loss", values="the settings below, or null"),
    "early_stopping.patience": Option(
        "Epochs without a lower validation loss before training stops", values="at least 1", minimum=1
    ),
    "convolutions": Option(
        "Convolutional blocks before the hidden layers",
        values="at most 50 objects with filters, kernel_size, strides, padding, batch_norm, pool_size",
    ),
    "standardize": Option(
        "Whether to subtract each channel's mean from the input and divide it by the standard deviation",
        values="true, false",
    ),
}
"""All options of a training; a dot leads to a setting in a group."""
