"""Which files are sent as images: those with the ending of an image, and those with the first bytes of one.

The server decides by the content which of them it can read.
"""

from __future__ import annotations

import re

ENDINGS = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".gif", ".tif", ".tiff", ".webp", ".avif")
"""Endings of the formats that the server reads."""

FOREIGN_ENDINGS = (
    *(".heic", ".heif", ".jxl", ".jp2", ".j2k", ".psd", ".svg", ".ico", ".tga", ".exr", ".dcm"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".raw"),
)
"""Endings of images of other formats."""

TEXT_ENDINGS = (
    *(".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".md", ".html", ".log", ".py", ".ipynb"),
    ".mat",
)
"""Endings of files that describe images: a folder of such files alone is not meant as a class."""

FIRST_BYTES = 32
BEGINNING = re.compile(
    rb"\x89PNG|\xff\xd8\xff|GIF8[79]a|II[\x2a\x2b]\0|MM\0[\x2a\x2b]|RIFF.{4}WEBP"
    rb"|BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0"
    rb"|.{4}ftyp(?:hei|hev|mif1|msf1|avi[fs])"  # HEIC and AVIF
    rb"|\xff\x0a|\0\0\0\x0cJXL |\0\0\0\x0cjP  |8BPS",  # JPEG XL, JPEG 2000, Photoshop
    re.DOTALL,
)


def is_image(content: bytes) -> bool:
    """Return whether a file with these first bytes is an image, of any format."""
    return BEGINNING.match(content) is not None
