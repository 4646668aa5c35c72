"""From an image of any kind to its greys: one byte for each pixel, upright.

Grey is that of ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B. What is transparent lies over black. Colour profiles and
gammas are not applied. docs/images.md has the table of what becomes of which kind.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from shared.errors import Malformed

ORIENTATION = 0x0112  # in EXIF and TIFF
BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT = 0x0102, 0x0106, 0x0153  # TIFF 6.0
UNSIGNED, SIGNED = 1, 2
WHITE_IS_ZERO = 0
SIDEWAYS = frozenset({5, 6, 7, 8})  # orientations in which the first row is shown as a column


def greys(image: Image.Image) -> NDArray[np.uint8]:
    """The greys (h, w) of an image, not turned yet; raises whatever Pillow raises on damaged data."""
    if image.mode == "F":
        return _of_floats(image)
    if image.mode.startswith("I"):
        return _of_integers(image)
    if image.mode == "LAB":
        raise Malformed(
            "image_unsupported", "the image's colours are L*a*b*, which is not taken; send it as RGB or grey"
        )
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return np.asarray(ImageChops.multiply(image.convert("L"), image.getchannel("A")))
    return np.asarray(image if image.mode == "L" else image.convert("L"))


def upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Turn greys (h, w) as EXIF's orientation, 1 to 8, says."""
    if orientation in SIDEWAYS:
        pixels = pixels.T
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    if orientation in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    return pixels


def orientation_of(image: Image.Image) -> int:
    """EXIF's orientation; 1, upright, where there is none that can be read. Pillow turns TIFFs itself."""
    data = image.info.get("exif")
    if not data or image.format == "TIFF":
        return 1
    exif = Image.Exif()
    try:
        exif.load(data)
        orientation = exif.get(ORIENTATION, 1)
    except Exception:
        return 1
    return orientation if orientation in range(1, 9) else 1


def _of_floats(image: Image.Image) -> NDArray[np.uint8]:
    """Floats are grey from 0 to 1, as most programs write them; what lies outside is cut off, and NaN is black."""
    values = np.nan_to_num(np.asarray(image, np.float32), nan=0.0)
    pixels = (np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)
    return _white_is_255(image, pixels)


def _of_integers(image: Image.Image) -> NDArray[np.uint8]:
    """Of more than eight bits the upper eight count; below zero all is black."""
    bits, form = 16, UNSIGNED
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        bits, form = tags.get(BITS_PER_SAMPLE, (16,))[0], tags.get(SAMPLE_FORMAT, (UNSIGNED,))[0]
    values = np.asarray(image)
    if form == SIGNED:
        values = np.maximum(values, 0)
        bits -= 1  # the sign's
    elif image.mode == "I":  # Pillow has no unsigned ones of 32 bits
        values = values.view(np.uint32)
    pixels = (values >> (bits - 8)).astype(np.uint8)
    transparent = image.info.get("transparency")
    if transparent is not None:
        pixels[values == transparent] = 0
    return _white_is_255(image, pixels)


def _white_is_255(image: Image.Image, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turn what a TIFF stores with white as zero; Pillow does so itself for up to eight bits."""
    tags = getattr(image, "tag_v2", {PHOTOMETRIC: None})
    return 255 - pixels if tags.get(PHOTOMETRIC, WHITE_IS_ZERO) == WHITE_IS_ZERO else pixels
