"""Conversion of an image of any mode to grayscale or RGB, one byte a channel, and rotation to upright.

The grayscale value is the luma of ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B. A gray pixel has its value in R, G and B.
Transparent pixels are blended with black. Colour profiles and gammas are not applied. docs/images.md lists the
conversion of each kind of image.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from shared.errors import Malformed
from shared.images import png

ORIENTATION = 0x0112  # in EXIF and TIFF
BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT = 0x0102, 0x0106, 0x0153  # TIFF 6.0
UNSIGNED, SIGNED = 1, 2
WHITE_IS_ZERO = 0
BAND = 1 << 18  # pixels copied at a time
SIDEWAYS = frozenset({5, 6, 7, 8})  # orientations that show the first row as a column


def to_grayscale(image: Image.Image) -> NDArray[np.uint8]:
    """Return the grayscale pixels (h, w) of an image, not yet upright; raises Pillow's errors for damaged data."""
    if is_deep(image):
        return _of_deep(image)
    if (alpha := png.alpha_of_marked_colour(image)) is not None:
        return np.asarray(ImageChops.multiply(image.convert("L"), alpha))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return np.asarray(ImageChops.multiply(image.convert("L"), image.getchannel("A")))
    return np.asarray(image if image.mode == "L" else image.convert("L"))


def to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """Return the pixels of an image, not yet upright; closes the image if it converts it.

    They are (h, w, 3), or (h, w) if the image's mode has no colours. Raises Pillow's errors for damaged data.
    """
    if is_deep(image):
        return _of_deep(image)
    plain = over_black(image)
    return np.asarray(plain) if plain.mode == "L" else _pixels(plain)


def over_black(image: Image.Image) -> Image.Image:
    """Return an image that is not deep in the mode RGB, or L if its mode has no colours; closes it if it converts it.

    Transparent pixels are blended with black.
    """
    alpha = png.alpha_of_marked_colour(image)
    if alpha is None and image.has_transparency_data:
        image = _replaced(image, "RGBA")
        alpha = image.getchannel("A")
    if alpha is not None:
        blended = Image.new("RGB", image.size)
        blended.paste(image, mask=alpha)  # each channel times alpha / 255, rounded
        image.close()
        return blended
    return _replaced(image, "L" if image.mode in {"1", "L"} else "RGB")


def is_deep(image: Image.Image) -> bool:
    """Return whether an image is grayscale with more than 8 bits; raises `Malformed` for L*a*b*."""
    if image.mode == "LAB":
        raise Malformed(
            "image_unsupported", "the image's colours are L*a*b*, which is not supported; send it as RGB or grayscale"
        )
    return image.mode == "F" or image.mode.startswith("I")


def upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Rotate and mirror pixels (h, w) or (h, w, 3) by EXIF's orientation, 1 to 8."""
    if orientation in SIDEWAYS:
        pixels = pixels.swapaxes(0, 1)
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    if orientation in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    return pixels


def orientation_of(image: Image.Image) -> int:
    """Return EXIF's orientation, or 1 (upright) if it is missing or unreadable. Pillow itself rotates TIFFs."""
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


def _replaced(image: Image.Image, mode: str) -> Image.Image:
    """Return the image in another mode, and free its own pixels; returns the image itself if it has the mode."""
    if image.mode == mode:
        return image
    converted = image.convert(mode)
    image.close()
    return converted


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    """Return the pixels (h, w, 3) of an image in RGB.

    They are copied in bands: Pillow's export of an image takes twice the memory of its pixels.
    """
    image.load()  # a decoder's memory is freed before the copy's is allocated
    width, height = image.size
    pixels = np.empty((height, width, 3), np.uint8)
    rows = max(1, BAND // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        pixels[top:bottom] = np.asarray(image.crop((0, top, width, bottom)))
    return pixels


def _of_deep(image: Image.Image) -> NDArray[np.uint8]:
    """Convert gray pixels of more than 8 bits to (h, w)."""
    return _of_floats(image) if image.mode == "F" else _of_integers(image)


def _of_floats(image: Image.Image) -> NDArray[np.uint8]:
    """Convert floats from 0 (black) to 1 (white), as most programs write them; clips other values, and NaN to 0."""
    values = np.nan_to_num(np.asarray(image, np.float32), nan=0.0)
    pixels = (np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)
    return _white_is_255(image, pixels)


def _of_integers(image: Image.Image) -> NDArray[np.uint8]:
    """Convert integers of more than 8 bits to their upper 8 bits; negative values become 0 (black)."""
    bits, form = 16, UNSIGNED
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        bits, form = tags.get(BITS_PER_SAMPLE, (16,))[0], tags.get(SAMPLE_FORMAT, (UNSIGNED,))[0]
    values = np.asarray(image)
    if form == SIGNED:
        values = np.maximum(values, 0)
        bits -= 1  # the sign bit
    elif image.mode == "I":  # Pillow reads unsigned 32-bit integers as signed
        values = values.view(np.uint32)
    pixels = (values >> (bits - 8)).astype(np.uint8)
    transparent = image.info.get("transparency")
    if transparent is not None:
        pixels[values == transparent] = 0
    return _white_is_255(image, pixels)


def _white_is_255(image: Image.Image, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Invert the pixels of a TIFF that stores white as 0; for up to 8 bits Pillow itself does so."""
    tags = getattr(image, "tag_v2", {PHOTOMETRIC: None})
    return 255 - pixels if tags.get(PHOTOMETRIC, WHITE_IS_ZERO) == WHITE_IS_ZERO else pixels
