"""BMP files: of Windows (versions 3 to 5 of the header) and of OS/2; palettes, channels of any masks, run lengths."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shared.errors import Malformed
from shared.images.codecs.arrays import ArrayImage
from shared.images.codecs.run_lengths import RunLengths, damaged

NONE, RLE8, RLE4, MASKS, MASKS_WITH_ALPHA = 0, 1, 2, 3, 6
OTHER_COMPRESSIONS = {4: "JPEG", 5: "PNG", 11: "inks", 12: "inks", 13: "inks"}
OS2 = frozenset({16, 64})  # sizes of the header of OS/2's version 2, with compressions of its own
FILE_HEADER, CORE = 14, 12  # sizes of the header before it, and of the shortest header
MASKS_AT = 54  # after the 40 bytes of the header of version 3, or within a longer one
DEFAULT_MASKS = {16: (0x7C00, 0x3E0, 0x1F, 0), 32: (0xFF0000, 0xFF00, 0xFF, 0)}
BAND = 1 << 18  # pixels converted at a time


@dataclass(frozen=True)
class Header:
    """The header of a BMP; `masks` are of red, green, blue and the transparency, `rows_down` from the first row on."""

    size: int
    width: int
    height: int
    rows_down: bool
    bits: int
    compression: int
    colours: int
    place: int

    @cached_property
    def stride(self) -> int:
        """The number of bytes of a row, which is padded to four."""
        return (self.width * self.bits + 31) // 32 * 4


def size_of(content: bytes) -> tuple[int, int]:
    """Return the width and height that the header states."""
    header = header_of(content)
    return header.width, header.height


class Bmp(ArrayImage):
    """A BMP, decoded to RGB, to RGBA if it has a mask of the transparency, or to L if its palette is gray."""

    format = "BMP"

    def read_header(self) -> None:
        """Read the header, and the palette or the masks."""
        self.header = header = header_of(self.content)
        self._size = (header.width, header.height)
        if header.bits <= 8:
            self.palette_colours = palette_of(self.content, header)
            is_gray = (self.palette_colours == self.palette_colours[:, :1]).all()
            self._mode = "L" if is_gray else "RGB"
        else:
            self.masks = masks_of(self.content, header)
            self._mode = "RGBA" if self.masks[3] else "RGB"

    def decode(self) -> NDArray[np.uint8]:
        """Convert the rows in bands."""
        header = self.header
        channels = len(self.mode)
        pixels = np.empty((header.height, header.width, channels), np.uint8)
        if header.compression in {RLE8, RLE4}:
            rows = self._run_lengths()
        else:
            place = self._place()
            missing = place + header.stride * header.height - len(self.content)
            if missing > header.stride - -(-header.width * header.bits // 8):  # the last row may lack its padding
                raise damaged("the file ends before its last row")
            content = self.content + bytes(missing) if missing > 0 else self.content
            rows = np.frombuffer(content, np.uint8, header.stride * header.height, place).reshape(header.height, -1)
        if not header.rows_down:
            rows = rows[::-1]
        step = max(1, BAND // header.width)
        for top in range(0, header.height, step):
            self._convert(rows[top : top + step], pixels[top : top + step])
        if channels == 4 and not pixels[:, :, 3].any():
            pixels[:, :, 3] = 255  # programs that ignore the transparency leave it 0
        return pixels

    def _place(self) -> int:
        """Return the place of the first row; some programs write the place of the palette, or none."""
        header = self.header
        after = FILE_HEADER + header.size
        if header.place > after or (header.place == after and header.bits > 8):
            return header.place
        if header.bits <= 8:
            return after + (3 if header.size == CORE else 4) * len(self.palette_colours)
        own_masks = header.size == 40 and header.compression in {MASKS, MASKS_WITH_ALPHA}
        return after + (12 if header.compression == MASKS else 16) * own_masks

    def _convert(self, rows: NDArray[np.uint8], pixels: NDArray[np.uint8]) -> None:
        """Write rows of bytes, or of a palette's indices, into pixels."""
        header = self.header
        width, bits = header.width, header.bits
        if bits <= 8:
            if header.compression == NONE and bits < 8:
                shifts = np.arange(8 - bits, -1, -bits, dtype=np.uint8)
                parts = rows[:, :, np.newaxis] >> shifts & np.uint8((1 << bits) - 1)
                rows = parts.reshape(len(rows), -1)
            indices = rows[:, :width]
            if indices.max() >= len(self.palette_colours):
                raise damaged("a pixel's colour is not in its palette")
            pixels[...] = self.palette_colours[:, : pixels.shape[2]][indices]
        elif bits == 24:
            pixels[...] = rows[:, : 3 * width].reshape(len(rows), width, 3)[:, :, ::-1]
        else:
            values = np.ascontiguousarray(rows).view(f"<u{bits // 8}")[:, :width]
            for channel, mask in enumerate(self.masks[: pixels.shape[2]]):
                pixels[:, :, channel] = channel_of(values, mask)

    def _run_lengths(self) -> NDArray[np.uint8]:
        """Return the indices (h, w) of run lengths, in the order of the file's rows."""
        header = self.header
        runs = RunLengths(self.content, self._place(), header.width, header.height, header.compression == RLE4)
        pixels = runs.decode()
        if runs.covered < header.width * header.height and self.palette_colours[0].any():
            raise unsupported("run lengths that skip pixels")  # programs show these in different colours
        return pixels


