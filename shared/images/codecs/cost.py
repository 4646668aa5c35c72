"""Limits on an image: its size, and how many pixels its decoder processes, known from its headers.

A file can demand far more work than its pixels: a scan of a JPEG has 25 bytes and passes over all of them. Every
decoder passes over the pixels a few times; `PASSES` times the largest allowed image are the limit, whatever the size of
the image. docs/data/images.md has the times of the most expensive files.
"""

from __future__ import annotations

from shared.errors import Malformed
from shared.images.area import MAX_SIDE

PASSES = 64
LEAST_PIXELS = 1 << 20
"""The smallest number of pixels whose passes are counted, so that a small limit on pixels refuses no usual file."""


def refuse_large(width: int, height: int, max_pixels: int) -> None:
    """Raise `Malformed` if an image has too many pixels, or a side that is too long."""
    if width * height > max_pixels:
        raise Malformed(
            "image_too_large",
            f"the image has {width} × {height} pixels, but at most {max_pixels} are allowed; send a smaller image",
        )
    if max(width, height) > MAX_SIDE:
        raise Malformed(
            "image_too_large", f"a side of the image is longer than {MAX_SIDE} pixels; send a smaller image"
        )


def refuse_costly(what: str, pixels: int, max_pixels: int, remedy: str) -> None:
    """Raise `Malformed` if a decoder would process too many pixels: for `what`, such as "the JPEG's 900 scans"."""
    most = PASSES * max(max_pixels, LEAST_PIXELS)
    if pixels > most:
        raise Malformed(
            "image_too_costly",
            f"decoding {what} means processing {pixels:,} pixels, but at most {most:,} are allowed: {PASSES} times"
            f" GLASSBOX_MAX_IMAGE_PIXELS ({max_pixels:,}), or {LEAST_PIXELS:,} if that is less; {remedy}",
        )


def too_many(what: str, most: int, remedy: str) -> Malformed:
    """Return the error for a file of too many parts, each of which takes time."""
    return Malformed("image_too_costly", f"the image has more than {most:,} {what}, which is the limit; {remedy}")


def animated(name: str) -> Malformed:
    """Return the error for an image of several frames."""
    return Malformed("image_animated", f"the {name} has several frames or pages; send one of them as a separate image")
