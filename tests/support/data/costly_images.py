"""Valid image files that are small, and cost their decoders much time or memory."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

import numpy as np

from tests.support.data.images import LONG, SHORT

PROGRESSIVE, ARITHMETIC = 0xC2, 0xCA  # frames


def segment(marker: int, content: bytes) -> bytes:
    """Return a segment of a JPEG."""
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


def jpeg_of_scans(scans: int, side: int, frame: int = PROGRESSIVE, between: bytes = b"") -> bytes:
    """Return a gray JPEG of side × side pixels whose scans are empty: the decoder fills them with zeros.

    between: what is before each scan but the first.
    """
    scan = segment(0xDA, bytes([1, 1, 0, 1, 63, 0]))
    return b"".join(
        [
            b"\xff\xd8",
            segment(0xDB, b"\0" + b"\1" * 64),
            segment(frame, struct.pack(">BHHB", 8, side, side, 1) + bytes([1, 0x11, 0])),
            segment(0xC4, b"\x00" + bytes([1] + [0] * 15) + b"\x00"),
            segment(0xC4, b"\x10" + bytes([1] + [0] * 15) + b"\x00"),
            segment(0xDA, bytes([1, 1, 0, 0, 0, 0])),
            (between + scan) * (scans - 1),
            b"\xff\xd9",
        ]
    )


def tiff_of_equal_strips(width: int, strips: int, compression: int = 8, **more: tuple[int, ...]) -> bytes:
    """Return a gray TIFF whose strips are rows at one place in the file. `more` has other fields: `_338=(0,)`."""
    return tiff_of_chunks({278: (1,)}, {273: strips, 279: strips}, (width, strips), width, compression, **more)


def tiff_of_equal_tiles(
    width: int, height: int, tile: tuple[int, int], compression: int = 8, **more: tuple[int, ...]
) -> bytes:
    """Return a gray TIFF whose tiles (width, height) are at one place in the file."""
    count = -(-width // tile[0]) * -(-height // tile[1])
    fields = {322: (tile[0],), 323: (tile[1],)}
    return tiff_of_chunks(fields, {324: count, 325: count}, (width, height), tile[0] * tile[1], compression, **more)


def tiff_of_chunks(
    fields: Mapping[int, tuple[int, ...]],
    counts: Mapping[int, int],
    size: tuple[int, int],
    chunk: int,
    compression: int,
    **more: tuple[int, ...],
) -> bytes:
    """Return a TIFF of black chunks of so many bytes each, all at one place; `counts` of their places and sizes."""
    others = {int(tag[1:]): values for tag, values in more.items()}
    samples, bits = others.get(277, (1,))[0], others.get(258, (8,))[0]
    raw = bytes(-(-chunk * samples * bits // 8))
    packed = raw if compression == 1 else zlib.compress(raw)
    places, sizes = counts
    entries = {
        256: (size[0],),
        257: (size[1],),
        258: (8,),
        259: (compression,),
        262: (1,),
        277: (1,),
        places: (8,) * counts[places],
        sizes: (len(packed),) * counts[sizes],
        **fields,
        **others,
    }
    return _tiff(entries, packed)


def _tiff(entries: dict[int, tuple[int, ...]], data: bytes) -> bytes:
    start = 8 + len(data)
    after = start + 2 + 12 * len(entries) + 4
    directory, rest = struct.pack("<H", len(entries)), b""
    for tag, values in sorted(entries.items()):
        kind, letter, room = (LONG, "I", 1) if max(values) > 0xFFFF else (SHORT, "H", 2)
        packed = struct.pack(f"<{len(values)}{letter}", *values)
        if len(values) > room:
            packed, rest = struct.pack("<I", after + len(rest)), rest + packed
        directory += struct.pack("<HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    return struct.pack("<2sHI", b"II", 42, start) + data + directory + bytes(4) + rest


def webp_of_many_tables(side: int = 1024) -> bytes:
    """Return a lossless WebP (RFC 9649, section 3.7) with a group of prefix codes for each 4 × 4 pixels.

    A group has 20 bits in the file, and more than 5 KB in the decoder's memory.
    """
    groups = (side // 4) ** 2
    single = [1, 0, 0, 0]  # a prefix code of one symbol, 0, which then takes no bits
    bits: list[int] = []

    def put(value: int, count: int) -> None:
        bits.extend(value >> place & 1 for place in range(count))

    put(0x2F, 8)
    put(side - 1, 14)
    put(side - 1, 14)
    put(0, 1 + 3)  # no transparency, version 0
    put(0, 1 + 1)  # no transforms, no cache of colours
    put(1, 1)  # an image of the groups' numbers, of blocks of 4 × 4
    put(0, 3 + 1)
    for symbols in (256 + 24, 256):  # the codes of green and red: 8 bits for each of 256 values
        put(0, 1)
        put(12 - 4, 4)
        for length in (0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1):  # of the codes of the lengths 0 and 8
            put(length, 3)
        put(0, 1)
        bits += [1] * 256 + [0] * (symbols - 256)
    bits += single * 3  # blue, alpha, distance
    for number in range(groups):
        for value in (number & 255, number >> 8):
            bits += [value >> place & 1 for place in range(7, -1, -1)]
    bits += single * 5 * groups
    data = np.packbits(np.array(bits, np.uint8), bitorder="little").tobytes()
    data += bytes(len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(data) + 12) + b"WEBPVP8L" + struct.pack("<I", len(data)) + data
