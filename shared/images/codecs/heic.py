"""HEIC files (ISO/IEC 23008-12 with HEVC), which phones write: read by libheif, in a decoder process alone.

libheif ends its process if memory is short. It applies the rotation that the container states; EXIF's orientation does
not count in HEIC.
"""

from __future__ import annotations

import io
import re

from PIL.ImageFile import ImageFile

from shared.errors import Malformed

BEGINNING = re.compile(rb".{4}ftyp(hei[cxms]|mif1)", re.DOTALL)


def open_heic(file: io.BytesIO) -> ImageFile:
    """Open a HEIC; raises `Malformed` if no image in it has the compression HEVC, and SyntaxError if it is damaged."""
    from pi_heif import options  # noqa: PLC0415 - only decoder processes load libheif
    from pi_heif.as_plugin import HeifImageFile  # noqa: PLC0415

    options.DECODE_THREADS = 1  # a worker's processes share the cores
    try:
        image: ImageFile = HeifImageFile(file)
    except SyntaxError as error:
        if "nsupported" in str(error) or "not identified" in str(error):  # the latter: a file without any such image
            raise Malformed(
                "image_unsupported",
                "the file is an image in the format HEIF without the compression HEVC, which is not supported;"
                " convert it to JPEG or PNG",
            ) from None
        raise
    return image
