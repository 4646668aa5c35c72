"""How a batch's rows and errors are written: a JSON line for each image.

Rows are put together by hand, from texts that are made once for each class: a JSON encoder takes longer for a row than
the network for its image.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from json.encoder import encode_basestring as quoted
from typing import Any, cast

from numpy.typing import NDArray
from typing_extensions import TypedDict

from shared.errors import GlassboxError


class Best(TypedDict):
    """One of the classes that an image may show."""

    label: str
    probability: float


class Row(TypedDict):
    """What a batch says of one image: the most probable class, and the `top_k` most probable ones."""

    path: str
    label: str
    confidence: float
    top: list[Best]


class RowError(TypedDict):
    """Why an image of a batch could not be read."""

    path: str
    code: str
    detail: str


class RowWriter:
    """Writes the rows of a model with these classes, each with its `top_k` best ones."""

    def __init__(self, classes: Sequence[str], top_k: int) -> None:
        self._classes = [quoted(name) for name in classes]
        best = ", ".join(['{"label": %s, "probability": %s}'] * top_k)
        self._row = f'{{"path": %s, "label": %s, "confidence": %s, "top": [{best}]}}\n'

    def rows(self, paths: Sequence[str], labels: NDArray[Any], probabilities: NDArray[Any]) -> list[str]:
        """A line for each path; labels are class indices (N, k), probabilities (N, k), both the best first."""
        columns: list[list[str]] = []
        for label, probability in zip(labels.T.tolist(), probabilities.T.tolist(), strict=True):
            columns += [[self._classes[index] for index in label], list(map("%.7g".__mod__, probability))]
        return [self._row % texts for texts in zip(map(quoted, paths), *columns[:2], *columns, strict=True)]


def error_line(path: str, error: GlassboxError) -> str:
    """The line of an image that could not be classified."""
    return json.dumps({"path": path, "code": error.code, "detail": error.detail}, ensure_ascii=False) + "\n"


def parsed_rows(lines: bytes) -> list[Row]:
    """The rows in these lines."""
    return cast("list[Row]", _parsed(lines))


def parsed_errors(lines: bytes) -> list[RowError]:
    """The errors in these lines."""
    return cast("list[RowError]", _parsed(lines))


def _parsed(lines: bytes) -> object:
    """Parse all lines in one call: the start of the parser costs as much as a line."""
    return json.loads(b"[" + b",".join(lines.splitlines()) + b"]")
