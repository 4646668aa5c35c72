"""The picture of an explanation: the input, its attribution, and the attribution with random weights, side by side.

An attribution is blue where a pixel lowers the score, white at zero, and orange where it raises the score. Its colours
are symmetric around zero, and those of the largest 2 % of the magnitudes are the same, so that a single pixel does not
leave the rest white.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from glassbox.records.explanations import Explanation
from glassbox.report.png import truecolour

BELOW, ABOVE, WHITE = (0x21, 0x66, 0xAC), (0xB3, 0x58, 0x06), (255, 255, 255)
CLIPPED = 0.98
HEIGHT = 280  # of a panel, about
GAP = 12

Panel = list[list[tuple[int, int, int]]]
"""Rows of colours."""


def picture(explanation: Explanation) -> bytes:
    """Return the content of a PNG file."""
    attribution = explanation.attribution
    panels = [_image(explanation.input.pixels), _map(attribution.values)]
    if attribution.control is not None:
        panels.append(_map(attribution.control.values))
    scale = max(1, HEIGHT // len(panels[0]))
    rows = []
    for parts in zip(*panels, strict=True):
        gap = bytes(WHITE) * GAP
        row = gap.join(b"".join(bytes(colour) * scale for colour in part) for part in parts)
        rows += [row] * scale
    return truecolour(rows)


def _image(pixels: Iterable[Any]) -> Panel:
    """Return an image, grayscale or in colour."""
    return [[tuple(pixel) if isinstance(pixel, list) else (pixel,) * 3 for pixel in row] for row in pixels]


def _map(values: Iterable[Any]) -> Panel:
    """Return an attribution; the channels of a pixel are added up."""
    rows = [[sum(value) if isinstance(value, list) else value or 0.0 for value in row] for row in values]
    magnitudes = sorted(abs(value) for row in rows for value in row)
    largest = magnitudes[int(CLIPPED * (len(magnitudes) - 1))] or magnitudes[-1]
    return [[_colour(value / largest if largest else 0.0) for value in row] for row in rows]


def _colour(value: float) -> tuple[int, int, int]:
    """Return the colour of a value from -1 to 1, and of those beyond."""
    end, share = (ABOVE if value > 0 else BELOW), min(1.0, abs(value))
    red, green, blue = (round(white + (full - white) * share) for white, full in zip(WHITE, end, strict=True))
    return red, green, blue
