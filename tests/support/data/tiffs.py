"""TIFF files of many kinds, written byte by byte: TIFF 6.0, and Adobe's technical note 3 for differences of floats."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

LZW, DEFLATE, OLD_DEFLATE, PACKBITS = 5, 8, 32946, 32773


@dataclass(frozen=True)
class Tiff:
    """How pixels are written. `bits` is for samples that are no whole bytes; `tile` the tiles' sides, `rows` a strip's.

    `fields` are added, or written in the place of others; a field without values is left out.
    """

    order: Literal["<", ">"] = "<"
    big: bool = False
    photometric: int = 1
    compression: int = 1
    predictor: int = 1
    planar: int = 1
    bits: int = 0
    rows: int = 0
    tile: tuple[int, int] | None = None
    fill_order: int = 1
    extra: tuple[int, ...] = ()
    fields: Mapping[int, tuple[int, ...]] = field(default_factory=dict)

    def file(self, pixels: NDArray[Any]) -> bytes:
        """Return an array (H, W), or (H, W, channels), as a file."""
        pixels = pixels.reshape(*pixels.shape[:2], -1)
        height, width, channels = pixels.shape
        bits = self.bits or 8 * pixels.dtype.itemsize
        planes = [pixels] if self.planar == 1 else [pixels[:, :, [channel]] for channel in range(channels)]
        chunks = [self._packed(self._bytes(chunk)) for plane in planes for chunk in self._chunks(plane)]
        start = 16 if self.big else 8
        places = tuple(start + sum(map(len, chunks[:number])) for number in range(len(chunks)))
        sizes = tuple(map(len, chunks))
        entries: dict[int, tuple[int, ...]] = {
            256: (width,),
            257: (height,),
            258: (bits,) * channels,
            259: (self.compression,),
            262: (self.photometric,),
            266: (self.fill_order,),
            277: (channels,),
            284: (self.planar,),
            317: (self.predictor,),
            338: self.extra,
            339: ({"u": 1, "i": 2, "f": 3}[pixels.dtype.kind],) * channels,
        }
        if self.tile:
            entries |= {322: (self.tile[1],), 323: (self.tile[0],), 324: places, 325: sizes}
        else:
            entries |= {273: places, 278: (self.rows or height,), 279: sizes}
        return self._written(entries | dict(self.fields), chunks)

    def _chunks(self, plane: NDArray[Any]) -> list[NDArray[Any]]:
        height, width = plane.shape[:2]
        if not self.tile:
            return [plane[top : top + (self.rows or height)] for top in range(0, height, self.rows or height)]
        down, across = self.tile
        padded = np.pad(plane, ((0, -height % down), (0, -width % across), (0, 0)), mode="edge")
        return [
            padded[top : top + down, left : left + across]
            for top in range(0, height, down)
            for left in range(0, width, across)
        ]

    def _bytes(self, chunk: NDArray[Any]) -> bytes:
        """Return a chunk's samples as bytes, before the compression."""
        rows, size = len(chunk), chunk.dtype.itemsize
        if self.bits:
            flat = chunk.reshape(rows, -1)
            singles = [flat >> (self.bits - 1 - bit) & 1 for bit in range(self.bits)]
            return np.packbits(np.stack(singles, axis=-1).reshape(rows, -1).astype(np.uint8), axis=1).tobytes()
        if self.predictor == 2:
            unsigned = chunk.view(f"u{size}")
            steps = unsigned.copy()
            steps[:, 1:] -= unsigned[:, :-1]
            return steps.astype(steps.dtype.newbyteorder(self.order)).tobytes()
        if self.predictor == 3:
            stride = chunk.shape[2]
            flat = np.ascontiguousarray(chunk.reshape(rows, -1)).astype(f">f{size}")
            shuffled = flat.view(np.uint8).reshape(rows, -1, size).transpose(0, 2, 1).reshape(rows, -1, stride)
            steps = shuffled.copy()
            steps[:, 1:] -= shuffled[:, :-1]
            return steps.tobytes()
        return np.ascontiguousarray(chunk.astype(chunk.dtype.newbyteorder(self.order))).tobytes()

    def _packed(self, content: bytes) -> bytes:
        if self.compression in {DEFLATE, OLD_DEFLATE}:
            content = zlib.compress(content)
        elif self.compression == LZW:
            content = lzw(content)
        elif self.compression == PACKBITS:
            parts = [content[start : start + 128] for start in range(0, len(content), 128)]
            content = b"".join(bytes([len(part) - 1]) + part for part in parts)
        return bytes(int(f"{byte:08b}"[::-1], 2) for byte in content) if self.fill_order == 2 else content

    def _written(self, entries: dict[int, tuple[int, ...]], chunks: list[bytes]) -> bytes:
        entries = {tag: values for tag, values in sorted(entries.items()) if values}
        start = (16 if self.big else 8) + sum(map(len, chunks))
        room, letter, count = (8, "Q", "Q") if self.big else (4, "I", "H")
        after = start + struct.calcsize("=" + count) + (12 if not self.big else 20) * len(entries) + room
        directory, rest = struct.pack(self.order + count, len(entries)), b""
        for tag, values in entries.items():
            kind, code = (4, "I") if max(values) > 0xFFFF else (3, "H")
            value = struct.pack(f"{self.order}{len(values)}{code}", *values)
            if len(value) > room:
                value, rest = struct.pack(self.order + letter, after + len(rest)), rest + value
            directory += struct.pack(f"{self.order}HH{letter}", tag, kind, len(values)) + value.ljust(room, b"\0")
        mark = b"II" if self.order == "<" else b"MM"
        head = struct.pack(self.order + "2sHHHQ", mark, 43, 8, 0, start)
        head = head if self.big else struct.pack(self.order + "2sHI", mark, 42, start)
        return head + b"".join(chunks) + directory + bytes(room) + rest


def lzw(content: bytes) -> bytes:
    """Return bytes as TIFF's LZW, with codes of 9 bits: each code is a byte's, and the table is cleared in time."""
    codes = [256]
    for number, byte in enumerate(content, start=1):
        codes += [byte] if number % 200 else [byte, 256]
    written = "".join(f"{code:09b}" for code in [*codes, 257])
    written = written.ljust(-(-len(written) // 8) * 8, "0")
    return int(written, 2).to_bytes(len(written) // 8, "big")
