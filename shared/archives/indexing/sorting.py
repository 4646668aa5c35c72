"""Sorting of more rows than memory holds: sorted runs in a temporary file, merged chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.archives.indexing.stored import ScratchFile, StoredArray

RUN = 2**18
"""Rows that are sorted in memory, and about as many as a chunk has."""

SAMPLE = 512  # rows between two samples of a run


class ExternalSort:
    """Rows that are sorted by their field `key`, an unsigned integer."""

    def __init__(self, dtype: np.dtype[Any], beside: Path, run: int | None = None) -> None:
        """beside: a path beside which a temporary file may be written. run: rows in memory, `RUN` by default."""
        self._dtype = dtype
        self._beside = beside
        self._run = RUN if run is None else run
        self._waiting: list[NDArray[np.void]] = []
        self._waiting_rows = 0
        self._file: ScratchFile | None = None
        self._runs: list[StoredArray] = []
        self._samples: list[NDArray[np.unsignedinteger]] = []

    def add(self, **columns: NDArray[Any] | range) -> None:
        """Add rows by their columns, each (n,)."""
        rows = np.empty(len(columns["key"]), self._dtype)
        for name, column in columns.items():
            rows[name] = column
        self._waiting.append(rows)
        self._waiting_rows += len(rows)
        if self._waiting_rows >= self._run:
            self._store()

    def chunks(self) -> Iterator[NDArray[np.void]]:
        """Yield all rows in order, in chunks. Rows with equal keys are in the same chunk, unless they are many.

        Then they are in chunks of their own, of which the first has many.
        """
        if self._file is None:
            if self._waiting_rows:
                yield self._sorted_rows()
            return
        self._store()
        places = [0] * len(self._runs)
        for splitter, is_one_key in self._splitters():
            if is_one_key:
                yield from self._equal(places, splitter)
                continue
            parts = [self._taken(number, places, splitter) for number in range(len(self._runs))]
            rows = np.concatenate(parts)
            if len(rows):
                yield rows[np.argsort(rows["key"], kind="stable")]

    def discard(self) -> None:
        """Remove the temporary file."""
        if self._file is not None:
            self._file.discard()

    def _sorted_rows(self) -> NDArray[np.void]:
        rows = np.concatenate(self._waiting)
        self._waiting, self._waiting_rows = [], 0
        return rows[np.argsort(rows["key"], kind="stable")]

    def _store(self) -> None:
        if not self._waiting_rows:
            return
        rows = self._sorted_rows()
        if self._file is None:
            self._file = ScratchFile(self._beside)
        offset = self._file.append(rows)
        self._runs.append(StoredArray(self._file, offset, len(rows), self._dtype))
        self._samples.append(rows["key"][::SAMPLE].copy())

    def _splitters(self) -> Iterator[tuple[int | None, bool]]:
        """Yield the keys at which chunks end, exclusive, and None for the end of the last one.

        With each, yield whether the rows before it, from the splitter before on, all have the same key.
        """
        samples = np.sort(np.concatenate(self._samples))
        step = max(1, self._run // SAMPLE)
        keys, counts = np.unique(samples[step::step], return_counts=True)
        for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
            yield key, False
            if count > 1:
                yield (None if key == np.iinfo(keys.dtype).max else key + 1), True
        yield None, False

    def _equal(self, places: list[int], splitter: int | None) -> Iterator[NDArray[np.void]]:
        """Yield the rows up to the splitter, which all have the same key, without all of them in memory."""
        rows = np.empty(0, self._dtype)
        for number in range(len(self._runs)):
            rows = np.concatenate([rows, self._taken(number, places, splitter)])
            if len(rows) >= self._run:
                yield rows
                rows = rows[:0]
        if len(rows):
            yield rows

    def _taken(self, number: int, places: list[int], splitter: int | None) -> NDArray[np.void]:
        """Return a run's rows from its place up to the splitter, and move the place."""
        run, place = self._runs[number], places[number]
        if splitter is None:
            stop = len(run)
        else:  # the sample at or after the splitter bounds the rows to read
            stop = min(len(run), int(np.searchsorted(self._samples[number], splitter)) * SAMPLE)
        rows = run[place : max(place, stop)]
        if splitter is not None:
            rows = rows[: int(np.searchsorted(rows["key"], splitter))]
        places[number] += len(rows)
        return rows
