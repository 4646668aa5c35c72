"""Rows of a batch and predictions. They are named tuples, because a batch has many of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple


class Best(NamedTuple):
    """One of the most probable classes of an image."""

    label: str
    probability: float


class Row(NamedTuple):
    """A batch's row for an image: the most probable class, and the `top_k` most probable classes."""

    path: str
    label: str
    confidence: float
    top: tuple[Best, ...]

    @classmethod
    def read(cls, values: dict[str, Any]) -> Row:
        """Return a row from a line's JSON."""
        top = tuple([Best(best["label"], best["probability"]) for best in values["top"]])
        return cls(values["path"], values["label"], values["confidence"], top)


@dataclass(frozen=True)
class IndexedRow:
    """A batch's row, with the index of its image among the archive's images."""

    index: int
    path: str
    label: str
    confidence: float
    top: tuple[Best, ...]

    @classmethod
    def read(cls, values: dict[str, Any]) -> IndexedRow:
        """Return a row from an item's JSON."""
        return cls(values["index"], *Row.read(values))


@dataclass(frozen=True)
class LabelCounts:
    """The number of rows with a label, in all and in each bin of confidence."""

    label: str
    count: int
    bins: tuple[int, ...]


@dataclass(frozen=True)
class ErrorCount:
    """The number of errors with a code."""

    code: str
    count: int


@dataclass(frozen=True)
class BatchSummary:
    """The counts of a batch's rows and errors so far; `edges` are the limits of the labels' bins of confidence."""

    state: str
    rows: int
    errors: int
    edges: tuple[float, ...]
    labels: tuple[LabelCounts, ...]
    codes: tuple[ErrorCount, ...]


@dataclass(frozen=True)
class RowError:
    """The error of an image that a batch could not read."""

    path: str
    code: str
    detail: str


class Prediction(NamedTuple):
    """A model's prediction for an image: the most probable class, and the `top_k` most probable classes."""

    label: str
    confidence: float
    top: tuple[Best, ...]


@dataclass(frozen=True)
class Predictions:
    """Predictions for images, in their order, and the version that made them.

    look_inverted: number of images in which light and dark are exchanged against the training images, before any
    inversion; None if the version does not describe them. warnings: what makes the predictions doubtful, such as
    numbers whose range is not certain.
    """

    model: str
    version: int
    predictions: tuple[Prediction, ...]
    look_inverted: int | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class RowFilter:
    """The rows of a batch to download: of this label, confidence and path; None does not limit them.

    above, below: the confidence is at least `above` and less than `below`. path: a text in the row's path.
    """

    label: str | None = None
    above: float | None = None
    below: float | None = None
    path: str | None = None

    def query(self) -> dict[str, Any]:
        """Return the parameters of a request."""
        return {name: value for name, value in vars(self).items() if value is not None}


EVERY_ROW = RowFilter()
