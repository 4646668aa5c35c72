"""The shape of an image: (H, W) for grayscale, (H, W, 3) for colour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator

Shape = tuple[int, int] | tuple[int, int, int]

RGB = 3


def _checked(shape: Shape) -> Shape:
    if shape[2:] not in {(), (RGB,)}:
        raise ValueError(f"must be [H, W] or [H, W, {RGB}]; got {list(shape)}")
    return shape


ImageShape = Annotated[Shape, AfterValidator(_checked)]
"""A shape in a manifest, validated by pydantic."""


def shape_with(height: int, width: int, channels: int) -> Shape:
    """Return (height, width) for one channel, or (height, width, 3) for three."""
    return (height, width) if channels == 1 else (height, width, channels)


def channels_of(shape: Sequence[int]) -> int:
    """Return the number of channels of a shape: 1 for (H, W), 3 for (H, W, 3)."""
    return shape[2] if len(shape) > 2 else 1


def as_text(shape: Sequence[int]) -> str:
    """Return the shape for a message: `28 × 28`, or `28 × 28 in colour`."""
    return f"{shape[0]} × {shape[1]}" + (" in colour" if channels_of(shape) == RGB else "")


def shapes_of_numbers(shape: Shape) -> frozenset[tuple[int, ...]]:
    """Return the shapes in which numbers may be given for this one: itself, flat, and (H, W, 1) for (H, W)."""
    flat = (math.prod(shape),)
    return frozenset({shape, flat} if len(shape) == 3 else {shape, flat, (*shape, 1)})
