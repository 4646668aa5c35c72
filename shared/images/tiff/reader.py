"""The reader of TIFF files, as an image of Pillow's."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from shared.errors import Malformed
from shared.images.codecs.arrays import ArrayImage
from shared.images.codecs.cost import refuse_costly, refuse_large
from shared.images.tiff import directory as tags
from shared.images.tiff.directory import damaged, directory_of
from shared.images.tiff.layout import (
    LZMA,
    LZW,
    PACKBITS,
    UNCOMPRESSED,
    WHITE_IS_ZERO,
    WHOLE,
    ZSTD,
    is_decoded_by_pillow,
    layout_of,
)
from shared.images.tiff.packing import unpacked
from shared.images.tiff.samples import levels_of, range_of, samples_of, white_of

GROUP = 1 << 22  # bytes unpacked at a time, if a chunk is not larger
BAND = 1 << 18  # samples converted at a time
LARGEST = 1 << 27
"""The largest strip or tile in bytes: 8 bytes for each of 16 megapixels."""

COSTS = {LZW: 2, PACKBITS: 2, LZMA: 4, ZSTD: 2}
"""The time to unpack a byte, in that of a byte that is inflated."""

LEAST_COST = 4096  # bytes that take as long as the steps around a strip or tile

Part = tuple[int, int, NDArray[Any]]
"""Samples (rows, columns, channels), and the row and the column of the first."""


class Conversion(NamedTuple):
    """Channels of a plane's samples that are converted together, and the channels of the pixels that they become."""

    plane: int
    channels: slice
    target: slice
    is_alpha: bool


def size_of(content: bytes) -> tuple[int, int]:
    """Return the width and height that the file states; 0 for one that is missing."""
    fields = directory_of(content)
    return fields.first(tags.WIDTH, 0), fields.first(tags.LENGTH, 0)


def is_left_to_pillow(content: bytes) -> bool:
    """Return whether Pillow decodes the pixels; raises `Malformed` for a damaged TIFF."""
    return is_decoded_by_pillow(directory_of(content))


def open_tiff(file: io.BytesIO) -> ImageFile:
    """Open a TIFF; raises `Malformed` for a damaged one, or a kind that is not supported."""
    return TiffImageFile(file) if is_left_to_pillow(file.getvalue()) else SampledTiff(file)


