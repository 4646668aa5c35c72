"""The evaluation of a network on labelled images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from shared.network.arrays import Array, Labels
from shared.network.evaluation.calibration import Calibration, CalibrationMeasures
from shared.network.layers.softmax import cross_entropy

TOP = (1, 2, 3, 5)
"""The k of the top-k accuracies in JSON, up to the number of classes."""


class ClassMeasures(TypedDict):
    """One class's measures; `support` is the number of its images."""

    precision: float
    recall: float
    f1: float
    support: int


class Measures(TypedDict):
    """An evaluation as plain values; `top` has the top-k accuracies by k."""

    samples: int
    loss: float
    accuracy: float
    top: dict[str, float]
    classes: list[ClassMeasures]
    confusion: list[list[int]]
    calibration: CalibrationMeasures


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Measures over a set of labelled images; the sum of two evaluations covers both sets."""

    samples: int

    loss: float
    """The mean cross-entropy, in nats."""

    confusion: npt.NDArray[np.int64]
    """(classes, classes): the number of images of the row's class with the column's class as prediction."""

    ranks: npt.NDArray[np.int64]
    """(classes,): the number of images whose true class has rank 0, 1, 2, … by probability."""

    calibration: Calibration

    @classmethod
    def of(cls, P: Array, y: Labels) -> Evaluation:
        """Measure the probabilities P (N, classes), N ≥ 1, against the labels y (N,)."""
        samples, classes = P.shape
        predictions = P.argmax(axis=1)
        confusion = np.bincount(y * classes + predictions, minlength=classes**2).reshape(classes, classes)
        # `argmax` returns the first of equal values, so classes of equal probability before the true one rank above it.
        p = P[np.arange(samples), y][:, np.newaxis]  # (N, 1)
        above = (p < P).sum(axis=1) + ((p == P) & (np.arange(classes) < y[:, np.newaxis])).sum(axis=1)
        return cls(
            samples,
            cross_entropy(P, y) / samples,
            confusion,
            np.bincount(above, minlength=classes),
            Calibration.of(P.max(axis=1), predictions == y),
        )

    def __add__(self, other: Evaluation) -> Evaluation:
        """Combine the measures of both sets of images."""
        samples = self.samples + other.samples
        return Evaluation(
            samples,
            (self.loss * self.samples + other.loss * other.samples) / samples,
            self.confusion + other.confusion,
            self.ranks + other.ranks,
            self.calibration + other.calibration,
        )

    @property
    def accuracy(self) -> float:
        """The share of correctly classified images."""
        return int(self.confusion.trace()) / self.samples

    def top(self, k: int) -> float:
        """Return the share of images whose true class is among the k most probable ones."""
        return int(self.ranks[:k].sum()) / self.samples

    @property
    def precision(self) -> npt.NDArray[np.float64]:
        """(classes,): the share of a class's predictions that are correct; 0 for a class without predictions."""
        return _shares(self.confusion.diagonal(), self.confusion.sum(axis=0))

    @property
    def recall(self) -> npt.NDArray[np.float64]:
        """(classes,): the share of a class's images that are classified correctly; 0 for a class without images."""
        return _shares(self.confusion.diagonal(), self.confusion.sum(axis=1))

    @property
    def f1(self) -> npt.NDArray[np.float64]:
        """(classes,): the harmonic mean of precision and recall; 0 for a class without images and predictions."""
        return _shares(2 * self.confusion.diagonal(), self.confusion.sum(axis=0) + self.confusion.sum(axis=1))

    def to_dict(self) -> Measures:
        """Return all measures as plain values, for JSON."""
        support = self.confusion.sum(axis=1)
        columns = (self.precision, self.recall, self.f1, support)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return {
            "samples": self.samples,
            "loss": self.loss,
            "accuracy": self.accuracy,
            "top": {str(k): self.top(k) for k in TOP if k <= len(self.ranks)},
            "classes": [
                {"precision": precision, "recall": recall, "f1": f1, "support": count}
                for precision, recall, f1, count in rows
            ],
            "confusion": self.confusion.tolist(),
            "calibration": self.calibration.to_dict(),
        }


def _shares(parts: npt.NDArray[np.int64], wholes: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    shares = np.zeros(len(wholes))
    np.divide(parts, wholes, out=shares, where=wholes > 0)
    return shares
