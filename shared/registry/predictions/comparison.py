"""The comparison of two evaluations on the same images: which images only one of them classifies correctly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from shared.network.assessment.mcnemar import mcnemar
from shared.network.evaluation.predictions import PredictionColumns
from shared.registry.predictions.selection import Mask, Order, PredictionFilter, Selected, first
from shared.registry.predictions.stored import StoredPredictions

Cell = Literal["both_right", "only_this_right", "only_other_right", "both_wrong"]
CELLS: dict[Cell, tuple[bool, bool]] = {
    "both_right": (True, True),
    "only_this_right": (True, False),
    "only_other_right": (False, True),
    "both_wrong": (False, False),
}
"""Whether this and the other evaluation have the right class."""


@dataclass(frozen=True)
class Comparison:
    """The number of images in each cell, and a page of images; `selected.total` is the number of matching ones."""

    counts: dict[Cell, int]
    selected: Selected

    @property
    def p_value(self) -> float:
        """The p value of McNemar's exact test."""
        return mcnemar(self.counts["only_this_right"], self.counts["only_other_right"])


def compare(
    this: StoredPredictions,
    other: StoredPredictions,
    cell: Cell | None,
    condition: PredictionFilter,
    order: Order,
    after: int | None,
    limit: int,
) -> Comparison:
    """Compare two evaluations of the same images, in the same order. `condition` and `order` are by `this` one.

    The page has the images of a cell, or of all, that match the condition.
    """
    counts = dict.fromkeys(CELLS, 0)

    def masked() -> Iterator[tuple[int, PredictionColumns, Mask]]:
        for (start, these), (_, others) in zip(this.blocks(), other.blocks(), strict=True):
            chosen = condition.matches(these)
            for name, (this_right, other_right) in CELLS.items():
                mask = (these.is_right == this_right) & (others.is_right == other_right)
                counts[name] += int(np.count_nonzero(mask))
                if name == cell:
                    chosen &= mask
            yield start, these, chosen

    return Comparison(counts, first(masked(), order, after, limit))
