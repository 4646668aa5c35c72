"""What a batch or a prediction says of an image. There are many of them, so they are light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple


class Best(NamedTuple):
    """One of the classes that an image may show."""

    label: str
    probability: float


class Row(NamedTuple):
    """What a batch says of one image: the most probable class, and the `top_k` most probable ones."""

    path: str
    label: str
    confidence: float
    top: tuple[Best, ...]

    @classmethod
    def read(cls, values: dict[str, Any]) -> Row:
        """A row from a line's JSON."""
        top = tuple([Best(best["label"], best["probability"]) for best in values["top"]])
        return cls(values["path"], values["label"], values["confidence"], top)


@dataclass(frozen=True)
class RowError:
    """Why an image of a batch could not be read."""

    path: str
    code: str
    detail: str


class Prediction(NamedTuple):
    """What a model says of one image: the most probable class, and the `top_k` most probable ones."""

    label: str
    confidence: float
    top: tuple[Best, ...]


@dataclass(frozen=True)
class Predictions:
    """One prediction for each image, in their order, and the version that made them."""

    model: str
    version: int
    predictions: tuple[Prediction, ...]
