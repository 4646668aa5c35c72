"""The format of a batch's rows and errors: a JSON line for each image.

Rows are formatted from texts that are encoded once per class, because a JSON encoder takes longer to encode a row than
the network to classify its image.
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
    """One of the most probable classes of an image."""

    label: str
    probability: float


class Row(TypedDict):
    """The result of one image: its most probable class, and its `top_k` most probable classes."""

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
    """A writer of rows for a model with these classes; each row has the `top_k` best ones."""

    def __init__(self, classes: Sequence[str], top_k: int) -> None:
        self._classes = [quoted(name) for name in classes]
        best = ", ".join(['{"label": %s, "probability": %s}'] * top_k)
        self._row = f'{{"path": %s, "label": %s, "confidence": %s, "top": [{best}]}}\n'

    def rows(self, paths: Sequence[str], labels: NDArray[Any], probabilities: NDArray[Any]) -> list[str]:
        """Return a line for each path; labels are class indices (N, k), probabilities (N, k), both best first."""
        columns: list[list[str]] = []
        for label, probability in zip(labels.T.tolist(), probabilities.T.tolist(), strict=True):
            columns += [[self._classes[index] for index in label], list(map("%.7g".__mod__, probability))]
        return [self._row % texts for texts in zip(map(quoted, paths), *columns[:2], *columns, strict=True)]


def error_line(path: str, error: GlassboxError) -> str:
    """Return the line of an image that could not be classified."""
    return json.dumps({"path": path, "code": error.code, "detail": error.detail}, ensure_ascii=False) + "\n"


def parsed_rows(lines: bytes) -> list[Row]:
    """Parse the rows in these lines."""
    return cast("list[Row]", _parsed(lines))


def parsed_errors(lines: bytes) -> list[RowError]:
    """Parse the errors in these lines."""
    return cast("list[RowError]", _parsed(lines))


def _parsed(lines: bytes) -> object:
    """Parse all lines in one call, because starting the parser takes as long as parsing a line."""
    return json.loads(b"[" + b",".join(lines.splitlines()) + b"]")
