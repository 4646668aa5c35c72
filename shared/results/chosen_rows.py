"""The rows of a batch that match a filter, as blocks of whole lines. Memory does not grow with the batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shared.results.selection import EVERY_ROW, RowFilter
from shared.results.shard import located_rows, read_columns, read_header, row_blocks


@dataclass(frozen=True)
class ChosenRows:
    """The rows in these shards, in their order, that match the condition."""

    shards: Sequence[Path]
    condition: RowFilter = EVERY_ROW

    def blocks(self) -> Iterator[bytes]:
        """Yield the rows' lines in blocks of about `BLOCK` bytes at most; raises `Damaged`."""
        for path in self.shards:
            yield from row_blocks(path) if self.condition == EVERY_ROW else self._matching(path)

    def count(self) -> int:
        """Return the number of rows. With a condition on the path, it reads their text."""
        if self.condition == EVERY_ROW:
            return sum(read_header(path).rows for path in self.shards)
        return sum(len(self.condition.numbers(path, read_columns(path)[1])) for path in self.shards)

    def longest_path(self) -> int:
        """Return the characters of the longest path in the shards, of rows that do not match, too."""
        return max((read_header(path).longest_path for path in self.shards), default=0)

    def _matching(self, path: Path) -> Iterator[bytes]:
        rows = self.condition.numbers(path, read_columns(path)[1])
        for block in located_rows(path) if len(rows) else ():
            first, last = np.searchsorted(rows, (block.first, block.first + len(block.ends)))
            spans = (block.span(line) for line in (rows[first:last] - block.first).tolist())
            if lines := b"".join(block.content[start : end + 1] for start, end in spans):
                yield lines
