"""The causes of unreadable files, in the words of this project: the texts of Python's own errors help nobody."""

from __future__ import annotations

import gzip
import lzma
import struct
import zipfile
import zlib

from backports import zstd

from shared.errors import GlassboxError


def cause_of(error: Exception) -> str:
    """Return the cause that an error of a library's reader means, as the second part of a sentence."""
    match error:
        case GlassboxError():
            return error.detail
        case zlib.error() | gzip.BadGzipFile() | zstd.ZstdError() | lzma.LZMAError():
            return "its compressed data is damaged"
        case EOFError():
            return "it is cut short"
        case struct.error():
            return "a header in it is cut short"
        case zipfile.BadZipFile():
            return "the zip is damaged"
        case UnicodeError():
            return "it has text that is not UTF-8"
        case OSError():
            return error.strerror or "it cannot be read from the disk"
    return "its content is damaged"
