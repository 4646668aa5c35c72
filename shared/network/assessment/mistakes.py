"""The most confident errors of a network: images that are hard to classify, or that have wrong labels."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import nlargest

import numpy as np

from shared.network.arrays import Images, Labels, Parameters
from shared.network.inference import BLOCK
from shared.network.layers.checks import Check, no_check
from shared.network.network import Network


@dataclass(frozen=True)
class Mistake:
    """One misclassified image."""

    index: int
    """The image's index."""

    label: int
    """The image's class."""

    predicted: int
    """The predicted class."""

    confidence: float
    """The probability of the predicted class."""


def most_confident_errors(
    network: Network,
    parameters: Parameters,
    images: Images,
    labels: Labels,
    count: int,
    check: Check = no_check,
) -> list[Mistake]:
    """Return at most `count` mistakes, by descending confidence and, for equal confidence, by ascending index.

    It processes the images in blocks, so memory does not grow with the number of images.
    check: called after each block.
    """
    most_confident: list[Mistake] = []
    for start in range(0, len(images), BLOCK):
        P = network.probabilities(parameters, images[start : start + BLOCK], check)
        y = labels[start : start + BLOCK]
        predictions = P.argmax(axis=1)
        wrong = np.flatnonzero(predictions != y)
        found = (
            Mistake(start + i, int(y[i]), int(predictions[i]), float(P[i, predictions[i]])) for i in wrong.tolist()
        )
        most_confident = nlargest(
            count, [*most_confident, *found], key=lambda mistake: (mistake.confidence, -mistake.index)
        )
    return most_confident
