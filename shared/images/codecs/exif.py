"""The orientation in EXIF data (Exif 2.32, section 4.6): a directory as in TIFF, of which one field is read."""

from __future__ import annotations

import struct

ORIENTATION, SHORT = 0x0112, 3
PREFIX = b"Exif\0\0"  # JPEG's, and some programs' in other formats
UPRIGHT = 1
MAX_FIELDS = 4096


def orientation_in(data: bytes) -> int:
    """Return the orientation, 1 to 8; 1 (upright) if it is missing or unreadable."""
    start = len(PREFIX) if data.startswith(PREFIX) else 0
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[start : start + 4])
    if order is None:
        return UPRIGHT
    try:
        (directory,) = struct.unpack_from(order + "I", data, start + 4)
        (count,) = struct.unpack_from(order + "H", data, start + directory)
        for field in range(min(count, MAX_FIELDS)):
            place = start + directory + 2 + 12 * field
            tag, kind, number, value = struct.unpack_from(order + "HHIH", data, place)
            if tag == ORIENTATION:
                return value if kind == SHORT and number == 1 and value in range(1, 9) else UPRIGHT
    except struct.error:
        pass
    return UPRIGHT