class SampledTiff(ArrayImage):
    """A TIFF whose compression is one of bytes."""

    format = "TIFF"

    def read_header(self) -> None:
        """Read the directory."""
        fields = directory_of(self.content)
        self.layout = layout_of(fields)
        self.is_animated = fields.several
        self._mode = self.layout.mode
        self._size = (self.layout.width, self.layout.height)
        orientation = fields.first(tags.ORIENTATION, 1)
        self.orientation = orientation if orientation in range(1, 9) else 1

    def refuse_costly(self, max_pixels: int) -> None:
        """Raise `Malformed` if a strip or tile is too large, or all together are.

        Parts of them may lie outside of the image, and they may overlap in the file, so that a small file has
        gigabytes. A byte counts as a pixel.
        """
        layout = self.layout
        refuse_large(layout.chunk_width, layout.chunk_height, max_pixels)
        per_plane = layout.across * layout.down
        each = COSTS.get(layout.compression, 1) + (0 if layout.bits in WHOLE["u"] else 8)  # or each bit is a step
        chunk = max(LEAST_COST, layout.chunk_height * layout.row_bytes * each)
        total = 0
        for conversion in self._conversions():
            total += per_plane * chunk
            if layout.sizes is not None and layout.compression != UNCOMPRESSED:
                of_plane = layout.sizes[conversion.plane * per_plane : (conversion.plane + 1) * per_plane]
                total += int(of_plane.sum(dtype=np.float64))
        refuse_costly(
            f"the TIFF's {per_plane:,} strips or tiles",
            total * (2 if layout.kind == "f" else 1),  # floats are unpacked twice: their range is not known before
            max_pixels,
            "save the image with fewer of them, of 8 bits a channel, or as PNG",
        )

    def decode(self) -> NDArray[np.uint8]:
        """Unpack and convert the strips or tiles."""
        layout = self.layout
        conversions = self._conversions()
        pixels = np.empty((layout.height, layout.width, len(layout.mode)), np.uint8)
        whites = self._whites(conversions) if layout.kind == "f" else {}
        for plane, channels, target, is_alpha in conversions:
            for top, left, samples in self._parts(plane):
                area = pixels[top : top + samples.shape[0], left : left + samples.shape[1], target]
                self._convert(samples[:, :, channels], is_alpha, whites.get(is_alpha, 1), area)
        return pixels

    def _conversions(self) -> list[Conversion]:
        """Return which channels of which plane become which channels of the pixels."""
        layout = self.layout
        has_alpha = layout.alpha is not None
        depth = len(layout.mode)
        colours = slice(0, depth - has_alpha)
        transparency = slice(depth - 1, depth)
        alpha = layout.alpha or 0
        one = slice(0, 1)
        if not layout.planes:
            conversions = [Conversion(0, slice(0, layout.colours), colours, False)]
            return (
                [*conversions, Conversion(0, slice(alpha, alpha + 1), transparency, True)] if has_alpha else conversions
            )
        if layout.palette is not None:
            conversions = [Conversion(0, one, colours, False)]
        else:
            conversions = [Conversion(plane, one, slice(plane, plane + 1), False) for plane in range(layout.colours)]
        return [*conversions, Conversion(alpha, one, transparency, True)] if has_alpha else conversions

    def _convert(self, samples: NDArray[Any], is_alpha: bool, white: float, pixels: NDArray[np.uint8]) -> None:
        """Write samples into pixels."""
        layout = self.layout
        if layout.palette is not None and not is_alpha:
            pixels[...] = layout.palette[samples[:, :, 0]]
            return
        levels = levels_of(samples, layout.bits, layout.kind, white)
        pixels[...] = 255 - levels if layout.photometric == WHITE_IS_ZERO and not is_alpha else levels

    def _whites(self, conversions: list[Conversion]) -> dict[bool, float]:
        """Return the floats that are white: that of the colours together, and that of the transparency."""
        ranges: dict[bool, tuple[float, float]] = {}
        for plane, channels, _, is_alpha in conversions:
            least, most = ranges.get(is_alpha, (0.0, 0.0))
            for _, _, samples in self._parts(plane):
                least, most = range_of(samples[:, :, channels], least, most)
            ranges[is_alpha] = least, most
        return {is_alpha: white_of(*found) for is_alpha, found in ranges.items()}

    def _parts(self, plane: int) -> Iterator[Part]:
        """Unpack a plane's strips or tiles, and yield them in bands."""
        layout = self.layout
        size = layout.chunk_height * layout.row_bytes
        if size > LARGEST and layout.compression != UNCOMPRESSED:
            raise Malformed(
                "image_too_large",
                f"a strip or tile of the TIFF has {size:,} bytes, but at most {LARGEST:,} are allowed; save the image"
                " with smaller strips",
            )
        per_plane = layout.across * layout.down
        each = max(1, GROUP // size)
        for start in range(0, per_plane, each):
            group = range(start, min(start + each, per_plane))
            heights = [self._height(index) for index in group]
            parts = [
                self._part(plane * per_plane + index, height) for index, height in zip(group, heights, strict=True)
            ]
            rows = unpacked(parts, layout.compression, heights, layout.row_bytes, layout.bits_reversed)
            before = 0
            for index, height in zip(group, heights, strict=True):
                yield from self._bands(index, rows[before : before + height])
                before += height

    def _height(self, index: int) -> int:
        """Return the number of rows of a chunk: the last strip ends with the image, tiles are whole."""
        layout = self.layout
        return (
            layout.chunk_height
            if layout.tiled
            else min(layout.chunk_height, layout.height - index * layout.chunk_height)
        )

    def _part(self, index: int, height: int) -> bytes:
        """Return a chunk's bytes in the file."""
        layout = self.layout
        needed = height * layout.row_bytes
        place = int(layout.places[index])
        size = needed if layout.sizes is None else int(layout.sizes[index])
        if layout.compression == UNCOMPRESSED:
            if size < needed:
                raise damaged("a strip or tile has too few pixels")
            size = needed
        if place + size > len(self.content) or not size:
            raise damaged("the file ends before a strip or tile")
        return self.content[place : place + size]

    def _bands(self, index: int, rows: NDArray[np.uint8]) -> Iterator[Part]:
        layout = self.layout
        top = index // layout.across * layout.chunk_height
        left = index % layout.across * layout.chunk_width
        height, width = min(len(rows), layout.height - top), min(layout.chunk_width, layout.width - left)
        step = max(1, BAND // (layout.chunk_width * layout.stride))
        for start in range(0, height, step):
            band = rows[start : min(start + step, height)]
            yield top + start, left, samples_of(band, layout)[:, :width]
