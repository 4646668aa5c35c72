"""Decoding of an image file to the network's input: grayscale, in the model's size, one row of a batch.

The formats are PNG, JPEG, BMP, GIF, TIFF and WebP, with one frame. Colours are converted by the luma of ITU-R BT.601,
transparent pixels are blended with black, EXIF's orientation is applied, and each pixel of the input is the mean of the
area that it covers in the image. docs/images.md has the details.

A worker's memory may be limited. An image of more than `SMALL` pixels that does not fit into it fails with
`image_too_large`. If the memory is too small even for a smaller image, the process cannot continue: `MemoryError`
propagates.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from shared.errors import Malformed
from shared.images import grayscale, png
from shared.images.area import area_resize
from shared.images.formats import Format, format_of, open_image

SMALL = 1 << 20
BYTES_PER_PIXEL = 16  # at most, while an image is decoded
BLOCK = 1 << 22  # pixels resized at a time


def decode_into(row: NDArray[np.uint8], content: bytes, max_pixels: int) -> None:
    """Decode an image into `row` (H, W); after an error the content of `row` is undefined.

    Raises `Malformed` if the bytes are not an image, or are damaged, animated or, by the header, larger than
    `max_pixels`.
    """
    if row.size <= max_pixels and png.decode_plain_into(row, content):
        return
    _decode_any_into(row, content, max_pixels)


def resize_into(rows: NDArray[np.uint8], images: NDArray[np.uint8]) -> None:
    """Resize grayscale images (n, h, w) into `rows` (n, H, W), as `decode_into` does; copies images of the same size.

    Sides are from 1 to `area.MAX_SIDE`.
    """
    if images.shape == rows.shape:
        rows[...] = images
        return
    height, width = rows.shape[1:]
    step = max(1, BLOCK // (images.shape[1] * images.shape[2]))
    for start in range(0, len(images), step):
        part = slice(start, start + step)
        rows[part] = area_resize(images[part], (height, width))


def _decode_any_into(row: NDArray[np.uint8], content: bytes, max_pixels: int) -> None:
    kind = format_of(content)
    image = None
    try:
        with warnings.catch_warnings(action="ignore"):  # Pillow's warnings about metadata that are not used
            image = open_image(kind, content, max_pixels)
            orientation = grayscale.orientation_of(image)
            pixels = grayscale.to_grayscale(image)
            image.close()  # frees its memory before the resizing
        height, width = row.shape
        # Resizing before rotating gives the same pixels, and rotates fewer.
        shape = (width, height) if orientation in grayscale.SIDEWAYS else (height, width)
        if pixels.shape != shape:
            pixels = area_resize(pixels, shape)
        row[...] = grayscale.upright(pixels, orientation)
    except Malformed:
        raise
    except Exception as error:  # Pillow's decoders raise IndexError, AssertionError and more on damaged data
        raise _explained(error, kind, *(image.size if image else kind.size_of(content))) from None


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
    reason = str(error) or type(error).__name__
    return Malformed(
        "image_damaged",
        f"the {kind.name} is damaged, cut short, or of an unsupported kind, and cannot be decoded: {reason}",
    )


def _is_free(size: int) -> bool:
    """Return whether the process can allocate `size` bytes: some decoders report a lack of memory as damage."""
    try:
        np.empty(size, np.uint8)
    except MemoryError:
        return False
    return True


def invert(images: NDArray[np.uint8], mode: str) -> None:
    """Invert images (n, H, W) in place: `always`, `never`, or `auto`, which inverts those with a bright border."""
    if mode == "never" or not len(images):
        return
    if mode == "always":
        np.subtract(255, images, out=images)
        return
    border = np.concatenate([images[:, 0], images[:, -1], images[:, 1:-1, 0], images[:, 1:-1, -1]], axis=1)
    bright = border.sum(axis=1, dtype=np.uint32) > 127 * border.shape[1]
    images[bright] ^= 255


def shape_of(content: bytes, max_pixels: int) -> tuple[int, int]:
    """Return the height and width of an image, upright and before it is resized; raises `Malformed`."""
    kind = format_of(content)
    try:
        with warnings.catch_warnings(action="ignore"), open_image(kind, content, max_pixels) as image:
            width, height = image.size
            sideways = grayscale.orientation_of(image) in grayscale.SIDEWAYS
    except Malformed:
        raise
    except Exception as error:  # Pillow's readers raise many types of error on damaged headers
        raise Malformed(
            "image_damaged", f"the {kind.name}'s header is damaged: {str(error) or type(error).__name__}"
        ) from None
    return (width, height) if sideways else (height, width)
