"""Conversion of an image of any mode to grayscale or RGB, one byte a channel, and rotation to upright.

The grayscale value is the luma of ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B. A gray pixel has its value in R, G and B.
Transparent pixels are blended with black, or with white if the visible ones are dark. Colour profiles and gammas are
not applied. docs/data/images.md lists the conversion of each kind of image.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from shared.images.codecs import exif, png
from shared.images.codecs.arrays import ArrayImage

BAND = 1 << 18  # pixels copied at a time
SIDEWAYS = frozenset({5, 6, 7, 8})  # orientations that show the first row as a column
PREMULTIPLIED = frozenset({"La", "RGBa"})  # modes with colours that are multiplied by the transparency
DARK = 64  # gray levels below it are hardly visible on black
OPAQUE = 255
LEAST_BRIGHT = np.maximum(1, np.arange(256) * DARK // 255).astype(np.uint8)
"""The gray level of `DARK` after it is blended with black, by the transparency."""

FEW_BRIGHT = 0.1  # of the visible pixels, at most, in a picture that would be lost on black


def to_grayscale(image: Image.Image) -> NDArray[np.uint8]:
    """Return the grayscale pixels (h, w) of an image, not yet upright; raises Pillow's errors for damaged data."""
    if is_deep(image):
        return _of_deep(image)
    image, alpha = _with_alpha(image)
    if alpha is None:
        return np.asarray(image if image.mode == "L" else image.convert("L"))
    if image.mode in PREMULTIPLIED:
        gray = _colours(image).convert("L")
    else:
        gray = ImageChops.multiply(image.convert("L"), alpha)
    pixels = np.asarray(gray)
    if _is_partly_transparent(alpha) and is_lost_on_black(pixels, np.asarray(alpha)):
        return np.asarray(ImageChops.add(gray, ImageChops.invert(alpha)))
    return pixels


def to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """Return the pixels of an image, not yet upright; closes the image if it converts it.

    They are (h, w, 3), or (h, w) if the image's mode has no colours. Raises Pillow's errors for damaged data.
    """
    if is_deep(image):
        return _of_deep(image)
    plain = flattened(image)
    return np.asarray(plain) if plain.mode == "L" else _pixels(plain)


def flattened(image: Image.Image) -> Image.Image:
    """Return an image that is not deep in the mode RGB, or L if its mode has no colours; closes it if it converts it.

    Transparent pixels are blended with black, or with white if the picture would be lost on black.
    """
    image, alpha = _with_alpha(image)
    if alpha is None:
        return _replaced(image, "L" if image.mode in {"1", "L"} else "RGB")
    if image.mode in PREMULTIPLIED:
        blended = _colours(image)
    else:
        blended = Image.new("RGB", image.size)
        blended.paste(image, mask=alpha)  # each channel times alpha / 255, rounded
    image.close()
    if _is_partly_transparent(alpha) and is_lost_on_black(np.asarray(blended.convert("L")), np.asarray(alpha)):
        rest = ImageChops.invert(alpha)
        blended = Image.merge(blended.mode, [ImageChops.add(band, rest) for band in blended.split()])
    return blended


def is_lost_on_black(gray: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> bool:
    """Return whether a picture must be blended with white: at least nine tenths of its visible pixels are dark.

    gray: the gray levels (h, w) after it is blended with black. alpha: some pixels are visible, and some transparent.
    """
    return bool(np.count_nonzero(gray >= LEAST_BRIGHT[alpha]) <= FEW_BRIGHT * np.count_nonzero(alpha))


def _is_partly_transparent(alpha: Image.Image) -> bool:
    """Return whether some pixels are visible, and some are transparent."""
    least, most = alpha.getextrema()
    return least != OPAQUE and most != 0


def _with_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Return the image, in the mode RGBA if it is transparent and not premultiplied, and its transparency or None."""
    if (alpha := png.alpha_of_marked_colour(image)) is not None:
        return image, alpha
    if not image.has_transparency_data:
        return image, None
    if image.mode not in PREMULTIPLIED:
        image = _replaced(image, "RGBA")
    return image, image.getchannel(image.getbands()[-1])


def _colours(image: Image.Image) -> Image.Image:
    """Return the colours of a premultiplied image, which are those on black, in the mode L or RGB."""
    *bands, _ = image.split()
    return bands[0] if len(bands) == 1 else Image.merge("RGB", bands)


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
        ground = values == transparent
        pixels[ground] = 0
        if ground.any() and not ground.all() and is_lost_on_black(pixels, np.where(ground, 0, OPAQUE)):
            pixels[ground] = 255
    return pixels
