"""The calibration of a network: confidence and accuracy of its predictions, in bins by probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import numpy.typing as npt

BINS = 15


class Bin(TypedDict):
    """The predictions whose probability is above `above` and at most `to`; the means of an empty bin are None."""

    above: float
    to: float
    count: int
    confidence: float | None
    accuracy: float | None


class CalibrationMeasures(TypedDict):
    """A calibration as plain values."""

    expected_error: float
    bins: list[Bin]


@dataclass(frozen=True, eq=False)
class Calibration:
    """Predictions in bins of equal width: bin b of B holds those with a probability in (b/B, (b+1)/B]."""

    counts: npt.NDArray[np.int64]
    """(bins,): the number of predictions in each bin."""

    confidences: npt.NDArray[np.float64]
    """(bins,): the sum of their probabilities."""

    correct: npt.NDArray[np.int64]
    """(bins,): the number of correct predictions."""

    @classmethod
    def of(cls, confidence: npt.NDArray[np.floating], is_correct: npt.NDArray[np.bool_]) -> Calibration:
        """Sort predictions with these probabilities (N,) into bins; `is_correct` (N,) marks the correct ones."""
        bins = np.clip(np.ceil(confidence.astype(np.float64) * BINS).astype(np.intp) - 1, 0, BINS - 1)
        return cls(
            np.bincount(bins, minlength=BINS),
            np.bincount(bins, weights=confidence, minlength=BINS).astype(np.float64),
            np.bincount(bins[is_correct], minlength=BINS),
        )

    def __add__(self, other: Calibration) -> Calibration:
        """Add the predictions of both."""
        return Calibration(
            self.counts + other.counts, self.confidences + other.confidences, self.correct + other.correct
        )

    @property
    def expected_error(self) -> float:
        """The expected calibration error: the gap between a bin's accuracy and mean probability, weighted by count.

        Guo et al. 2017, equation 3: Σ (n_b / N) |accuracy_b - confidence_b|.
        """
        return float(np.abs(self.correct - self.confidences).sum() / self.counts.sum())

    def to_dict(self) -> CalibrationMeasures:
        """Return the error and a reliability diagram's bars as plain values; the means of an empty bin are None."""
        bars = zip(self.counts.tolist(), self.confidences.tolist(), self.correct.tolist(), strict=True)
        bins = len(self.counts)
        return {
            "expected_error": self.expected_error,
            "bins": [
                {
                    "above": b / bins,
                    "to": (b + 1) / bins,
                    "count": count,
                    "confidence": confidence / count if count else None,
                    "accuracy": correct / count if count else None,
                }
                for b, (count, confidence, correct) in enumerate(bars)
            ],
        }
