"""The mistakes of which a network is surest: what it has learnt wrongly, or what is labelled wrongly."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import nlargest

import numpy as np

from shared.network.arrays import Images, Labels, Parameters
from shared.network.network import BLOCK, Network


@dataclass(frozen=True)
class Mistake:
    """One image that was taken for another class than its own."""

    index: int
    """Which of the images it is."""

    label: int
    """Its class."""

    predicted: int
    """The class that it was taken for."""

    confidence: float
    """The probability that the network gave to that."""


def surest_mistakes(
    network: Network, parameters: Parameters, images: Images, labels: Labels, count: int
) -> list[Mistake]:
    """At most `count` mistakes among the images, the surest first; of equally sure ones, those that come first.

    It goes by blocks, so memory does not grow with the number of images.
    """
    most_confident: list[Mistake] = []
    for start in range(0, len(images), BLOCK):
        P = network.probabilities(parameters, images[start : start + BLOCK])
        y = labels[start : start + BLOCK]
        answers = P.argmax(axis=1)
        wrong = np.flatnonzero(answers != y)
        found = (Mistake(start + i, int(y[i]), int(answers[i]), float(P[i, answers[i]])) for i in wrong.tolist())
        most_confident = nlargest(
            count, [*most_confident, *found], key=lambda mistake: (mistake.confidence, -mistake.index)
        )
    return most_confident
