"""The counts of a batch's rows by label and confidence, and of its errors by code, which grow while the batch runs."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from shared.results.shard import read_columns

BINS = 20
EDGES = np.linspace(0, 1, BINS + 1, dtype=np.float32)
MOST = 32  # batches whose counts one process keeps


@dataclass
class Summary:
    """The counts of the rows and errors in some shards.

    bins: for each label the number of rows, int64 (BINS,), with a confidence of at least the bin's lower edge and less
    than its upper one, which the last bin includes. The edges are in EDGES.
    shards: the number of shards. files: a hash of the names of their files.
    """

    shards: int = 0
    files: int = 0
    rows: int = 0
    errors: int = 0
    bins: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    codes: Counter[str] = field(default_factory=Counter)

    def add(self, shard: Path) -> None:
        """Count the rows and errors of one more shard. Raises `Damaged`."""
        header, columns = read_columns(shard)
        bins = np.clip(np.searchsorted(EDGES, columns.confidence, "right") - 1, 0, BINS - 1)
        counts = np.bincount(columns.label.astype(np.int64) * BINS + bins, minlength=len(columns.labels) * BINS)
        for label, row in zip(columns.labels, counts.reshape(-1, BINS), strict=True):
            self.bins[label] = self.bins.get(label, 0) + row
        self.codes.update(columns.codes)
        self.rows += header.rows
        self.errors += header.errors
        self.shards += 1
        self.files = _hashed(self.files, shard)


def _hashed(before: int, shard: Path) -> int:
    return hash((before, shard.name))


class Summaries:
    """The summaries of the batches that were read last: a shard is counted once while a batch runs."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Summary] = OrderedDict()
        self._lock = Lock()

    def of(self, job_id: str, shards: Sequence[Path]) -> Summary:
        """Return the summary of a job's finished shards, which must not be changed. Raises `Damaged`."""
        with self._lock:
            known = self._known.pop(job_id, None)
        if known is None or reduce(_hashed, shards[: known.shards], 0) != known.files:  # a retry replaced a shard
            summary = Summary()
        else:
            summary = replace(known, bins=dict(known.bins), codes=known.codes.copy())
        for shard in shards[summary.shards :]:
            summary.add(shard)
        with self._lock:
            self._known[job_id] = summary
            while len(self._known) > MOST:
                self._known.popitem(last=False)
        return summary
