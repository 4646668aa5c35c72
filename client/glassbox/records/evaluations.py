"""Evaluation of a version on the images of a split, and the history of its training."""

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
    """Metrics of a version on the images of a split: its own on the test images of its data set, or those of a job.

    accuracy_interval: the accuracy's 95 % confidence interval; None for versions of older releases. confusion_matrix:
    counts by true class (row) and predicted class (column). calibration: accuracy in bins of the predicted probability.
    history: an entry for each epoch; empty for a job. mistakes: the most confident errors.
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
    split: str = "test"
    accuracy_interval: tuple[float, ...] | None = None
