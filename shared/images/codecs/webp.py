"""The size of a WebP image, read from its header (RFC 9649, sections 2.5 to 2.7)."""

from __future__ import annotations

import struct

from shared.errors import Malformed

SMALL = 1 << 14  # bytes whose tables take at most 64 MiB


def size_of(content: bytes) -> tuple[int, int]:
    """Return the width and height of the canvas; raises `Malformed` if the header does not contain them."""
    kind, header = content[12:16], content[20:30]
    if len(header) == 10:
        if kind == b"VP8X":  # 24 bits each, the size minus one
            return 1 + int.from_bytes(header[4:7], "little"), 1 + int.from_bytes(header[7:10], "little")
        if kind == b"VP8L" and header[0] == 0x2F:  # 14 bits each, the size minus one
            (bits,) = struct.unpack_from("<I", header, 1)
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        if kind == b"VP8 " and header[3:6] == b"\x9d\x01\x2a":  # 14 bits each; the upper two bits scale the display
            width, height = struct.unpack_from("<HH", header, 6)
            return width & 0x3FFF, height & 0x3FFF
    raise Malformed("image_damaged", "the WebP is damaged or cut short: its header has no size")


def may_need_much_memory(content: bytes) -> bool:
    """Return whether the tables of lossless pixels may take more memory than the pixels: 12 KB for each 3 bytes."""
    if len(content) <= SMALL or content[12:16] == b"VP8 ":
        return False
    return b"VP8L" in content or b"ALPH" in content