def header_of(content: bytes) -> Header:
    """Read the header; raises `Malformed` if the file is cut short, or of a kind that is not supported."""
    try:
        (place,) = struct.unpack_from("<I", content, 10)
        (size,) = struct.unpack_from("<I", content, FILE_HEADER)
        compression = colours = 0
        if size == CORE:
            width, height, _, bits = struct.unpack_from("<HhHH", content, 18)
        else:
            width, height, _, bits = struct.unpack_from("<iiHH", content, 18)
        if size >= 40:
            compression, _, _, _, colours = struct.unpack_from("<IIiiI", content, 30)
        if len(content) < FILE_HEADER + size:
            raise damaged("the file ends within its header")
    except struct.error:
        raise damaged("the file ends within its header") from None
    if width <= 0 or not height:
        raise damaged("it has no height or no width")
    if bits not in {1, 2, 4, 8, 16, 24, 32}:
        raise unsupported(f"{bits} bits a pixel")
    header = Header(size, width, abs(height), height < 0, bits, compression, colours, place)
    needed = {NONE: {bits}, RLE8: {8}, RLE4: {4}, MASKS: {16, 24, 32}, MASKS_WITH_ALPHA: {16, 32}}
    if compression not in needed or (size in OS2 and compression > RLE4):
        name = OTHER_COMPRESSIONS.get(compression, f"number {compression}") if size not in OS2 else "OS/2's"
        raise unsupported(f"the compression {name}")
    if bits not in needed[compression]:
        raise damaged(f"its compression is not one of {bits} bits a pixel")
    return header


def palette_of(content: bytes, header: Header) -> NDArray[np.uint8]:
    """Return the palette (n, 3) in RGB; it ends where the pixels begin."""
    size = 3 if header.size == CORE else 4
    start = FILE_HEADER + header.size
    count = min(header.colours or 1 << header.bits, 1 << header.bits)
    if header.place > start:
        count = min(count, (header.place - start) // size)
    entries = content[start : start + size * count]
    if not count or len(entries) < size * count:
        raise damaged("the file ends within its palette")
    return np.frombuffer(entries, np.uint8).reshape(-1, size)[:, 2::-1]


def masks_of(content: bytes, header: Header) -> tuple[int, ...]:
    """Return the masks of red, green, blue and the transparency, which is 0 without one."""
    if header.bits == 24 or header.compression == NONE:
        return DEFAULT_MASKS.get(header.bits, (0, 0, 0, 0))
    has_alpha = header.compression == MASKS_WITH_ALPHA or header.size >= 56
    try:
        masks = struct.unpack_from("<4I" if has_alpha else "<3I", content, MASKS_AT)
    except struct.error:
        raise damaged("the file ends within its header") from None
    all_bits = 0
    for mask in masks:
        low = mask & -mask
        if mask & (mask + low) or mask & all_bits or mask >> header.bits:
            raise unsupported("channels whose bits are divided or shared")
        all_bits |= mask
    if not all(masks[:3]):
        raise unsupported("no bits for a channel")
    return (*masks, 0)[:4]


def channel_of(values: NDArray[np.unsignedinteger], mask: int) -> NDArray[np.uint8]:
    """Return a channel of the values, scaled to 0 to 255; of more than 8 bits, the upper 8."""
    shift = (mask & -mask).bit_length() - 1
    bits = mask.bit_length() - shift
    levels = (values & values.dtype.type(mask)) >> values.dtype.type(shift)
    if bits >= 8:
        scaled = levels >> values.dtype.type(bits - 8)
    else:
        most = (1 << bits) - 1
        scaled = (levels.astype(np.uint32) * 255 + most // 2) // most
    return np.asarray(scaled, np.uint8)


def unsupported(what: str) -> Malformed:
    """Return the error for a kind of file that is not converted."""
    return Malformed("image_unsupported", f"the BMP has {what}, which is not supported; send it as PNG")
