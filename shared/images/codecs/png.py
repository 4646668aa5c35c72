"""PNG files: a fast decoder of plain ones, and a filter that keeps only the chunks that determine the pixels.

W3C, Portable Network Graphics (third edition). The filter removes texts, colour profiles and other chunks, so that
compressed data in them is never unpacked.
"""

from __future__ import annotations

import io
import struct
import zlib
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops
from PIL.PngImagePlugin import PngImageFile

from shared.errors import Malformed
from shared.images.codecs.cost import animated, too_many

SIGNATURE = b"\x89PNG\r\n\x1a\n"
BEGINNING = SIGNATURE + b"\0\0\0\x0dIHDR"
IEND = b"\0\0\0\0IEND\xaeB`\x82"
CRC_OF_IDAT = zlib.crc32(b"IDAT")
BESIDE_PIXELS = frozenset({b"PLTE", b"tRNS", b"eXIf"})  # palette, transparency, orientation
MAX_CHUNKS = 100_000
GRAY, RGB, GRAY_WITH_ALPHA = 0, 2, 4  # the header's kinds of colour
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a pixel, by the kind of colour
WHOLE = ((0, 0, 1, 1),)
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""The passes of an interlaced image: its first column and row, and the steps to the next ones."""

MARK = 165  # a value of the last pixel that is rare
GRAYS = frozenset({GRAY, GRAY_WITH_ALPHA})

core: Any = Image.core  # type: ignore[attr-defined] # Pillow's decoders, as its own plugins use them


def decode_plain_into(row: NDArray[np.uint8], content: bytes) -> bool:
    """Decode a plain PNG: 8 bits a channel, the size of `row`, and only the chunks IHDR, IDAT and IEND.

    A row (H, W) needs a grayscale file; a row (H, W, 3) takes RGB and grayscale. Returns whether the file was plain; if
    not, the content of `row` is undefined. Pillow's decoder writes directly into the memory of an array: this gives the
    same pixels as Pillow without the objects that it creates for each image.
    """
    height, width = row.shape[:2]
    if row.ndim == 2:
        return content.startswith(_plain_beginning(height, width, GRAY)) and _decode_pixels(row, content, "L", "L")
    if content.startswith(_plain_beginning(height, width, RGB)):
        padded = np.empty((height, width, 4), np.uint8)  # Pillow's layout of RGB
        decoded = _decode_pixels(padded, content, "RGB", "RGBX")
        row[...] = padded[:, :, :3]
        return decoded
    if content.startswith(_plain_beginning(height, width, GRAY)):
        gray = np.empty((height, width), np.uint8)
        decoded = _decode_pixels(gray, content, "L", "L")
        row[...] = gray[:, :, np.newaxis]
        return decoded
    return False


def _decode_pixels(pixels: NDArray[np.uint8], content: bytes, mode: str, layout: str) -> bool:
    """Decode a PNG whose header is plain into `pixels`, an array in Pillow's `layout`; returns whether it was plain."""
    if not content.endswith(IEND):
        return False
    if content[33:41] != (len(content) - 57).to_bytes(4, "big", signed=True) + b"IDAT":
        return False
    data = content[41:-16]
    if zlib.crc32(data, CRC_OF_IDAT) != int.from_bytes(content[-16:-12], "big"):
        return False
    height, width = pixels.shape[:2]
    pixels[-1, -1] = MARK
    try:
        image = core.map_buffer(pixels, (width, height), "raw", 0, (layout, pixels.strides[0], 1))
    except ValueError:  # the row is not contiguous
        return False
    decoder = core.zip_decoder(mode, mode, False)
    decoder.setimage(image, (0, 0, width, height))
    ended: bool = decoder.decode(data) == (-1, 0)
    decoder.cleanup()
    if pixels.item(-1 if mode == "L" else -4) == MARK:  # the last row may be missing
        return ended and has_all_rows(content)
    return ended


class WholePng(PngImageFile):
    """A PNG that is refused if rows are missing: Pillow leaves them black.

    A mark in the last pixel shows whether the decoder reached it. If the mark is still there, or the file is
    interlaced, the rows are counted.
    """

    def _open(self) -> None:
        assert isinstance(self.fp, io.BytesIO)
        self.content = self.fp.getvalue()
        super()._open()

    def load_prepare(self) -> None:
        """Allocate the pixels, and mark the last."""
        super().load_prepare()
        self.im.putpixel(self._last, self._mark)

    def load_end(self) -> None:
        """Raise `Malformed` if rows are missing."""
        super().load_end()
        if (self.info.get("interlace") or self.im.getpixel(self._last) == self._mark) and not has_all_rows(
            self.content
        ):
            raise Malformed("image_damaged", "the PNG is damaged or cut short: it has fewer rows than its header says")

    @property
    def _last(self) -> tuple[int, int]:
        return self.width - 1, self.height - 1

    @property
    def _mark(self) -> int | tuple[int, ...]:
        bands = len(self.getbands())
        return (255 if self.mode == "1" else MARK) if bands == 1 else (MARK,) * bands


