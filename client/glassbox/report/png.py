"""PNG images of signed numbers, one for each pixel or three.

One number: blue below zero, red above, transparent at zero, for light and dark backgrounds. Three numbers: red, green
and blue, each mid-gray at zero.

W3C, Portable Network Graphics (third edition). The images of one number have a palette of colours, one of opacities,
and an index for each pixel; those of three numbers have three bytes for each pixel.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence

TRUECOLOUR, BY_PALETTE = 2, 3  # colour types of the header
GRAY = 127
STEPS = 15  # of opacity on each side of zero
BELOW, ABOVE = (33, 102, 172), (202, 40, 50)
PALETTE = bytes(BELOW) * STEPS + bytes(3) + bytes(ABOVE) * STEPS
OPACITIES = bytes(round(255 * abs(index - STEPS) / STEPS) for index in range(2 * STEPS + 1))


def diverging(values: Sequence[float], width: int, largest: float) -> str:
    """Return an image of the values, row by row, as a data URI; values beyond ±`largest` have the full colour."""
    scale = STEPS / largest if largest else 0.0
    indices = bytes(STEPS + min(STEPS, max(-STEPS, round(value * scale))) for value in values)
    rows = b"".join(b"\0" + indices[start : start + width] for start in range(0, len(indices), width))
    return _data_uri(width, len(indices) // width, BY_PALETTE, rows, (b"PLTE", PALETTE), (b"tRNS", OPACITIES))


def rgb(values: Sequence[float], width: int, largest: float) -> str:
    """Return an image of the values, three for each pixel, row by row, as a data URI.

    0 is mid-gray, ±`largest` and beyond are the darkest and the brightest value of the channel.
    """
    scale = GRAY / largest if largest else 0.0
    levels = bytes(GRAY + min(GRAY, max(-GRAY, round(value * scale))) for value in values)
    rows = b"".join(b"\0" + levels[start : start + 3 * width] for start in range(0, len(levels), 3 * width))
    return _data_uri(width, len(levels) // (3 * width), TRUECOLOUR, rows)


def truecolour(rows: Sequence[bytes]) -> bytes:
    """Return the content of a PNG file of rows with three bytes for each pixel."""
    return _content(len(rows[0]) // 3, len(rows), TRUECOLOUR, b"".join(b"\0" + row for row in rows))


def _data_uri(width: int, height: int, colour_type: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> str:
    content = _content(width, height, colour_type, rows, *chunks)
    return "data:image/png;base64," + base64.b64encode(content).decode()


def _content(width: int, height: int, colour_type: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    written = ((b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in written)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
