"""The predictions of an evaluation, image by image, and the comparison of two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PredictionOrder = Literal["index", "least_confident", "most_confident"]
Cell = Literal["both_right", "only_this_right", "only_other_right", "both_wrong"]


@dataclass(frozen=True)
class PredictedImage:
    """The prediction for an image. index: its position in the split of the data set. label: its class.

    path: that of the image in the upload of the data set, None if it is not known.
    """

    index: int
    label: str
    predicted: str
    confidence: float
    path: str | None = None


@dataclass(frozen=True)
class ComparedImage:
    """The predictions for an image by two versions."""

    index: int
    label: str
    predicted: str
    confidence: float
    other_predicted: str
    other_confidence: float
    path: str | None = None


@dataclass(frozen=True)
class ComparisonCounts:
    """The number of images that both, one or none of two versions classify correctly."""

    both_right: int
    only_this_right: int
    only_other_right: int
    both_wrong: int


@dataclass(frozen=True)
class Comparison:
    """The comparison of two versions, `this` and `other`, on the same images.

    p_value: of McNemar's exact test, two-sided: the probability of counts that differ as much, or more, if both had the
    same accuracy.
    """

    this: str
    other: str
    samples: int
    counts: ComparisonCounts
    p_value: float
