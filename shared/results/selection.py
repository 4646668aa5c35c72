"""Pages of a batch's rows, filtered and ordered by the columns of its shards, and the counts of its rows.

Memory does not grow with the batch: one shard's columns are read at a time, and only the rows of the page are kept.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring as quoted
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shared.errors import Damaged
from shared.results.columns import Columns
from shared.results.lines import parsed_errors
from shared.results.shard import error_blocks, located_rows, read_columns

Order = Literal["archive", "least_confident", "most_confident"]
PathsOf = Callable[[int, int], list[str]]
"""Returns the paths of the archive's entries from `start` to `stop` (exclusive)."""

PAGE_BYTES = 4 * 1024 * 1024  # of the rows in a page; a longer row is a page of its own
END_OF_PATH = b'", "label": "'
START_OF_PATH = b'{"path": '


@dataclass(frozen=True)
class RowFilter:
    """The rows with this label, with a confidence of at least `above` and less than `below`, and this text in the path.

    A condition that is None matches every row.
    """

    label: str | None = None
    above: float | None = None
    below: float | None = None
    path: str | None = None

    def matches(self, columns: Columns) -> NDArray[np.bool_]:
        """Return which rows match, without regard to their paths: a mask (n,)."""
        mask = np.ones(len(columns.label), np.bool_)
        if self.label is not None:
            mask &= columns.label == columns.labels.index(self.label) if self.label in columns.labels else np.False_
        if self.above is not None:
            mask &= columns.confidence >= np.float32(self.above)
        if self.below is not None:
            mask &= columns.confidence < np.float32(self.below)
        return mask

    def numbers(self, shard: Path, columns: Columns) -> NDArray[np.int64]:
        """Return the numbers, ascending, of the rows of a shard that match."""
        return self.with_path(shard, np.flatnonzero(self.matches(columns)))

    def with_path(self, shard: Path, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of these rows of a shard, ascending numbers, whose path matches."""
        return rows if self.path is None or not len(rows) else _with_path(shard, self.path, rows)


EVERY_ROW = RowFilter()


@dataclass(frozen=True)
class FoundRow:
    """A row of a page. key: its place in the order. index: that of its entry in the archive. line: its JSON."""

    key: int
    index: int
    line: bytes


FOUND = np.dtype([("key", "<u8"), ("shard", "<i8"), ("row", "<i8")])
"""A row that was found: its key, its shard's number, and its own number in the shard."""


def select(
    shards: Sequence[Path], rows: RowFilter, order: Order, after: int | None, limit: int, paths_of: PathsOf
) -> tuple[list[FoundRow], bool]:
    """Return the first `limit` rows that match, after the key `after`; and whether more follow.

    The page is shorter if its rows would have more than `PAGE_BYTES`. paths_of: for the files of older releases.
    """
    found = np.empty(0, FOUND)
    for number, (start, entries, columns) in enumerate(each_shard(shards, paths_of)):
        keys = _keys(columns, start + columns.positions(entries), order)
        mask = rows.matches(columns)
        if after is not None:
            mask &= keys > np.uint64(after)
        if len(found) > limit:
            mask &= keys < found["key"][-1]
        chosen = rows.with_path(shards[number], np.flatnonzero(mask))
        new = np.empty(len(chosen), FOUND)
        new["key"], new["shard"], new["row"] = keys[chosen], number, chosen
        found = np.sort(np.concatenate([found, new]), order="key")[: limit + 1]
        if order == "archive" and len(found) > limit:
            break
    return _page(shards, found, limit)


def each_shard(shards: Sequence[Path], paths_of: PathsOf) -> Iterator[tuple[int, int, Columns]]:
    """Yield the first entry, the number of entries and the columns of each shard."""
    start = 0
    for path in shards:
        header, columns = read_columns(path)
        entries = header.rows + header.errors
        if columns.failed is None:
            failed = [error["path"] for block in error_blocks(path) for error in parsed_errors(block)]
            columns = _with_failed(columns, paths_of(start, start + entries), failed)
        if len(columns.positions(entries)) != header.rows:
            raise Damaged("shard_damaged", f"{path.name} does not say which of its {entries} entries are errors")
        yield start, entries, columns
        start += entries


def _with_failed(columns: Columns, paths: Sequence[str], failed: Sequence[str]) -> Columns:
    names = set(failed)
    positions = [position for position, path in enumerate(paths) if path in names][: len(failed)]
    return Columns(columns.labels, columns.label, columns.confidence, tuple(positions), columns.codes)


def _keys(columns: Columns, entries: NDArray[np.int64], order: Order) -> NDArray[np.uint64]:
    """Return the keys (n,) of rows: numbers that ascend in the order, of which 32 bits are the entry's index."""
    indices = entries.astype(np.uint64)
    if order == "archive":
        return indices
    bits = columns.confidence.view("<u4").astype(np.uint64)  # ascend as the numbers do, which are not negative
    return ((bits if order == "least_confident" else np.uint64(2**32 - 1) - bits) << np.uint64(32)) | indices


def _with_path(shard: Path, text: str, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return those of a shard's rows, given by their numbers in ascending order, whose path contains the text."""
    needle = quoted(text)[1:-1].encode()
    found: list[int] = []
    for block in located_rows(shard):
        first, last = np.searchsorted(rows, (block.first, block.first + len(block.ends)))
        lines = (rows[first:last] - block.first).tolist()
        candidate = 0
        while candidate < len(lines):
            start, end = block.span(lines[candidate])
            position = block.content.find(needle, start)
            if position < 0:
                break
            if position >= end:
                candidate = bisect_left(lines, int(np.searchsorted(block.ends, position)), candidate)
                continue
            path = block.content[start + len(START_OF_PATH) : block.content.find(END_OF_PATH, start, end) + 1]
            if needle in path and text in json.loads(path):
                found.append(block.first + lines[candidate])
            candidate += 1
    return np.array(found, np.int64)


def _page(shards: Sequence[Path], found: NDArray[np.void], limit: int) -> tuple[list[FoundRow], bool]:
    """Read the lines of the first `limit` rows that were found; return whether more follow."""
    rows = found[:limit]
    places: dict[int, tuple[int, int]] = {}  # offset and size of each line in its file, by its position in the page
    for number in np.unique(rows["shard"]).tolist():
        wanted = np.flatnonzero(rows["shard"] == number)
        numbers = rows["row"][wanted]
        for block in located_rows(shards[number]):
            within = (numbers >= block.first) & (numbers < block.first + len(block.ends))
            for position, line in zip(wanted[within].tolist(), (numbers[within] - block.first).tolist(), strict=True):
                start, end = block.span(line)
                places[position] = block.offset + start, end - start
    page: list[FoundRow] = []
    size = 0
    for position, (key, number, _) in enumerate(rows.tolist()):
        offset, length = places[position]
        size += length
        if page and size > PAGE_BYTES:
            return page, True
        with shards[number].open("rb") as file:
            file.seek(offset)
            page.append(FoundRow(key, key & (2**32 - 1), file.read(length)))
    return page, len(found) > limit
