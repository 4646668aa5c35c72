"""Which files are sent as images: those with the ending of an image, and those with the first bytes of one.

The server decides by the content which of them it can read.
"""

from __future__ import annotations

import re

ENDINGS = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".gif", ".tif", ".tiff", ".webp", ".avif")
"""Endings of the formats that the server reads."""

FOREIGN_ENDINGS = (
    *(
        ".heic",
        ".heif",
        ".hif",
        ".jxl",
        ".jp2",
        ".j2k",
        ".jpx",
        ".jxr",
        ".psd",
        ".psb",
        ".svg",
        ".svgz",
        ".ico",
        ".cur",
    ),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".pam", ".pfm", ".tga", ".exr", ".hdr", ".dcm", ".dds", ".qoi", ".pcx", ".xcf"),
    *(".icns", ".sgi", ".eps", ".ai", ".emf", ".wmf", ".fits", ".djvu", ".kra", ".bpg", ".flif"),
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".raw", ".pef", ".srw", ".x3f"),
)
"""Endings of images of other formats."""

TEXT_ENDINGS = (
    *(".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".md", ".html", ".log", ".py", ".ipynb"),
    ".mat",
)
"""Endings of files that describe images: a folder of such files alone is not meant as a class."""

FIRST_BYTES = 512
BEGINNING = re.compile(
    rb"\x89PNG|\xff\xd8\xff|GIF8[79]a|II[\x2a\x2b]\0|MM\0[\x2a\x2b]|RIFF.{4}WEBP"
    rb"|BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0"
    rb"|.{4}ftyp(?:hei[cxms]|hev[cxms]|mif1|msf1|avi[fs]|miaf.{4}(?:.{4}){0,9}avif|crx)"  # HEIC, AVIF, raw data
    rb"|\xff\x0a|\0\0\0\x0cJXL |\xff\x4f\xff\x51|\0\0\0\x0cjP  |8BPS\0[\x01\x02]"  # JPEG XL, JPEG 2000, PSD
    rb"|(?:\xef\xbb\xbf)?(?:\s{1,99}|<\?xml[^>]{0,200}>|<!--[^>]{0,400}-->){0,9}+<(?:!DOCTYPE svg|svg:svg|svg)[\s/>]"
    rb"|\0\0[\x01\x02]\0[^\0]\0.{3}\0"  # ICO
    rb"|P[1-6]\s(?:#[^\n]{0,200}\n|\s){0,9}\d{1,6}\s|P7\nWIDTH|P[Ff]\n"  # PNM
    rb"|v/1\x01|.{128}DICM|DDS \x7c\0\0\0|qoif|IIR[OS]\x08\0|IIU\0|FUJIFILMCCD",
    re.DOTALL,
)
"""The first bytes of each format that the server reads or names, `shared/images/formats.py`."""


def is_image(content: bytes) -> bool:
    """Return whether a file with these first bytes is an image, of any format."""
    return BEGINNING.match(content) is not None
