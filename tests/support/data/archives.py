"""Zip archives, valid and hostile."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from tests.support.data.images import png

Entries = Mapping[str, bytes] | Iterable[tuple[str | zipfile.ZipInfo, bytes]]

LOCAL_HEADER, CENTRAL_HEADER, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
Fields = Mapping[str, tuple[int, str]]  # of a header: offset within it, and format
CENTRAL_FIELDS: Fields = {  # APPNOTE 4.3.12
    "flags": (8, "<H"),
    "method": (10, "<H"),
    "crc": (16, "<I"),
    "compressed_size": (20, "<I"),
    "size": (24, "<I"),
    "header_offset": (42, "<I"),
}
LOCAL_FIELDS: Fields = {  # APPNOTE 4.3.7
    "flags": (6, "<H"),
    "method": (8, "<H"),
    "crc": (14, "<I"),
    "compressed_size": (18, "<I"),
    "size": (22, "<I"),
    "name_length": (26, "<H"),
    "extra_length": (28, "<H"),
}
END_FIELDS: Fields = {  # APPNOTE 4.3.16
    "disk": (4, "<H"),
    "here": (8, "<H"),
    "count": (10, "<H"),
    "size": (12, "<I"),
    "offset": (16, "<I"),
    "comment": (20, "<H"),
}


def zip_of(entries: Entries, method: int = zipfile.ZIP_STORED) -> bytes:
    """Return an archive of these entries, in this order; names may repeat."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive, warnings.catch_warnings(action="ignore"):
        for name, content in entries.items() if isinstance(entries, Mapping) else entries:
            archive.writestr(name, content)
    return file.getvalue()


def zip_of_images(images: NDArray[np.uint8], prefix: str = "") -> bytes:
    """Return an archive of PNG files `00000.png`, `00001.png`, … of images (N, H, W)."""
    return zip_of({f"{prefix}{number:05d}.png": png(image) for number, image in enumerate(images)})


def with_central(archive: bytes, entry: int, **changes: int) -> bytes:
    """Return the archive with changed fields of one entry of its central directory (flags, method, size, …)."""
    return _forged(archive, CENTRAL_HEADER, entry, CENTRAL_FIELDS, changes)


def with_local(archive: bytes, entry: int, **changes: int) -> bytes:
    """Return the archive with changed fields of one entry's local header."""
    return _forged(archive, LOCAL_HEADER, entry, LOCAL_FIELDS, changes)


def with_end(archive: bytes, **changes: int) -> bytes:
    """Return the archive with changed fields of its end record."""
    return _forged(archive, END, 0, END_FIELDS, changes)


def _forged(archive: bytes, magic: bytes, number: int, fields: Fields, changes: Mapping[str, int]) -> bytes:
    forged = bytearray(archive)
    start = -1
    for _ in range(number + 1):
        start = archive.index(magic, start + 1)
    for name, value in changes.items():
        offset, layout = fields[name]
        struct.pack_into(layout, forged, start + offset, value)
    return bytes(forged)


def special_file(name: str, mode: int) -> zipfile.ZipInfo:
    """Return an entry of the file type in `mode`, such as a link, a device or a folder on Unix."""
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    return info
