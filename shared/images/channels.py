"""Conversion of an image of any mode to grayscale or RGB, one byte a channel, and rotation to upright.

The grayscale value is the luma of ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B. A gray pixel has its value in R, G and B.
Transparent pixels are blended with black. Colour profiles and gammas are not applied. docs/data/images.md lists the
conversion of each kind of image.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from shared.images.codecs import exif, png
from shared.images.codecs.arrays import ArrayImage

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
    """Return whether an image is a grayscale PNG of 16 bits."""
    return image.mode.startswith("I")


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
    """Return EXIF's orientation, or 1 (upright) if it is missing or unreadable. Pillow itself rotates its TIFFs."""
    if isinstance(image, ArrayImage):
        return image.orientation
    data = image.info.get("exif")
    return exif.orientation_in(data) if isinstance(data, bytes) and image.format != "TIFF" else exif.UPRIGHT


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
    """Convert gray pixels of 16 bits (h, w) to their upper 8 bits."""
    values = np.asarray(image)
    pixels = (values >> 8).astype(np.uint8)
    transparent = image.info.get("transparency")
    if transparent is not None:
        pixels[values == transparent] = 0
    return pixels
