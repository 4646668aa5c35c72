"""The measurements that a diagnosis rests on: a network after its training, its baselines, and its data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.network.arrays import Images, Labels, Parameters
from shared.network.assessment.copies import Copies, copies
from shared.network.assessment.intervals import Interval, wilson
from shared.network.assessment.linear import LinearBaseline, linear_baseline
from shared.network.configuration import Configuration
from shared.network.evaluation.evaluation import Evaluation
from shared.network.evaluation.reports import EpochReport
from shared.network.layers.checks import Check, no_check
from shared.network.layers.inputs import stratified
from shared.network.network import Network
from shared.network.training import random_state
from shared.network.training.training import Training

SAMPLE = 2000
"""The largest number of training images on which the finished network is evaluated; the interval of a share is then at
most ±2.2 points."""

FIRST = 256
"""The largest size of the mini-batch on which the initial loss is measured."""


class ColourEvidence(NamedTuple):
    """How many of the sampled images the mean colour alone classifies correctly, and the number of their classes."""

    correct: int
    images: int
    classes: int


@dataclass(frozen=True)
class Evidence:
    """The measurements. train: the finished network on a sample of its training images, as they are."""

    configuration: Configuration
    history: Sequence[EpochReport]

    initial_loss: float
    """The loss of the initial parameters on a mini-batch of the sample, in nats."""

    train: Evaluation
    test: Evaluation
    linear: LinearBaseline
    copies: Copies

    train_counts: npt.NDArray[np.int64]
    """(classes,): the number of training images of each class."""

    colour: ColourEvidence | None = None
    """If the data set dropped the colours of its images: how well they give the class."""

    @property
    def chance_loss(self) -> float:
        """The loss on the sample if each prediction is the classes' frequencies there, in nats: their entropy."""
        counts: list[int] = self.train.confusion.sum(axis=1).tolist()
        return -math.fsum(n / self.train.samples * math.log(n / self.train.samples) for n in counts if n)

    @property
    def steps(self) -> int:
        """The number of mini-batches of the training."""
        images = int(self.train_counts.sum())
        trained = images - self.configuration.validation_count(images)
        return len(self.history) * -(-trained // self.configuration.batch_size)

    @property
    def majority(self) -> tuple[int, float]:
        """The most frequent class of the test images, and its share of them: the accuracy of a constant prediction."""
        counts = self.test.confusion.sum(axis=1)
        return int(counts.argmax()), int(counts.max()) / self.test.samples

    @property
    def test_interval(self) -> Interval:
        """The 95 % interval of the test accuracy."""
        return wilson(int(self.test.confusion.trace()), self.test.samples)

    @property
    def train_interval(self) -> Interval:
        """The 95 % interval of the accuracy on the training images."""
        return wilson(int(self.train.confusion.trace()), self.train.samples)


def gather(
    network: Network,
    parameters: Parameters,
    history: Sequence[EpochReport],
    test: Evaluation,
    train_images: tuple[Images, Labels],
    test_images: tuple[Images, Labels],
    colour: ColourEvidence | None = None,
    check: Check = no_check,
) -> Evidence:
    """Measure a finished training of the network on the training images: (N, H, W) or (N, H, W, 3) with labels (N,).

    test: its evaluation on the test images. The same arguments give the same bits. check: called between the parts of
    each measurement.
    """
    configuration, (x, y) = network.configuration, train_images
    held_out = configuration.validation_count(len(y))
    used, _ = stratified(y, held_out, random_state.seeded(configuration.seed, random_state.SPLIT))
    count = min(SAMPLE, len(used))
    sample = used[np.arange(count) * len(used) // count]
    return Evidence(
        configuration=configuration,
        history=history,
        initial_loss=_initial_loss(network, x[sample], y[sample], check),
        train=network.evaluate(parameters, x[sample], y[sample], check),
        test=test,
        linear=linear_baseline(x, y, *test_images, network.classes, configuration.seed, check),
        copies=copies(x, test_images[0], check),
        train_counts=np.bincount(y, minlength=network.classes),
        colour=colour,
    )


def _initial_loss(network: Network, x: Images, y: Labels, check: Check) -> float:
    """Return the loss of the first step of a training on these images, which it measures before the update.

    A step normalizes with the statistics of its mini-batch; an evaluation would use those of a finished training.
    """
    configuration = replace(
        network.configuration,
        batch_size=min(FIRST, len(y)),
        validation_fraction=0.0,
        early_stopping=None,
        augmentation=None,
        dropout=0.0,
    )
    return next(Training(Network(network.image_shape, network.classes, configuration), x, y, check=check)).train_loss
