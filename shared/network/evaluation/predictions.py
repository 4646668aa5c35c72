"""The predictions for labelled images as columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.network.arrays import Array, Labels


@dataclass(frozen=True, eq=False)
class PredictionColumns:
    """The classes of N images, in their order, and what a network predicts for them."""

    label: npt.NDArray[np.unsignedinteger]
    """(N,): the index of each image's class."""

    predicted: npt.NDArray[np.unsignedinteger]
    """(N,): the index of the predicted class."""

    confidence: Array
    """(N,): the probability of the predicted class."""

    @classmethod
    def empty(cls, samples: int, classes: int, dtype: npt.DTypeLike) -> PredictionColumns:
        """Return columns for `write`. Indices of at most 256 classes take one byte. dtype: of the probabilities."""
        index = np.min_scalar_type(max(classes - 1, 0))
        return cls(np.empty(samples, index), np.empty(samples, index), np.empty(samples, dtype))

    def write(self, block: slice, P: Array, y: Labels) -> None:
        """Set the images of a block from their probabilities P (n, classes) and labels y (n,)."""
        predicted = P.argmax(axis=1)
        self.label[block], self.predicted[block] = y, predicted
        self.confidence[block] = P[np.arange(len(P)), predicted]

    @property
    def is_right(self) -> npt.NDArray[np.bool_]:
        """(N,): whether the prediction is the image's class."""
        is_right: npt.NDArray[np.bool_] = self.label == self.predicted
        return is_right

    def __len__(self) -> int:
        return len(self.label)
