"""PNG images of signed numbers: blue below zero, red above, transparent at zero, for light and dark backgrounds.

W3C, Portable Network Graphics (third edition): a palette of colours, one of opacities, and an index for each pixel.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence

STEPS = 15  # of opacity on each side of zero
BELOW, ABOVE = (33, 102, 172), (202, 40, 50)
PALETTE = bytes(BELOW) * STEPS + bytes(3) + bytes(ABOVE) * STEPS
OPACITIES = bytes(round(255 * abs(index - STEPS) / STEPS) for index in range(2 * STEPS + 1))


def diverging(values: Sequence[float], width: int, largest: float) -> str:
    """Return an image of the values, row by row, as a data URI; values beyond ±`largest` have the full colour."""
    scale = STEPS / largest if largest else 0.0
    indices = bytes(STEPS + min(STEPS, max(-STEPS, round(value * scale))) for value in values)
    rows = b"".join(b"\0" + indices[start : start + width] for start in range(0, len(indices), width))
    header = struct.pack(">IIBBBBB", width, len(indices) // width, 8, 3, 0, 0, 0)  # 8 bits, by palette
    chunks = ((b"IHDR", header), (b"PLTE", PALETTE), (b"tRNS", OPACITIES), (b"IDAT", zlib.compress(rows, 9)))
    content = b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in (*chunks, (b"IEND", b"")))
    return "data:image/png;base64," + base64.b64encode(content).decode()


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
