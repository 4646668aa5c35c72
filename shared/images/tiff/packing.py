"""Unpacking of strips and tiles to bytes.

libtiff, which Pillow contains, unpacks LZW, PackBits, LZMA and Zstandard: it receives the packed bytes as the strips of
a grayscale image with 8 bits a pixel, so that it interprets nothing.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL.TiffImagePlugin import TiffImageFile

from shared.images.tiff.directory import damaged
from shared.images.tiff.layout import DEFLATE, OLD_DEFLATE, UNCOMPRESSED

REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def unpacked(
    parts: Sequence[bytes], compression: int, heights: Sequence[int], width: int, bits_reversed: bool
) -> NDArray[np.uint8]:
    """Return the rows of bytes (sum of heights, width) of chunks with these heights; only the last may be shorter."""
    if bits_reversed:
        parts = [part.translate(REVERSED) for part in parts]
    if compression == UNCOMPRESSED:
        content = b"".join(part[: height * width] for part, height in zip(parts, heights, strict=True))
    elif compression in {DEFLATE, OLD_DEFLATE}:
        content = b"".join(_inflated(part, height * width) for part, height in zip(parts, heights, strict=True))
    else:
        return _by_libtiff(parts, compression, heights, width)
    if len(content) < sum(heights) * width:
        raise damaged("a strip or tile has too few pixels")
    return np.frombuffer(content, np.uint8).reshape(-1, width)


def _inflated(part: bytes, size: int) -> bytes:
    try:
        content = zlib.decompressobj().decompress(part, size)
    except zlib.error:
        raise damaged("a strip or tile cannot be unpacked") from None
    if len(content) < size:
        raise damaged("a strip or tile has too few pixels")
    return content


def _by_libtiff(parts: Sequence[bytes], compression: int, heights: Sequence[int], width: int) -> NDArray[np.uint8]:
    count = len(parts)
    places = struct.pack(f"<{count}I", *np.cumsum([8, *map(len, parts[:-1])]).tolist())
    sizes = struct.pack(f"<{count}I", *map(len, parts))
    start = 8 + sum(map(len, parts))
    after = start + 2 + 9 * 12 + 4
    directory = struct.pack("<H", 9)
    for tag, number, value in [
        *((256, 1, width), (257, 1, sum(heights)), (258, 1, 8), (259, 1, compression), (262, 1, 1)),
        (273, count, after if count > 1 else 8),
        *((277, 1, 1), (278, 1, heights[0])),
        (279, count, after + 4 * count if count > 1 else len(parts[0])),
    ]:
        directory += struct.pack("<HHII", tag, 4, number, value)
    content = b"".join([struct.pack("<2sHI", b"II", 42, start), *parts, directory, bytes(4), places, sizes])
    with TiffImageFile(io.BytesIO(content)) as image:
        image.load()  # an OSError is damage, or a lack of memory
        rows = np.empty((sum(heights), width), np.uint8)
        step = max(1, (1 << 18) // width)
        for top in range(0, len(rows), step):  # Pillow's export takes twice the memory of the pixels
            rows[top : top + step] = np.asarray(image.crop((0, top, width, min(top + step, len(rows)))))
        return rows
