"""Examination of an image before it is decoded: its height and width, and whether its pixels are in colour.

The mode of a file does not say whether an image is in colour: programs save gray photographs as RGB. An image is in
colour if the largest and the smallest of R, G and B differ by more than `GRAY_SPREAD` in any pixel, after a reduction
by a whole number that leaves at least `SIDE` pixels. docs/data/images.md has the measurements behind these numbers.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
from PIL.ImageFile import ImageFile

from shared.errors import Malformed
from shared.images import channels, turns
from shared.images.codecs import png
from shared.images.codecs.cost import refuse_large
from shared.images.decoding import SECONDS
from shared.images.formats import Format, damaged, format_of, open_image
from shared.images.processes import pool

GRAY_SPREAD = 10
SIDE = 256
JPEG_SIDE = 128  # a JPEG's decoder reduces an image by 2, 4 or 8, to no less than this
COLOURLESS = frozenset({"1", "L", "LA", "La"})


def shape_and_colour(
    content: bytes,
    max_pixels: int,
    *,
    find_colour: bool = True,
    seconds: float = SECONDS,
    spend: Callable[[float], None] = lambda _: None,
) -> tuple[tuple[int, int], bool]:
    """Return the height and width of an image, upright and before it is resized, and whether it is in colour.

    Without `find_colour` the pixels are not decoded, and the second result is False. Raises `Malformed` for a damaged
    image; damage to pixels is found only if they are decoded. `decode_into` has the meaning of `seconds` and
    `spend`.
    """
    size = png.plain_size(content, gray=find_colour)
    if size is not None:
        refuse_large(*size, max_pixels)
        return (size[1], size[0]), False
    kind = format_of(content)
    if kind.needs_process(content):
        with turns.turns.turn(lambda: None):
            return pool.examine(content, kind.name, max_pixels, seconds, spend, find_colour=find_colour)
    with turns.turns.turn(lambda: None) if find_colour and turns.is_large(kind, content) else nullcontext():
        begun = time.thread_time()
        try:
            return _examine_as(kind, content, max_pixels, find_colour)
        finally:
            spend(time.thread_time() - begun)


def examine_here(content: bytes, max_pixels: int, *, find_colour: bool) -> tuple[tuple[int, int], bool]:
    """Examine an image of any format in this process, as `shape_and_colour` does."""
    return _examine_as(format_of(content), content, max_pixels, find_colour)


def _examine_as(kind: Format, content: bytes, max_pixels: int, find_colour: bool) -> tuple[tuple[int, int], bool]:
    try:
        with warnings.catch_warnings(action="ignore"), open_image(kind, content, max_pixels, colour=True) as image:
            width, height = image.size
            sideways = channels.orientation_of(image) in channels.SIDEWAYS
            coloured = find_colour and _is_coloured(image)
    except Malformed:
        raise
    except Exception:  # Pillow's readers raise many types of error on damaged files
        raise damaged(kind, "header or its pixels") from None
    return ((width, height) if sideways else (height, width)), coloured


def _is_coloured(image: ImageFile) -> bool:
    if image.mode in COLOURLESS or channels.is_deep(image):
        return False
    image.draft("RGB", (JPEG_SIDE, JPEG_SIDE))
    plain = channels.flattened(image)
    if plain.mode == "L":
        return False
    if (factor := max(plain.size) // SIDE) > 1:
        plain = plain.reduce(factor)
    red, green, blue = np.moveaxis(np.asarray(plain), -1, 0)
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    return bool(spread.max() > GRAY_SPREAD)
