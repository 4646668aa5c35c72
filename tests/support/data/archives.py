"""Zip archives, valid and hostile."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Written:
    """An entry of a zip as a certain program writes it: the bytes of its name, flags, system and extra fields."""

    name: bytes
    content: bytes = b""
    flags: int = 0
    system: int = 0
    extra: bytes = b""
    attributes: int = 0


def zip_as_written(entries: Iterable[Written]) -> bytes:
    """Return an archive of stored entries with exactly these fields."""
    whole = central = b""
    count = 0
    for entry in entries:
        sizes = (zlib.crc32(entry.content), len(entry.content), len(entry.content))
        fields = (entry.flags, 0, 0, 0x21, *sizes, len(entry.name), len(entry.extra))
        version = 20 | entry.system << 8
        directory = struct.pack(
            "<4s6H3L5H2L", CENTRAL_HEADER, version, 20, *fields, 0, 0, 0, entry.attributes, len(whole)
        )
        central += directory + entry.name + entry.extra
        whole += struct.pack("<4s5H3L2H", LOCAL_HEADER, 20, *fields) + entry.name + entry.extra + entry.content
        count += 1
    return whole + central + struct.pack("<4s4H2LH", END, 0, 0, count, count, len(central), len(whole), 0)


def unicode_path(raw: bytes, name: str) -> bytes:
    """Return Info-ZIP's extra field with the name in UTF-8, valid for these bytes of the name (APPNOTE 4.6.9)."""
    content = struct.pack("<BL", 1, zlib.crc32(raw)) + name.encode()
    return struct.pack("<2H", 0x7075, len(content)) + content


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
