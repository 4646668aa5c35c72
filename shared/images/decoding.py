"""Decoding of an image file to the network's input: grayscale or RGB, in the model's size, one row of a batch.

The formats are PNG, JPEG, BMP, GIF, TIFF, WebP, AVIF and HEIC, with one frame. For a grayscale network, colours are
converted by the luma of ITU-R BT.601; for a network in colour, a gray value becomes R, G and B. Transparent pixels are
blended with black or white, EXIF's orientation is applied, and each pixel of the input is the mean of the area that it
covers in the image. docs/data/images.md has the details.

A worker's memory may be limited. An image of more than `SMALL` pixels that does not fit into it fails with
`image_too_large`. If the memory is too small even for a smaller image, the process cannot continue: `MemoryError`
propagates.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
from numpy.typing import NDArray

from shared.errors import Malformed
from shared.images import channels, turns
from shared.images.area import area_resize
from shared.images.codecs import png
from shared.images.formats import Format, damaged, format_of, open_image
from shared.images.processes import pool
from shared.images.shapes import RGB, channels_of

SECONDS = 20.0  # of CPU time for an image that is decoded in another process
SMALL = 1 << 20
BYTES_PER_PIXEL = 16  # at most, while an image is decoded
BLOCK = 1 << 22  # pixels resized at a time


def decode_into(
    row: NDArray[np.uint8],
    content: bytes,
    max_pixels: int,
    *,
    seconds: float = SECONDS,
    check: Callable[[], None] = lambda: None,
    patience: float = math.inf,
    spend: Callable[[float], None] = lambda _: None,
) -> None:
    """Decode an image into `row`, (H, W) for grayscale or (H, W, 3) for RGB.

    Formats whose headers do not say what they cost are decoded in another process, which may use `seconds` of CPU time.
    A large image waits until it is the only one, at most `patience` seconds. During the wait, and while another process
    decodes, `check` is called every half second, and what it raises ends the decoding. `spend` is called with the CPU
    time that the image took, also after an error.

    After an error the content of `row` is undefined. Raises `Malformed` if the bytes are not an image, or are damaged,
    animated, too costly or, by the header, larger than `max_pixels`; `turns.NoTurn` after `patience`.
    """
    if row.shape[0] * row.shape[1] <= max_pixels and png.decode_plain_into(row, content):
        return
    kind = format_of(content)
    if kind.needs_process(content):
        with turns.turns.turn(check, patience):
            pool.decode_into(row, content, kind.name, max_pixels, seconds, check, spend)
        return
    with turns.turns.turn(check, patience) if turns.is_large(kind, content) else nullcontext():
        begun = time.thread_time()
        try:
            _decode_as(kind, row, content, max_pixels)
        finally:
            spend(time.thread_time() - begun)


def decode_here_into(row: NDArray[np.uint8], content: bytes, max_pixels: int) -> None:
    """Decode an image of any format into `row` in this process."""
    _decode_as(format_of(content), row, content, max_pixels)


def resize_into(rows: NDArray[np.uint8], images: NDArray[np.uint8]) -> None:
    """Resize images into `rows`, as `decode_into` does; copies images of the same size.

    (n, h, w) are resized into (n, H, W), and (n, h, w, 3) into (n, H, W, 3). Sides are from 1 to `area.MAX_SIDE`.
    Raises `Malformed` if the numbers of channels differ: arrays are not converted.
    """
    if images.shape[3:] != rows.shape[3:]:
        raise Malformed(
            "image_channels",
            f"the images have {_channels(images)}, but the network's input has {_channels(rows)}: images have the"
            f" shape {images.shape[1:]}, the input {rows.shape[1:]}; send arrays with the input's number of channels",
        )
    if images.shape == rows.shape:
        rows[...] = images
        return
    step = max(1, BLOCK // (images.shape[1] * images.shape[2]))
    for start in range(0, len(images), step):
        part = slice(start, start + step)
        rows[part] = area_resize(images[part], rows.shape[1:])


def _channels(images: NDArray[np.uint8]) -> str:
    return "three channels (R, G, B)" if channels_of(images.shape[1:]) == RGB else "one channel (grayscale)"


def _decode_as(kind: Format, row: NDArray[np.uint8], content: bytes, max_pixels: int) -> None:
    colour = channels_of(row.shape) == RGB
    image = None
    try:
        with warnings.catch_warnings(action="ignore"):  # Pillow's warnings about metadata that are not used
            image = open_image(kind, content, max_pixels, colour=colour)
            orientation = channels.orientation_of(image)
            pixels = channels.to_rgb(image) if colour else channels.to_grayscale(image)
            image.close()  # frees its memory before the resizing
        height, width = row.shape[:2]
        # Resizing before rotating gives the same pixels, and rotates fewer.
        shape = (width, height) if orientation in channels.SIDEWAYS else (height, width)
        if pixels.shape[:2] != shape:
            pixels = _resized(pixels, shape)
        pixels = channels.upright(pixels, orientation)
        row[...] = pixels[:, :, np.newaxis] if pixels.ndim < row.ndim else pixels  # gray: R = G = B
    except Malformed:
        raise
    except Exception as error:  # Pillow's decoders raise IndexError, AssertionError and more on damaged data
        raise _explained(error, kind, *(image.size if image else kind.size_of(content))) from None


def _resized(pixels: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return pixels (h, w) or (h, w, 3) resized to a height and width.

    If no level is above 1, as in a mask of 0 and 1, an area with a share of ones is 1: rounded to 0, the image would
    look black on purpose, and no warning would say that it is almost black.
    """
    if pixels.max() == 1:
        return (area_resize(pixels * np.uint8(255), shape + pixels.shape[2:]) > 0).astype(np.uint8)
    return area_resize(pixels, shape + pixels.shape[2:])


def _explained(error: Exception, kind: Format, width: int, height: int) -> Exception:
    """Return the error to raise for an error of a decoder; the image's size is 0 × 0 if it is not known."""
    memory = isinstance(error, MemoryError)
    size = width * height
    if size > SMALL and (memory or not _is_free(size * BYTES_PER_PIXEL)):
        return Malformed(
            "image_too_large",
            f"decoding {width} × {height} pixels needs more memory than a worker may use; send a smaller image",
        )
    if memory:
        return error
    return damaged(kind, "pixels" if size else "header")


def _is_free(size: int) -> bool:
    """Return whether the process can allocate `size` bytes: some decoders report a lack of memory as damage."""
    try:
        np.empty(size, np.uint8)
    except MemoryError:
        return False
    return True
