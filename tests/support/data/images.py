"""Image files as bytes."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SHORT, LONG = 3, 4  # types of TIFF's fields


def encoded(image: Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    """Return the image as a file's bytes."""
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def png(pixels: NDArray[Any]) -> bytes:
    """Return an array (H, W), or (H, W, channels), as a PNG file."""
    return encoded(Image.fromarray(pixels))


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return one chunk of a PNG file, with its checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def chunks_of(content: bytes) -> list[tuple[bytes, bytes]]:
    """Return the chunks of a PNG file."""
    parts = []
    place = 8
    while place < len(content):
        (length,) = struct.unpack_from(">I", content, place)
        parts.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + length]))
        place += 12 + length
    return parts


def png_of(parts: list[tuple[bytes, bytes]]) -> bytes:
    """Return a PNG file of these chunks."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, content) for kind, content in parts)


def png_by_hand(width: int, height: int, bits: int, colour: int, rows: bytes, *more: tuple[bytes, bytes]) -> bytes:
    """Return a PNG file of any kind; `rows` are the rows of pixels, each after its filter's number."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return png_of([(b"IHDR", header), *more, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")])


def tiff(
    pixels: NDArray[Any],
    photometric: int = 1,
    order: Literal["<", ">"] = "<",
    fields: Mapping[int, tuple[int, ...]] = MappingProxyType({}),
) -> bytes:
    """Return an array (H, W), or (H, W, channels), as an uncompressed TIFF file, with changed `fields`."""
    height, width, channels = (*pixels.shape, 1)[:3]
    data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    entries: dict[int, tuple[int, ...]] = {
        256: (width,),
        257: (height,),
        258: (8 * pixels.dtype.itemsize,) * channels,
        259: (1,),
        262: (photometric,),
        273: (8,),
        277: (channels,),
        278: (height,),
        279: (len(data),),
        339: ({"u": 1, "i": 2, "f": 3}[pixels.dtype.kind],) * channels,
        **fields,
    }
    start = 8 + len(data)
    after = start + 2 + 12 * len(entries) + 4
    directory, rest = struct.pack(order + "H", len(entries)), b""
    for tag, values in sorted(entries.items()):
        kind, letter, room = (LONG, "I", 1) if max(values) > 0xFFFF else (SHORT, "H", 2)
        packed = struct.pack(f"{order}{len(values)}{letter}", *values)
        if len(values) > room:
            packed, rest = struct.pack(order + "I", after + len(rest)), rest + packed
        directory += struct.pack(order + "HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    magic = struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, start)
    return magic + data + directory + bytes(4) + rest


def smooth(height: int, width: int, seed: int = 0) -> Image.Image:
    """Return a color image that is as smooth as a photograph."""
    knots = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(knots).resize((width, height), Image.Resampling.BICUBIC)