def has_all_rows(content: bytes) -> bool:
    """Return whether the compressed data of a PNG contain all bytes of its rows; of a valid file."""
    width, height, bits, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", content, 16)
    missing = 0
    for left, top, across, down in ADAM7 if interlaced else WHOLE:
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0:
            missing += max(0, rows) * (1 + -(-columns * bits * SAMPLES.get(colour, 1) // 8))
    unpacker = zlib.decompressobj()
    place = len(SIGNATURE)
    try:
        while missing > 0 and place + 12 <= len(content):
            end = place + 12 + int.from_bytes(content[place : place + 4], "big")
            data = content[place + 8 : end - 4] if content[place + 4 : place + 8] == b"IDAT" else b""
            while data and missing > 0:
                missing -= len(unpacker.decompress(data, min(missing, 1 << 20)))
                data = unpacker.unconsumed_tail
            place = end
    except zlib.error:
        return False
    return missing <= 0


@lru_cache(maxsize=16)
def _plain_beginning(height: int, width: int, colour: int) -> bytes:
    """Return the signature and header of a plain PNG; the last five bytes: 8 bits, the colours, not interlaced."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return SIGNATURE + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


def size_of(content: bytes) -> tuple[int, int]:
    """Return the width and height of the header; raises `Malformed` if the file has no header."""
    if content[: len(SIGNATURE)] != SIGNATURE or content[12:16] != b"IHDR" or len(content) < 24:
        raise Malformed("image_damaged", "the PNG is damaged or cut short: it does not begin with a header")
    width, height = struct.unpack_from(">II", content, 16)
    return width, height


def plain_size(content: bytes, *, gray: bool) -> tuple[int, int] | None:
    """Return the width and height of a PNG without an orientation, `gray`: of a grayscale one; None for other files."""
    if len(content) < len(SIGNATURE) + 25 or not content.startswith(BEGINNING) or b"eXIf" in content:
        return None
    if zlib.crc32(content[12:29]) != int.from_bytes(content[29:33], "big"):
        return None
    return size_of(content) if content[25] in GRAYS or not gray else None


def alpha_of_marked_colour(image: Image.Image) -> Image.Image | None:
    """Return the alpha channel of a PNG of 16 bits a channel that marks a colour as transparent; None for other images.

    Pillow keeps the upper 8 bits of each channel, and compares them with the marked colour's 16. Here the lower 8 are
    decoded, too: as if the channels were little-endian. Must be called before the pixels are loaded.
    """
    if not isinstance(image, PngImageFile) or not image.tile or image.tile[0].args != "RGB;16B":
        return None
    marked = image.info.get("transparency")
    if marked is None:
        return None
    assert isinstance(image.fp, io.BytesIO)
    lower = PngImageFile(io.BytesIO(image.fp.getvalue()))
    lower.tile = [lower.tile[0]._replace(args="RGB;16L")]
    alpha = Image.new("L", image.size)
    for channel, value in enumerate(marked):
        for half, byte in ((image, value >> 8), (lower, value & 255)):
            differs = half.getchannel(channel).point([255 * (level != byte) for level in range(256)])
            alpha = ImageChops.lighter(alpha, differs)
    return alpha


def _with_scaled_levels(chunk: bytes, bits: int, colour: int) -> bytes:
    """Return a chunk tRNS of at most 8 bits in Pillow's levels: of 2 and 4 bits it scales the pixels, and not this."""
    levels = chunk[8:-4]
    if bits > 8 or (colour, len(levels)) not in {(GRAY, 2), (RGB, 6)}:
        return chunk
    factor = {2: 85, 4: 17}.get(bits, 1)
    lowest = [level & ((1 << bits) - 1) for level in struct.unpack(f">{len(levels) // 2}H", levels)]  # others are 0
    scaled = b"tRNS" + struct.pack(f">{len(lowest)}H", *(factor * level for level in lowest))
    return chunk[:4] + scaled + struct.pack(">I", zlib.crc32(scaled))


def essentials(content: bytes, _max_pixels: int = 0) -> bytes:
    """Return the PNG with only the chunks that determine its image: header, palette, transparency, orientation, pixels.

    Raises `Malformed` if a checksum of these is wrong, or if the file is cut short or animated.
    """
    before: list[bytes] = [SIGNATURE]
    pixels: list[bytes] = []
    place = len(SIGNATURE)
    for _ in range(MAX_CHUNKS):
        end = place + 12 + int.from_bytes(content[place : place + 4], "big")
        kind = content[place + 4 : place + 8]
        if end > len(content):
            raise Malformed("image_damaged", "the PNG is damaged or cut short: it ends within a chunk")
        if (kind == b"acTL" and content[place + 8 : place + 12] != b"\0\0\0\1") or kind == b"fdAT":
            raise animated("PNG")
        if kind in {b"IHDR", b"IDAT", b"IEND"} or kind in BESIDE_PIXELS:
            chunk = content[place:end]
            if zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
                raise Malformed("image_damaged", f"the PNG is damaged: its {kind.decode()} has a wrong checksum")
            if kind == b"tRNS":
                chunk = _with_scaled_levels(chunk, bits=content[24], colour=content[25])
            if kind == b"IEND":
                return b"".join([*before, *pixels, chunk])
            if kind == b"IDAT":
                pixels.append(chunk)
            elif not pixels or kind == b"eXIf":  # a palette after the pixels is ignored
                before.append(chunk)
        place = end
    raise too_many("chunks", MAX_CHUNKS, "save it again as PNG")
