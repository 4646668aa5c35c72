"""The linear baseline: softmax regression on the same images, whose accuracy a network has to exceed."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from shared.network.arrays import Array, Images, Labels
from shared.network.inference import BLOCK
from shared.network.network import Network
from shared.network.presets import preset
from shared.network.training.training import Training

STORED = 16_000_000
"""The largest number of pixel values that the baseline is trained on, 64 MB as float32; of more, it uses evenly spread
images."""

OPERATIONS = 6_000_000_000
"""The budget of the training, about 1 s: pixel values × epochs × (classes + 20), where 20 is the cost of reading a
value. It is counted and not measured, so that the bits do not depend on the machine's speed."""

EPOCHS = 50
"""The largest number of epochs. After 40, the accuracy on the built-in digits rises by less than a point."""

RATE = 5.0
"""The learning rate, times the number of pixel values in an image: if all of them are equal, as in a plain surface, the
curvature of the loss grows with their number. Twice this rate gains a fifth of a point on the built-in digits, and
overshoots on data sets of few images."""


class LinearBaseline(NamedTuple):
    """The accuracy of a linear model on the test images, and on the training images that it was trained on."""

    test_accuracy: float
    train_accuracy: float


def linear_baseline(
    x_train: Images, y_train: Labels, x_test: Images, y_test: Labels, classes: int, seed: int
) -> LinearBaseline:
    """Train a softmax regression on standardized images (N, H, W) or (N, H, W, channels); return its accuracies."""
    pixels = math.prod(x_train.shape[1:])
    count = min(len(x_train), max(1, STORED // pixels))
    sample = np.arange(count) * len(x_train) // count
    mean, deviation = _statistics(x_train[sample])
    budget = OPERATIONS // (count * pixels * (classes + 20))
    configuration = preset(
        "fast",
        hidden=[],
        optimizer={"name": "nesterov", "learning_rate": RATE / pixels, "momentum": 0.9},
        schedule={"name": "cosine"},
        epochs=max(1, min(EPOCHS, budget)),
        batch_size=min(128, count),
        seed=seed,
    )
    network = Network((pixels,), classes, configuration)
    training = Training(network, _standardized(x_train[sample], mean, deviation), y_train[sample])
    for _ in training:
        pass
    parameters = training.parameters

    def accuracy(x: Images, y: Labels) -> float:
        blocks = [slice(start, start + BLOCK) for start in range(0, len(x), BLOCK)]
        parts = [network.evaluate(parameters, _standardized(x[at], mean, deviation), y[at]) for at in blocks]
        return sum(parts[1:], start=parts[0]).accuracy

    return LinearBaseline(accuracy(x_test, y_test), accuracy(x_train[sample], y_train[sample]))


def _statistics(images: Images) -> tuple[Array, Array]:
    """Return the mean and the deviation of each channel, (channels,) each; of plain images, the deviation is 1."""
    values = _channels(images)
    deviation = values.std(axis=0, dtype=np.float64).astype(np.float32)
    return values.mean(axis=0, dtype=np.float64).astype(np.float32), np.where(deviation > 0, deviation, np.float32(1))


def _standardized(images: Images, mean: Array, deviation: Array) -> Array:
    """Return the rows (N, pixels) as float32 numbers of mean 0 and deviation 1."""
    values = _channels(images).astype(np.float32)
    values -= mean
    values /= deviation
    return values.reshape(len(images), -1)


def _channels(images: Images) -> Images:
    """Return the values (all pixels, channels)."""
    return images.reshape(-1, images.shape[3] if images.ndim == 4 else 1)
