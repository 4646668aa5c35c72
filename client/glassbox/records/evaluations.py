"""How good a version of a model is, measured when its training ended, and how it became so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ClassEvaluation:
    """How a class fares: the share of right ones among what was taken for it, and of those found among its own."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Mistake:
    """A test image that was taken for another class: which, how probable that seemed, and a PNG of it as a data URI."""

    index: int
    label: str
    predicted: str
    confidence: float
    image: str


@dataclass(frozen=True)
class Evaluation:
    """What was measured on the data set's test images.

    confusion_matrix: row by row, how many images of a class were taken for which. calibration: in bins of the
    probability of the answer, how often it was right. history: one entry for each epoch. mistakes: those of which it
    was surest.
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
