"""A plan's entries as plain numbers, some at a time: NumPy's own are slow one by one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

COUNT = 256


class Rows:
    """The rows of (N,) of `plan.ENTRY`, each a tuple of its fields; cheapest in order."""

    def __init__(self, entries: NDArray[np.void]) -> None:
        self._entries = entries
        self._first = 0
        self._rows: list[tuple[int, ...]] = []

    def __getitem__(self, index: int) -> tuple[int, ...]:
        if not 0 <= index - self._first < len(self._rows):
            if not 0 <= index < len(self._entries):
                raise IndexError(index)
            self._first = index - index % COUNT
            self._rows = self._entries[self._first : self._first + COUNT].tolist()
        return self._rows[index - self._first]
