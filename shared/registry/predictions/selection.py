"""Pages of an evaluation's predictions, filtered and ordered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shared.network.evaluation.predictions import PredictionColumns
from shared.registry.predictions.stored import StoredPredictions

Order = Literal["index", "least_confident", "most_confident"]
Mask = NDArray[np.bool_]
INDEX = np.uint64(2**32 - 1)
"""The bits of a key that are the image's index."""


@dataclass(frozen=True)
class PredictionFilter:
    """The predictions for images of this class, as this class, right or wrong, in this range of confidence.

    label, predicted: indices of classes. above, below: the confidence is at least `above` and less than `below`. A
    condition that is None matches every prediction.
    """

    label: int | None = None
    predicted: int | None = None
    wrong: bool | None = None
    above: float | None = None
    below: float | None = None

    def matches(self, columns: PredictionColumns) -> Mask:
        """Return which predictions match: a mask (n,)."""
        mask = np.ones(len(columns), np.bool_)
        if self.label is not None:
            mask &= columns.label == self.label
        if self.predicted is not None:
            mask &= columns.predicted == self.predicted
        if self.wrong is not None:
            mask &= columns.is_right != self.wrong
        if self.above is not None:
            mask &= columns.confidence >= np.float32(self.above)
        if self.below is not None:
            mask &= columns.confidence < np.float32(self.below)
        return mask


@dataclass(frozen=True)
class Selected:
    """A page: the keys of its images in the order, and their indices; the number of all matching images."""

    keys: list[int]
    indices: list[int]
    total: int
    has_more: bool


def select(
    stored: StoredPredictions, condition: PredictionFilter, order: Order, after: int | None, limit: int
) -> Selected:
    """Return the first `limit` images that match, after the key `after`."""
    blocks = ((start, columns, condition.matches(columns)) for start, columns in stored.blocks())
    return first(blocks, order, after, limit)


def first(
    blocks: Iterable[tuple[int, PredictionColumns, Mask]], order: Order, after: int | None, limit: int
) -> Selected:
    """Return the first `limit` images of the masks, after the key `after`. Keys ascend in the order."""
    found = np.empty(0, np.uint64)
    total = 0
    for start, columns, mask in blocks:
        total += int(np.count_nonzero(mask))
        keys = _keys(start + np.flatnonzero(mask), columns.confidence[mask], order)
        if after is not None:
            keys = keys[keys > np.uint64(after)]
        found = np.sort(np.concatenate([found, keys]))[: limit + 1]
    shown = found[:limit]
    return Selected(shown.tolist(), (shown & INDEX).tolist(), total, len(found) > limit)


def _keys(indices: NDArray[np.intp], confidence: NDArray[np.floating], order: Order) -> NDArray[np.uint64]:
    keys = indices.astype(np.uint64)
    if order == "index":
        return keys
    bits = confidence.astype("<f4").view("<u4").astype(np.uint64)  # ascend as the numbers do, which are not negative
    return ((bits if order == "least_confident" else INDEX - bits) << np.uint64(32)) | keys
