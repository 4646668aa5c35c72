"""The formats of images that are taken: told apart by their first bytes, opened, and judged by their headers.

Pillow reads the headers; nothing of the size of an image is allocated before its pixels are counted.
"""

from __future__ import annotations

import ctypes
import io
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import PIL
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from shared.errors import Malformed
from shared.images import png, webp
from shared.images.area import MAX_SIDE


def silence_decoders() -> None:
    """Do it, once for the process. A libtiff that Pillow did not bring along stays as it is."""
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    for library in (Path(PIL.__file__).parent.parent / "pillow.libs").glob("libtiff-*"):
        libtiff = ctypes.CDLL(str(library))
        libtiff.TIFFSetErrorHandler(None)
        libtiff.TIFFSetWarningHandler(None)


Image.MAX_IMAGE_PIXELS = None  # our own limit decides, image by image
silence_decoders()
TILE_WIDTH, TILE_LENGTH = 322, 323  # tags of TIFF 6.0, section 15


@dataclass(frozen=True)
class Format:
    """One format: its name, what its files begin with, Pillow's reader, and what must happen before that reads.

    `size_of` gives the width and height where the reader would allocate or read much before it says them, and 0 × 0
    where it would not; `prepared` gives what the reader is given in the place of the whole file.
    """

    name: str
    beginning: re.Pattern[bytes]
    reader: Callable[[io.BytesIO], ImageFile]
    size_of: Callable[[bytes], tuple[int, int]] = lambda _: (0, 0)
    prepared: Callable[[bytes], bytes] = lambda content: content


FORMATS = (
    Format("PNG", re.compile(rb"\x89PNG"), PngImageFile, png.size_of, png.essentials),
    Format("JPEG", re.compile(rb"\xff\xd8\xff"), JpegImageFile),  # what cameras add behind it is passed over
    Format("BMP", re.compile(rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL), BmpImageFile),
    Format("GIF", re.compile(rb"GIF8[79]a"), GifImageFile),
    Format("TIFF", re.compile(rb"II[\x2a\x2b]\0|MM\0[\x2a\x2b]"), TiffImageFile),
    Format("WebP", re.compile(rb"RIFF.{4}WEBP", re.DOTALL), WebPImageFile, webp.size_of),
)
NAMES = ", ".join(known.name for known in FORMATS)


def format_of(content: bytes) -> Format:
    """Tell the format by the first bytes; raises `Malformed` where it is none that is taken."""
    for known in FORMATS:
        if known.beginning.match(content):
            return known
    what = "is no image of a format that is taken" if content else "is empty"
    raise Malformed("not_an_image", f"the file {what}; send one of {NAMES}")


def open_image(kind: Format, content: bytes, max_pixels: int) -> ImageFile:
    """Open an image and judge it by its header; its pixels are not decoded yet.

    Raises `Malformed` where it is too large or has several frames, and whatever Pillow raises on damaged headers.
    """
    refuse_large(*kind.size_of(content), max_pixels)
    image = kind.reader(io.BytesIO(kind.prepared(content)))
    refuse_large(*image.size, max_pixels)
    if isinstance(image, TiffImageFile):
        _refuse_large_tiles(image, max_pixels)
    if getattr(image, "is_animated", False):
        raise Malformed(
            "image_animated", f"the {kind.name} has several frames or pages; send one of them as an image of its own"
        )
    image.draft("L", None)  # of a JPEG the luminance alone, which is the grey of BT.601 by definition (JFIF 1.02)
    return image


def refuse_large(width: int, height: int, max_pixels: int) -> None:
    """Raise `Malformed` where an image has too many pixels, or a side that is too long."""
    if width * height > max_pixels:
        raise Malformed(
            "image_too_large",
            f"the image has {width} × {height} pixels, and {max_pixels} are taken at most; send it smaller",
        )
    if max(width, height) > MAX_SIDE:
        raise Malformed("image_too_large", f"a side of the image is longer than {MAX_SIDE} pixels; send it smaller")


def _refuse_large_tiles(image: TiffImageFile, max_pixels: int) -> None:
    """A tile is decoded as a whole, however little of it belongs to the image."""
    width, height = (image.tag_v2.get(tag, 1) for tag in (TILE_WIDTH, TILE_LENGTH))
    if not (isinstance(width, int) and isinstance(height, int)):
        raise Malformed("image_damaged", "the TIFF is damaged: its tiles have no proper size")
    refuse_large(width, height, max_pixels)
