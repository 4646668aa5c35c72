"""The supported image formats: detected by the first bytes, opened, and validated by the header.

Pillow reads the headers. No memory for the pixels is allocated before their number is checked.
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
from PIL import AvifImagePlugin, Image
from PIL.AvifImagePlugin import AvifImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from shared.errors import Malformed
from shared.images.codecs import bmp, gif, heic, jpeg, png, webp
from shared.images.codecs.cost import animated, refuse_large
from shared.images.tiff import reader as tiff


def silence_decoders() -> None:
    """Switch off the log messages of Pillow and of its bundled libtiff for the process; not of a system libtiff."""
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    for library in (Path(PIL.__file__).parent.parent / "pillow.libs").glob("libtiff-*"):
        libtiff = ctypes.CDLL(str(library))
        libtiff.TIFFSetErrorHandler(None)
        libtiff.TIFFSetWarningHandler(None)


AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # a worker's processes share the cores
Image.MAX_IMAGE_PIXELS = None  # `max_pixels` is the limit, checked for each image
silence_decoders()
TILE_WIDTH, TILE_LENGTH = 322, 323  # tags of TIFF 6.0, section 15


@dataclass(frozen=True)
class Format:
    """A format: its name, the pattern of its first bytes, Pillow's reader, and what comes before the reader.

    `size_of` returns the width and height that the header states, 0 × 0 if it is not known without the reader.
    `prepared` returns the bytes to pass to the reader in place of the file's, and refuses a file whose decoding would
    take too long; it gets the largest number of pixels. `needs_process` returns whether the headers do not limit the
    time or the memory of the decoding, so that it must run in a process of its own.
    """

    name: str
    beginning: re.Pattern[bytes]
    reader: Callable[[io.BytesIO], ImageFile]
    size_of: Callable[[bytes], tuple[int, int]] = lambda _: (0, 0)
    prepared: Callable[[bytes, int], bytes] = lambda content, _: content
    needs_process: Callable[[bytes], bool] = lambda _: False


FORMATS = (
    Format("PNG", re.compile(rb"\x89PNG"), png.WholePng, png.size_of, png.essentials),
    Format("JPEG", re.compile(rb"\xff\xd8\xff"), JpegImageFile, jpeg.size_of, jpeg.essentials, jpeg.is_arithmetic),
    Format("BMP", re.compile(rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL), bmp.Bmp, bmp.size_of),
    Format("GIF", re.compile(rb"GIF8[79]a"), GifImageFile, gif.size_of, gif.essentials),
    Format(
        "TIFF",
        re.compile(rb"(?:II[\x2a\x2b]\0|MM\0[\x2a\x2b])(?!.{4}CR\x02)", re.DOTALL),  # not Canon's raw data
        tiff.open_tiff,
        tiff.size_of,
        needs_process=tiff.is_left_to_pillow,
    ),
    Format(
        "WebP",
        re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
        WebPImageFile,
        webp.size_of,
        needs_process=webp.may_need_much_memory,
    ),
    Format(
        "AVIF",
        re.compile(rb".{4}ftyp(avi[fs]|mi(f1|af).{4}(.{4}){0,9}avif)", re.DOTALL),
        AvifImageFile,
        needs_process=lambda _: True,
    ),
    Format("HEIC", heic.BEGINNING, heic.open_heic, needs_process=lambda _: True),
)
SVG_START = (
    rb"(?:\xef\xbb\xbf)?(?:\s{1,99}|<\?xml[^>]{0,200}>|<!--[^>]{0,400}-->){0,9}+<(?:!DOCTYPE svg|svg:svg|svg)[\s/>]"
)
UNSUPPORTED = (
    ("HEIC sequence", re.compile(rb".{4}ftyp(hev[cxms]|msf1)", re.DOTALL)),
    ("JPEG XL", re.compile(rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n", re.DOTALL)),
    ("JPEG 2000", re.compile(rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n", re.DOTALL)),
    ("Photoshop (PSD)", re.compile(rb"8BPS\0[\x01\x02]")),
    ("SVG", re.compile(SVG_START)),
    ("ICO", re.compile(rb"\0\0[\x01\x02]\0[^\0]\0.{3}\0", re.DOTALL)),
    ("PNM", re.compile(rb"P[1-6]\s(?:#[^\n]{0,200}\n|\s){0,9}\d{1,6}\s|P7\nWIDTH|P[Ff]\n")),
    ("OpenEXR", re.compile(rb"v/1\x01")),
    ("DICOM", re.compile(rb".{128}DICM", re.DOTALL)),
    ("DDS", re.compile(rb"DDS \x7c\0\0\0")),
    ("QOI", re.compile(rb"qoif")),
    ("raw data of a camera", re.compile(rb".{4}ftypcrx|II\x2a\0.{4}CR\x02|IIR[OS]\x08\0|IIU\0|FUJIFILMCCD", re.DOTALL)),
)
"""Formats that are recognized only to name them."""

WEB_PAGE = re.compile(rb"\s{0,99}<(?:!doctype html|html)[\s>]", re.IGNORECASE)
NAMES = ", ".join(known.name for known in FORMATS)


def format_of(content: bytes) -> Format:
    """Detect the format by the first bytes; raises `Malformed` if it is not supported."""
    for known in FORMATS:
        if known.beginning.match(content):
            return known
    for name, beginning in UNSUPPORTED:
        if beginning.match(content):
            raise Malformed(
                "image_unsupported",
                f"the file is an image in the format {name}, which is not supported; convert it to JPEG or PNG",
            )
    if content.startswith(b"version https://git-lfs."):
        raise Malformed("not_an_image", "the file is a pointer of Git LFS, not the image: fetch it by git lfs pull")
    if WEB_PAGE.match(content):
        raise Malformed("not_an_image", "the file is a web page, such as that of a failed download; download it again")
    what = "is not an image of a supported format" if content else "is empty"
    raise Malformed("not_an_image", f"the file {what}; send one of {NAMES}")


def damaged(kind: Format, part: str) -> Malformed:
    """Return the error for an image with a part that cannot be decoded, for whatever reason of the decoder's."""
    return Malformed("image_damaged", f"the {kind.name} is damaged or cut short: its {part} cannot be decoded")


def open_image(kind: Format, content: bytes, max_pixels: int, *, colour: bool = False) -> ImageFile:
    """Open an image and validate its header; the pixels are not decoded yet.

    colour: whether its colours are needed; without them a JPEG's luminance alone is decoded.

    Raises `Malformed` if it is too large or has several frames, and Pillow's errors for a damaged header.
    """
    refuse_large(*kind.size_of(content), max_pixels)
    image = kind.reader(io.BytesIO(kind.prepared(content, max_pixels)))
    refuse_large(*image.size, max_pixels)
    if isinstance(image, tiff.SampledTiff):
        image.refuse_costly(max_pixels)
    if isinstance(image, TiffImageFile):
        _refuse_large_tiles(image, max_pixels)
    if getattr(image, "is_animated", False):
        raise animated(kind.name)
    if not colour:
        image.draft("L", None)  # a JPEG's luminance alone: BT.601's luma by definition (JFIF 1.02)
    return image


def _refuse_large_tiles(image: TiffImageFile, max_pixels: int) -> None:
    """Raise `Malformed` for tiles that are too large: a tile is decoded as a whole, even for a small image."""
    width, height = (image.tag_v2.get(tag, 1) for tag in (TILE_WIDTH, TILE_LENGTH))
    if not (isinstance(width, int) and isinstance(height, int)):
        raise Malformed("image_damaged", "the TIFF is damaged: the size of its tiles is not a number")
    refuse_large(width, height, max_pixels)
