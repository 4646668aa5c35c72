"""From an image file's bytes to the network's input: grey, the model's size, one row of a batch.

PNG, JPEG, BMP, GIF, TIFF and WebP, with one frame each. Grey is that of ITU-R BT.601, what is transparent lies over
black, EXIF's orientation is applied, and each pixel of the input is the mean of the area that it covers in the image.
docs/images.md has the details.

Memory: a worker may be limited to some. An image of more than `SMALL` pixels that does not fit into it costs that image
(`image_too_large`). A smaller one fits wherever a worker can work at all: where there is no memory even for that, the
process has none left, which is not the image's fault, and `MemoryError` goes up.
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
BYTES_PER_PIXEL = 16  # at most, while a format's decoder works
BLOCK = 1 << 22  # pixels that are resized at a time


def decode_into(row: NDArray[np.uint8], content: bytes, max_pixels: int) -> None:
    """Decode an image into `row` (H, W), which may hold anything if it fails.

    Raises `Malformed` where the bytes are no image, a broken one, an animation, or one of more than `max_pixels`, which
    is decided from the header.
    """
    if row.size <= max_pixels and png.decode_plain_into(row, content):
        return
    _decode_any_into(row, content, max_pixels)


def resize_into(rows: NDArray[np.uint8], images: NDArray[np.uint8]) -> None:
    """Resize greys (n, h, w) into `rows` (n, H, W), as `decode_into` resizes; of the same size they are copied.

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
        with warnings.catch_warnings(action="ignore"):  # Pillow's, of metadata that do not matter here
            image = open_image(kind, content, max_pixels)
            orientation = grayscale.orientation_of(image)
            pixels = grayscale.greys(image)
            image.close()  # its memory is not needed for what follows
        height, width = row.shape
        # Turning what is resized gives the same as resizing what is turned, and is less to turn.
        shape = (width, height) if orientation in grayscale.SIDEWAYS else (height, width)
        if pixels.shape != shape:
            pixels = area_resize(pixels, shape)
        row[...] = grayscale.upright(pixels, orientation)
    except Malformed:
        raise
    except Exception as error:  # Pillow's decoders raise IndexError, AssertionError and more on damaged data
        raise _explained(error, kind, *(image.size if image else kind.size_of(content))) from None


def _explained(error: Exception, kind: Format, width: int, height: int) -> Exception:
    """What an error means that came up while an image was decoded, whose size is 0 × 0 where it was not known yet."""
    memory = isinstance(error, MemoryError)
    size = width * height
    if size > SMALL and (memory or not _is_free(size * BYTES_PER_PIXEL)):
        return Malformed(
            "image_too_large",
            f"decoding {width} × {height} pixels needs more memory than a worker may use; send it smaller",
        )
    if memory:
        return error
    reason = str(error) or type(error).__name__
    return Malformed(
        "image_damaged", f"the {kind.name} is damaged, cut short, or of a rare kind, and cannot be decoded: {reason}"
    )


def _is_free(size: int) -> bool:
    """Tell whether the process may have so many bytes more: some decoders call it damage when they get no memory."""
    try:
        np.empty(size, np.uint8)
    except MemoryError:
        return False
    return True


def invert(images: NDArray[np.uint8], mode: str) -> None:
    """Turn dark on bright into bright on dark, in place: `always`, `never`, or `auto`, which goes by the border."""
    if mode == "never" or not len(images):
        return
    if mode == "always":
        np.subtract(255, images, out=images)
        return
    border = np.concatenate([images[:, 0], images[:, -1], images[:, 1:-1, 0], images[:, 1:-1, -1]], axis=1)
    bright = border.sum(axis=1, dtype=np.uint32) > 127 * border.shape[1]
    images[bright] ^= 255


def shape_of(content: bytes, max_pixels: int) -> tuple[int, int]:
    """The height and width that an image has when it is decoded and not resized; raises `Malformed`."""
    kind = format_of(content)
    try:
        with warnings.catch_warnings(action="ignore"), open_image(kind, content, max_pixels) as image:
            width, height = image.size
            sideways = grayscale.orientation_of(image) in grayscale.SIDEWAYS
    except Malformed:
        raise
    except Exception as error:  # Pillow's readers raise much on damaged headers
        raise Malformed(
            "image_damaged", f"the {kind.name}'s header is damaged: {str(error) or type(error).__name__}"
        ) from None
    return (width, height) if sideways else (height, width)
