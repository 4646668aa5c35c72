"""The linear baseline: softmax regression on the same images, whose accuracy a network has to exceed."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from shared.network.arrays import Images, Labels
from shared.network.checks import Check, no_check
from shared.network.configuration import Configuration
from shared.network.network import Network
from shared.network.optimization.optimizers import Nesterov
from shared.network.optimization.schedules import Cosine
from shared.network.training.training import Training

STORED = 64_000_000
"""The largest number of pixel values that the baseline is trained on, 64 MB as bytes; of more, it uses evenly spread
images."""

OPERATIONS = 6_000_000_000
"""The budget of the training, about 1 s: pixel values × epochs × (classes + 20), where 20 is the cost of reading a
value. It is counted and not measured, so that the bits do not depend on the machine's speed."""

EPOCHS = 50
"""The largest number of epochs. After 40, the accuracy on the built-in digits rises by less than a point."""

RATE = 5.0
"""The learning rate for up to 10 classes, times the number of pixel values in an image: if all of them are equal, as in
a plain surface, the curvature of the loss grows with their number. It falls with the number of classes, so that the
rate grows with it. Twice this rate gains a fifth of a point on the built-in digits, and overshoots on 24 images."""


class LinearBaseline(NamedTuple):
    """The accuracy of a linear model on the test images, and on the training images that it was trained on."""

    test_accuracy: float
    train_accuracy: float


def linear_baseline(
    x_train: Images,
    y_train: Labels,
    x_test: Images,
    y_test: Labels,
    classes: int,
    seed: int,
    check: Check = no_check,
) -> LinearBaseline:
    """Train a softmax regression on standardized images (N, H, W) or (N, H, W, channels); return its accuracies.

    check: called after each mini-batch, and for each block of images.
    """
    values = math.prod(x_train.shape[1:])
    count = min(len(x_train), max(1, STORED // values))
    sample = np.arange(count) * len(x_train) // count
    configuration = Configuration(
        hidden=(),
        activation="relu",
        initializer="glorot",
        optimizer=Nesterov(learning_rate=RATE * max(1, classes / 10) / values, momentum=0.9),
        schedule=Cosine(),
        update_order="together",
        epochs=max(1, min(EPOCHS, OPERATIONS // (count * values * (classes + 20)))),
        batch_size=min(128, count),
        seed=seed,
        dtype="float32",
        standardize=True,
    )
    network = Network(x_train.shape[1:], classes, configuration)
    training = Training(network, x_train[sample], y_train[sample], check=check)
    for _ in training:
        check()
    parameters = training.parameters
    return LinearBaseline(
        network.evaluate(parameters, x_test, y_test, check).accuracy,
        network.evaluate(parameters, x_train[sample], y_train[sample], check).accuracy,
    )
