"""From an image file's bytes to the network's input: grey, the model's size, one row of a batch.

PNG, JPEG, BMP, GIF, TIFF and WebP, with one frame each. Grey is that of ITU-R BT.601, what is transparent lies over
black, EXIF's orientation is applied, and each pixel of the input is the mean of the area that it covers in the image.
docs/images.md has the details.

Memory: an image that needs more than the process may use costs that image (`image_too_large`), if it is one of more
than `SMALL` pixels. A smaller one fits wherever a worker can work at all: where there is no memory for it, the process
has none left, which is no fault of the image's, and `MemoryError` goes up.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from shared.errors import Malformed
from shared.images import grey, png
from shared.images.area import area_resize
from shared.images.formats import Format, format_of, open_image

SMALL = 1 << 20
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
    """Resize greys (n, h, w) into `rows` (n, H, W), as `decode_into` resizes; of the same size they are copied."""
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
    size = 0
    try:
        with warnings.catch_warnings(action="ignore"):  # Pillow's, of metadata that do not matter here
            image = open_image(kind, content, max_pixels)
            size = image.width * image.height
            orientation = grey.orientation_of(image)
            pixels = grey.greys(image)
    except MemoryError as error:
        raise _too_much_memory(error, size) from None
    except Malformed:
        raise
    except Exception as error:  # Pillow's decoders raise IndexError, AssertionError and more on damaged data
        raise _damaged(kind, error) from None
    height, width = row.shape
    # Turning a resized image is the same as resizing a turned one, and has less to turn.
    shape = (width, height) if orientation > 4 else (height, width)
    if pixels.shape != shape:
        pixels = area_resize(pixels, shape)
    row[...] = grey.upright(pixels, orientation)


def _too_much_memory(error: MemoryError, size: int) -> Exception:
    if size <= SMALL:
        return error
    return Malformed("image_too_large", "decoding the image needs more memory than a worker may use; send it smaller")


def _damaged(kind: Format, error: Exception) -> Malformed:
    reason = str(error) or type(error).__name__
    return Malformed("image_damaged", f"the {kind.name} is damaged or cut short: {reason}")


def invert(images: NDArray[np.uint8], mode: str) -> None:
    """Turn dark on bright into bright on dark, in place: `always`, `never`, or `auto`, which goes by the border."""
    if mode == "never" or not len(images):
        return
    if mode == "always":
        np.subtract(255, images, out=images)
        return
    border = np.concatenate([images[:, 0], images[:, -1], images[:, 1:-1, 0], images[:, 1:-1, -1]], axis=1)
    bright = border.mean(axis=1) > 127
    images[bright] = 255 - images[bright]
