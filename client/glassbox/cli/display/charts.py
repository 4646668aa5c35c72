"""Line charts in a terminal: each character cell shows 2×4 dots, as a Braille pattern."""

from __future__ import annotations

from collections.abc import Callable, Sequence

DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bits of the dots in a Braille pattern (from U+2800 on), by row and column."""


def curve(
    values: Sequence[float], shown: Callable[[float], str], *, width: int = 56, height: int = 6, first: int = 1
) -> list[str]:
    """Return the lines of a chart of `values`, from left to right, with axes.

    values: at least one. shown: formats a number at the left axis. first: the number of the first value.
    """
    low, high = min(values), max(values)
    span = high - low or 1.0
    columns, rows = 2 * width, 4 * height
    cells = [[0] * width for _ in range(height)]
    row_before = None
    for column in range(columns):
        value = _between(values, column / (columns - 1) * (len(values) - 1))
        row = round((high - value) / span * (rows - 1))
        for each in _all_between(row_before, row):
            cells[each // 4][column // 2] |= DOTS[each % 4][column % 2]
        row_before = row
    labels = [shown(high), *[""] * (height - 2), shown(low)]
    margin = max(map(len, labels))
    drawn = [
        f"{label:>{margin}} ┤{''.join(chr(0x2800 + bits) for bits in row).rstrip(chr(0x2800))}"
        for label, row in zip(labels, cells, strict=True)
    ]
    last = str(first + len(values) - 1)
    axis = f"{'':{margin}} └{'─' * width}"
    numbers = (
        f"{'':{margin}}  {first}{last:>{width - len(str(first))}}" if len(values) > 1 else f"{'':{margin}}  {first}"
    )
    return [*drawn, axis, numbers]


def _between(values: Sequence[float], index: float) -> float:
    """Return the value at a fractional index, by linear interpolation."""
    left = min(int(index), len(values) - 1)
    right = min(left + 1, len(values) - 1)
    return values[left] + (index - left) * (values[right] - values[left])


def _all_between(before: int | None, row: int) -> range:
    """Return the rows between two columns of a steep curve, up to `row`."""
    if before is None or abs(before - row) <= 1:
        return range(row, row + 1)
    return range(before + 1, row + 1) if before < row else range(row, before)
