"""The most confident errors of a network: images that are hard to classify, or that have wrong labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shared.network.evaluation.predictions import PredictionColumns


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


def most_confident_errors(predictions: PredictionColumns, count: int) -> list[Mistake]:
    """Return at most `count` mistakes, by descending confidence and, for equal confidence, by ascending index."""
    wrong = np.flatnonzero(~predictions.is_right)
    chosen = wrong[np.argsort(-predictions.confidence[wrong], kind="stable")[:count]]
    columns = (predictions.label, predictions.predicted, predictions.confidence)
    values = (column[chosen].tolist() for column in columns)
    return [Mistake(*each) for each in zip(chosen.tolist(), *values, strict=True)]
