"""A plan's entries as named rows of Python integers, converted some at a time: NumPy's scalars are slow one by one."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from shared.archives.plan import Entry

COUNT = 256
_entry = partial(tuple.__new__, Entry)  # `Entry._make` without its check of the length: half its time


class Rows:
    """The rows of (N,) of `plan.ENTRY`; cheapest in order."""

    def __init__(self, entries: NDArray[np.void]) -> None:
        self._entries = entries
        self._first = 0
        self._rows: list[Entry] = []

    def __getitem__(self, index: int) -> Entry:
        at = index - self._first
        if 0 <= at < len(self._rows):
            return self._rows[at]
        if not 0 <= index < len(self._entries):
            raise IndexError(index)
        self._first = index - index % COUNT
        self._rows = list(map(_entry, self._entries[self._first : self._first + COUNT].tolist()))
        return self._rows[index - self._first]
