"""Evaluation of a version on its data set's test images, and the history of its training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ClassEvaluation:
    """Metrics of a class. support: the number of its test images."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Mistake:
    """A misclassified test image. confidence: probability of the predicted class. image: PNG as a data URI."""

    index: int
    label: str
    predicted: str
    confidence: float
    image: str


@dataclass(frozen=True)
class Evaluation:
    """Metrics of a version on the test images.

    confusion_matrix: counts by true class (row) and predicted class (column). calibration: accuracy in bins of the
    predicted probability. history: an entry for each epoch. mistakes: the most confident errors.
    """

    model: str
    version: int
    dataset: str
    samples: int
    loss: float
    accuracy: float
    top_accuracy: dict[str, float]
    classes: tuple[ClassEvaluation, ...]
    confusion_matrix: tuple[tuple[int, ...], ...]
    calibration: dict[str, Any]
    history: tuple[dict[str, Any], ...]
    mistakes: tuple[Mistake, ...] = ()
