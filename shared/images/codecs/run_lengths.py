"""Run lengths of Windows' BMP files, RLE8 and RLE4: decoded in blocks by NumPy, since a file may have millions.

A stream consists of words of two bytes, a count and a value. A count above 0 is a run of equal pixels, or, in RLE4, of
two alternating ones. After a count of 0 the value means: 0 the end of a row, 1 the end of the image, 2 a move by the
two bytes of the next word, and from 3 on the number of single pixels that follow, padded to whole words.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.errors import Malformed

END_OF_ROW, END, MOVE = 0, 1, 2
WORDS = 1 << 14  # read at a time: at most 255 pixels each

Numbers = NDArray[np.int64]


class RunLengths:
    """A decoder of the stream at `place` into indices of a palette; `nibbles` for RLE4.

    covered: the number of pixels that the runs decoded so far have set.
    """

    def __init__(self, content: bytes, place: int, width: int, height: int, nibbles: bool) -> None:
        size = max(0, len(content) - place) // 2
        self._bytes = np.frombuffer(content, np.uint8, 2 * size, place if size else 0)
        self._words = self._bytes.reshape(-1, 2)
        self._width, self._height, self._nibbles = width, height, nibbles
        self._pixels = np.zeros(width * height, np.uint8)
        self._row = self._column = 0
        self.covered = 0

    def decode(self) -> NDArray[np.uint8]:
        """Return the indices (h, w), in the order of the file's rows; raises `Malformed` if they are damaged."""
        after = 0  # the place, in words, after the last sequence of single pixels or move
        for start in range(0, len(self._words), WORDS):
            words = self._words[start : start + WORDS]
            commands, after, ended = self._commands(words, start, after)
            self._draw(words[commands].astype(np.int64), start + commands)
            if ended:
                return self._pixels.reshape(self._height, self._width)
        raise damaged("the file ends before its last row")

    def _commands(self, words: NDArray[np.uint8], start: int, after: int) -> tuple[Numbers, int, bool]:
        """Return the positions in `words` of commands, the place after them, and whether the last ends the image."""
        special = np.flatnonzero((words[:, 0] == 0) & (words[:, 1] != END_OF_ROW))
        data = np.zeros(len(words) + 1, np.int8)  # +1 where data begin, -1 after them
        begins, ends = [0], [min(max(after - start, 0), len(words))]
        last = len(words)
        for position, value in zip(special.tolist(), words[special, 1].tolist(), strict=True):
            if start + position < after:
                continue
            if value == END:
                last = position
                break
            size = 1 if value == MOVE else -(-value // 4) if self._nibbles else -(-value // 2)
            after = start + position + 1 + size
            begins.append(position + 1)
            ends.append(min(position + 1 + size, len(words)))
        if after > len(self._words):
            raise damaged("the file ends before its last row")
        np.add.at(data, begins, 1)
        np.add.at(data, ends, -1)
        return np.flatnonzero(np.cumsum(data[:last]) == 0), after, last < len(words)

    def _draw(self, commands: Numbers, places: Numbers) -> None:
        """Draw the runs and the single pixels of commands (n, 2), which are at these places in words."""
        if not len(commands):
            return
        count, value = commands.T
        is_row = (count == 0) & (value == END_OF_ROW)
        is_move = (count == 0) & (value == MOVE)
        is_single = (count == 0) & (value > MOVE)
        across, down = self._words[np.where(is_move, places + 1, 0)].astype(np.int64).T
        length = np.where(is_single, value, count)
        rows = self._row + np.cumsum(np.where(is_row, 1, np.where(is_move, down, 0)))
        steps = np.cumsum(np.where(is_move, across, length))  # of columns, as if no row ended
        row_starts = np.maximum.accumulate(np.where(is_row, steps, -self._column))
        columns = steps - row_starts
        row, column = np.append(self._row, rows[:-1]), np.append(self._column, columns[:-1])
        self._row, self._column = int(rows[-1]), int(columns[-1])
        if (row[length > 0] >= self._height).any():
            raise damaged("it has more rows than its header says")
        visible = np.clip(self._width - column, 0, length)  # some programs end an odd row with an even run
        total = int(visible.sum())
        if not total:
            return
        self.covered += total
        before = np.cumsum(visible) - visible
        step = np.arange(total) - np.repeat(before, visible)  # within the run
        targets = np.repeat(row * self._width + column, visible) + step
        source = np.where(is_single, 2 * places + 2, 2 * places + 1)  # of the first pixel, in bytes
        if self._nibbles:
            pairs = self._bytes[np.repeat(source, visible) + np.where(np.repeat(is_single, visible), step // 2, 0)]
            self._pixels[targets] = np.where(step & 1, pairs & 15, pairs >> 4)
        else:
            self._pixels[targets] = self._bytes[np.repeat(source, visible) + step * np.repeat(is_single, visible)]


def damaged(what: str) -> Malformed:
    """Return the error for a file that is damaged."""
    return Malformed("image_damaged", f"the BMP is damaged or cut short: {what}")
