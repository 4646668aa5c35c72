"""What `decoding` changes in an image on its way to the network, as sentences for people, by the image's header."""

from __future__ import annotations

import warnings

from shared.images import channels
from shared.images.formats import format_of, open_image
from shared.images.shapes import RGB, Shape, channels_of

GRAY_MODES = frozenset({"1", "L", "LA", "La"})
DISTORTED = 0.02  # smallest change of width to height that is named


def changes_of(content: bytes, shape: Shape, max_pixels: int) -> list[str]:
    """Return what is changed in a decodable image file for the network's images of this shape.

    Nothing is returned for a format that is decoded in another process, except for its size if the header states it.
    """
    kind = format_of(content)
    if kind.needs_process(content):
        width, height = kind.size_of(content)
        return resized((height, width), shape) if width else []
    colour = channels_of(shape) == RGB
    try:
        with warnings.catch_warnings(action="ignore"), open_image(kind, content, max_pixels, colour=True) as image:
            orientation = channels.orientation_of(image)
            width, height = reversed(image.size) if orientation in channels.SIDEWAYS else image.size
            is_deep = channels.is_deep(image)
            is_gray = is_deep or image.mode in GRAY_MODES
            is_transparent = image.has_transparency_data
    except Exception:
        return []
    found = ["rotated upright, as its EXIF data say"] if orientation != 1 else []
    found += resized((height, width), shape)
    if is_transparent:
        found.append("transparent pixels blended with black, or with white if the picture is dark")
    if is_deep:
        found.append("16 bits of a pixel reduced to 8")
    if colour and is_gray:
        found.append("gray levels repeated as red, green and blue")
    elif not (colour or is_gray):
        found.append("colours converted to gray levels")
    return found


def resized(own: tuple[int, int], shape: Shape) -> list[str]:
    """Return the change from a height and width to those of the shape, none if they are the same."""
    height, width = shape[:2]
    if own == (height, width):
        return []
    ratio = (own[1] / own[0]) / (width / height)
    distorted = ", which changes its proportions" if abs(ratio - 1) > DISTORTED else ""
    return [f"resized from {own[1]} × {own[0]} to {width} × {height} pixels{distorted}"]
