"""The file of an evaluation's predictions: class, predicted class and confidence of each image.

`predictions.npz` has three arrays of one length, in the order of the images in their split: `label` and `predicted`,
indices of classes as uint8 or uint16, and `confidence`, float32. They are read in blocks, so that memory does not grow
with the number of images.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shared.network.evaluation.predictions import PredictionColumns
from shared.registry.stored import StoredArray, stored_arrays

PREDICTIONS = "predictions.npz"
BLOCK = 256 * 1024
"""Images that are read at once."""


def encode(predictions: PredictionColumns) -> bytes:
    """Return the content of the file; the same predictions give the same bytes."""
    content = io.BytesIO()
    np.savez(
        content,
        allow_pickle=False,
        label=predictions.label,
        predicted=predictions.predicted,
        confidence=predictions.confidence.astype("<f4"),
    )
    return content.getvalue()


@dataclass(frozen=True)
class StoredPredictions:
    """The predictions in a file. `classes` are the names of the classes that they have as indices."""

    classes: Sequence[str]
    arrays: Mapping[str, StoredArray]

    @classmethod
    def of(cls, path: Path, classes: Sequence[str]) -> Self:
        """Open a file."""
        return cls(classes, stored_arrays(path))

    def __len__(self) -> int:
        return self.arrays["label"].shape[0]

    def blocks(self) -> Iterator[tuple[int, PredictionColumns]]:
        """Iterate over the predictions in blocks of `BLOCK`, each with the index of its first image."""
        for start in range(0, len(self), BLOCK):
            yield start, self._range(start, min(start + BLOCK, len(self)))

    def at(self, indices: Sequence[int]) -> PredictionColumns:
        """Return the predictions for the images at a few indices."""
        rows = [self._range(index, index + 1) for index in indices]
        nothing = self._range(0, 0)
        return PredictionColumns(
            np.concatenate([nothing.label, *(row.label for row in rows)]),
            np.concatenate([nothing.predicted, *(row.predicted for row in rows)]),
            np.concatenate([nothing.confidence, *(row.confidence for row in rows)]),
        )

    def _range(self, start: int, stop: int) -> PredictionColumns:
        def part(name: str) -> NDArray[np.generic]:
            array = self.arrays[name]
            size = array.dtype.itemsize
            return np.frombuffer(array.read(start * size, (stop - start) * size), array.dtype.newbyteorder("<"))

        return PredictionColumns(part("label"), part("predicted"), part("confidence"))  # type: ignore[arg-type]
