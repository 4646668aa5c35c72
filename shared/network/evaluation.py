"""How well a network does on images whose classes are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Measures over a set of labelled images."""

    samples: int

    loss: float
    """The mean cross-entropy, in nats."""

    confusion: npt.NDArray[np.int64]
    """(classes, classes): how many images of the row's class were taken for the column's."""

    @property
    def accuracy(self) -> float:
        """The share of images whose most probable class is the right one."""
        return int(self.confusion.trace()) / self.samples

    def to_dict(self) -> dict[str, Any]:
        """Give all measures as plain values, ready for JSON."""
        return {
            "samples": self.samples,
            "loss": self.loss,
            "accuracy": self.accuracy,
            "confusion": self.confusion.tolist(),
        }
