"""From an image file's bytes to the network's input: grey, the model's size, one row of a batch."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from shared.errors import Malformed

FORMATS = ("PNG", "JPEG")
MAGICS = (b"\x89PNG", b"\xff\xd8\xff")
Image.MAX_IMAGE_PIXELS = None  # our own limit decides, image by image


def decode_into(row: NDArray[np.uint8], content: bytes, max_pixels: int) -> None:
    """Decode an image into `row` (H, W): grey by ITU-R BT.601, alpha over black, resized by area.

    Raises `Malformed` where the bytes are no image, a broken one, an animation, or one of more than `max_pixels`, which
    is decided from the header.
    """
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:
        if content.startswith(MAGICS):
            raise Malformed("image_damaged", "the image's header is damaged or cut short") from None
        raise Malformed("not_an_image", f"the file is none of {', '.join(FORMATS)}") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise Malformed("image_damaged", f"the image's header is damaged: {error}") from None
    if image.width * image.height > max_pixels:
        raise Malformed("image_too_large", f"the image has more than {max_pixels} pixels")
    if getattr(image, "n_frames", 1) > 1:
        raise Malformed("image_animated", "the image has several frames")
    try:
        row[...] = np.asarray(_fitted(image, row.shape))
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise IndexError, AssertionError and more on damaged data
        raise Malformed("image_damaged", f"the image's data is damaged: {error!r}") from None


def _fitted(image: Image.Image, shape: tuple[int, ...]) -> Image.Image:
    """The image in grey and of the `shape` (H, W)."""
    if image.mode != "L":
        image = _grey(image)
    height, width = shape
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BOX)
    return image


def _grey(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits: the upper eight
        return Image.fromarray((np.asarray(image, np.uint32) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.composite(image.convert("L"), Image.new("L", image.size), image.getchannel("A"))
    return image.convert("L")


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
