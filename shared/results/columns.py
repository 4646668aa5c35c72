"""The columns of a shard's rows: what filters, orders and counts need of them, without the rows' text.

A shard's header has them, so that a page of a million rows ordered by confidence reads some KiB per shard, and not the
rows. `columns_of_lines` computes them for the files of older releases and of retries.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self, cast

import numpy as np
from numpy.typing import NDArray

from shared.json_types import JsonObject

LABEL_AND_CONFIDENCE = re.compile(rb', "label": ("(?:[^"\\]|\\.)*"), "confidence": ([^,}]+)[,}]')


@dataclass(frozen=True, eq=False)
class Columns:
    """The columns of n rows, and the errors of a shard.

    labels: the distinct labels of the rows. label: each row's index in them, uint16 (n,). confidence: float32 (n,).
    failed: the positions in the shard of the entries that are errors, not rows, ascending; None if it is not known.
    codes: the number of errors by their code.
    """

    labels: tuple[str, ...]
    label: NDArray[np.uint16]
    confidence: NDArray[np.float32]
    failed: tuple[int, ...] | None
    codes: dict[str, int]

    @classmethod
    def of(
        cls,
        classes: Sequence[str],
        label: NDArray[np.integer],
        confidence: NDArray[np.floating],
        failed: Sequence[int],
        errors: Iterable[str | bytes],
    ) -> Self:
        """Create the columns of rows with these classes' indices (n,); `errors` are the lines of errors."""
        present, inverse = np.unique(label, return_inverse=True)
        labels = tuple(classes[index] for index in present.tolist())
        return cls(labels, inverse.astype("<u2"), confidence.astype("<f4"), tuple(failed), codes_of(errors))

    def as_json(self) -> JsonObject:
        """Return the columns as JSON for the header."""
        return {
            "labels": list(self.labels),
            "label": b64encode(self.label.tobytes()).decode(),
            "confidence": b64encode(self.confidence.tobytes()).decode(),
            "failed": None if self.failed is None else list(self.failed),
            "codes": self.codes,
        }

    @classmethod
    def from_json(cls, values: JsonObject) -> Self:
        """Return the columns from a header's JSON; raises ValueError, TypeError or KeyError if it has others."""
        label = np.frombuffer(b64decode(values["label"]), "<u2")
        confidence = np.frombuffer(b64decode(values["confidence"]), "<f4")
        failed = values["failed"]
        return cls(
            tuple(values["labels"]), label, confidence, None if failed is None else tuple(failed), dict(values["codes"])
        )

    def positions(self, entries: int) -> NDArray[np.int64]:
        """Return the position (n,) of each row's entry in the shard, which has this number of entries."""
        return np.delete(np.arange(entries), list(self.failed or ()))


def columns_of_lines(blocks: Iterable[bytes], errors: Iterable[bytes], failed: Sequence[int] | None) -> Columns:
    """Return the columns of the rows in these blocks of whole lines; `errors` are the lines of the errors."""
    numbers: dict[bytes, int] = {}
    label: list[int] = []
    confidence: list[float] = []
    for block in blocks:
        for name, value in LABEL_AND_CONFIDENCE.findall(block):
            label.append(numbers.setdefault(name, len(numbers)))
            confidence.append(float(value))
    labels = tuple(json.loads(name) for name in numbers)
    return Columns(
        labels,
        np.array(label, "<u2"),
        np.array(confidence, "<f4"),
        None if failed is None else tuple(failed),
        codes_of(errors),
    )


def codes_of(errors: Iterable[str | bytes]) -> dict[str, int]:
    """Return the number of errors by their code."""
    return dict(Counter(cast("str", json.loads(line)["code"]) for line in errors))
