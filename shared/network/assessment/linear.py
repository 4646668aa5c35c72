"""The linear baseline: softmax regression on the same images, whose accuracy a network has to exceed."""

from __future__ import annotations

import math
from typing import NamedTuple, Self

import numpy as np

from shared.network.arrays import Images, Labels
from shared.network.configuration import Configuration
from shared.network.layers.checks import Check, no_check
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


VALUES, WEIGHTS = 100_000, 20_000_000
"""The largest number of pixel values in an image, and of the model's weights. Of larger images, the baseline uses every
second row and column, or every third, and so on: its memory is then a few hundred MB."""


class LinearPlan(NamedTuple):
    """The baseline's network, and the images that it is trained on.

    step: the distance of the rows, and of the columns, that it uses. values: the numbers of such an image. images: the
    number of training images.
    """

    network: Network
    step: int
    values: int
    images: int

    @classmethod
    def of(cls, image_shape: tuple[int, ...], classes: int, samples: int, seed: int = 0) -> Self:
        """Return the plan for images of this shape."""
        H, W, *channels = image_shape
        step = 1
        while (values := math.prod([-(-H // step), -(-W // step), *channels])) > min(VALUES, WEIGHTS // classes) and (
            step < max(H, W)
        ):
            step += 1
        count = min(samples, max(1, STORED // values))
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
        return cls(Network([-(-H // step), -(-W // step), *channels], classes, configuration), step, values, count)


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
    network, step, _, count = LinearPlan.of(x_train.shape[1:], classes, len(x_train), seed)
    x_train, x_test = x_train[:, ::step, ::step], x_test[:, ::step, ::step]
    sample = np.arange(count) * len(x_train) // count
    training = Training(network, x_train[sample], y_train[sample], check=check)
    for _ in training:
        check()
    parameters = training.parameters
    return LinearBaseline(
        network.evaluate(parameters, x_test, y_test, check).accuracy,
        network.evaluate(parameters, x_train[sample], y_train[sample], check).accuracy,
    )
