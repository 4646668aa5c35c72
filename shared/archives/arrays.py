"""Arrays of images as archives, an `.npy` or one array of an `.npz`: headers, validation and reads."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any, cast

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from shared.archives.decompress import BLOCK, pieces
from shared.archives.entries import shown
from shared.archives.in_place.positions import Readable
from shared.archives.index import RUN, ArchiveIndex, Entry, ImageArray, Kind
from shared.archives.names.leftovers import leftover
from shared.archives.zip import DEFLATED, LONGEST_LOCAL_HEADER, header_bytes, index_zip, raw_names
from shared.archives.zip_directory import Directory, blocks, first_name
from shared.errors import Invalid, Malformed, TooLarge
from shared.images.number_range import ONLY_0_AND_1, REMEDY, number_range
from shared.images.shapes import RGB, Shape, channels_of, shape_with
from shared.runtime.settings import Settings
from shared.storage import durable

MAGIC = npy.MAGIC_PREFIX
READ_HEADER = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
LONGEST_HEADER = 10_000  # NumPy has the same limit, but checks it only after the read
# Errors of NumPy's parser on a text that is not a header:
UNREADABLE = (ValueError, TypeError, LookupError, SyntaxError, RecursionError, MemoryError, TokenError)

SUFFIX = ".npy"
NAMES = ("x", "images")
NAMED = 5  # arrays that an error names
RGBA = 4


@dataclass(frozen=True)
class Header:
    """The header of the array `name`; `start` is the offset of the data after magic and header."""

    name: str
    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[Any]
    start: int

    def __str__(self) -> str:
        return f"{self.dtype!s:.80} of shape {self.shape!s:.80}"  # a header may be longer than a message should be

    @property
    def variable(self) -> str:
        """The array's name in an example of code."""
        return self.name if self.name.isidentifier() else "array"

    @property
    def nbytes(self) -> int:
        """The size of the array's data in bytes."""
        return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize


@dataclass(frozen=True)
class HeaderReader:
    """A file with a limit on each read, so that a header of a stated length of gigabytes is not read into memory."""

    file: IO[bytes]

    def read(self, size: int) -> bytes:
        """Return the next bytes; raises ValueError if `size` exceeds the longest header."""
        if size > LONGEST_HEADER:
            raise ValueError(f"its stated length is {size} bytes")
        return self.file.read(size)


def read_header(file: IO[bytes], name: str, size: int) -> Header:
    """Read and validate the header of an array of `size` bytes in all; leaves `file` at the array's data.

    Raises `Invalid` if the header is malformed, declares pickled objects, or does not match the size.
    """
    before = file.tell()
    reader = cast("IO[bytes]", HeaderReader(file))
    try:
        version = npy.read_magic(reader)
        shape, fortran_order, dtype = READ_HEADER[version](reader)
    except UNREADABLE as error:
        raise Invalid(
            "npz_header", f"{name} has no header of NumPy's format, version 1 or 2; save it with numpy.save or savez"
        ) from error
    header = Header(name, shape, fortran_order, dtype, file.tell() - before)
    if dtype.hasobject:
        raise Invalid("npz_pickled", f"{name} holds pickled objects, which are never loaded: save plain numbers")
    if any(side < 0 for side in shape) or header.start + header.nbytes != size:
        raise Invalid(
            "npz_header",
            f"the header of {name} states {header}, but {size - header.start} bytes follow",
        )
    return header


def check_images(header: Header) -> Shape:
    """Check that an array holds images, uint8 in C order, and return the shape of one.

    (N, H, W) and (N, H, W, 1) are grayscale images (H, W); (N, H, W, 3) are images in colour. Raises `Invalid`.
    """
    name, dtype, shape = header.name, header.dtype, tuple(map(int, header.shape))
    if dtype != np.uint8 or len(shape) not in {3, 4} or shape[3:] not in {(), (1,), (RGB,)}:
        raise Invalid(
            "npz_images", f"{name} must be uint8 of shape (N, H, W) or (N, H, W, 3); got {header}{_advice(header)}"
        )
    if header.fortran_order:
        raise Invalid(
            "npz_images", f"{name} is stored in Fortran order: save numpy.ascontiguousarray({header.variable})"
        )
    if 0 in shape:
        raise Invalid("npz_empty", f"{name} is empty; got {header}")
    return shape_with(shape[1], shape[2], channels_of(shape[1:]))


def _advice(header: Header) -> str:
    """Return how to convert an array to images, as the end of a sentence, or nothing."""
    name, shape = header.variable, header.shape
    if shape[3:] == (RGBA,):
        return f"; drop the fourth channel: {name}[..., :3]"
    if len(shape) == 4 and shape[1] in {1, RGB}:
        return f"; put the channels last: numpy.moveaxis({name}, 1, -1)"
    if len(shape) == 4 and shape[2] in {1, RGB}:
        return f"; put the axis of the images first: numpy.moveaxis({name}, -1, 0)"
    if shape[3:] == (2,):
        return f"; send the gray levels without the transparency: {name}[..., 0]"
    if len(shape) == 2:
        return f"; give flat images their height and width: {name}.reshape(-1, height, width)"
    if header.dtype.kind == "f" and len(shape) in {3, 4}:
        return (
            f"; convert numbers from 0 to 1 by (255 * {name}).round().astype(numpy.uint8). NaN and infinite numbers"
            f" are no pixel values: numpy.argwhere(~numpy.isfinite({name})) finds them"
        )
    if header.dtype.kind == "b":
        return f"; convert true and false by {name}.astype(numpy.uint8) * 255"
    return ""


def _refuse_one_image(header: Header) -> None:
    """Raise `Invalid` for an array that is a single image with its channels, such as (H, W, 3), not N images (H, W)."""
    name, shape = header.variable, header.shape
    if len(shape) == 3 and shape[2] in {1, RGB, RGBA} and shape[1] > shape[2]:
        channels = min(shape[2], RGB)
        raise Invalid(
            "npz_images",
            f"{header.name} has the shape {shape}, that of one image with its channels, and not of an array of images:"
            f" send {name}[numpy.newaxis, ..., :{channels}] of shape {(1, *shape[:2], channels)}. If it holds"
            f" {shape[0]} grayscale images of {shape[1]} × {shape[2]} pixels, send {name}[..., numpy.newaxis]",
        )


def index_array(path: Path, start: int, size: int, name: str, limits: Settings) -> ArchiveIndex:
    """Validate the array whose header and data are the `size` bytes from `start` of the file, and return its index.

    Raises `Invalid`, or `TooLarge` if the images are too many or too large.
    """
    with path.open("rb") as file:
        file.seek(start)
        header = read_header(file, name, size)
    height, width, *colours = check_images(header)
    _refuse_one_image(header)
    count, channels = int(header.shape[0]), RGB if colours else 1
    if count > limits.max_archive_entries:
        raise TooLarge(
            "archive_too_large",
            f"the array has more than {limits.max_archive_entries} images (GLASSBOX_MAX_ARCHIVE_ENTRIES); send fewer",
        )
    if header.nbytes > limits.max_expanded_bytes:
        raise TooLarge(
            "archive_too_large",
            f"the array has more than {limits.max_expanded_bytes} bytes (GLASSBOX_MAX_EXPANDED_BYTES); send fewer"
            " images",
        )
    if height * width > limits.max_image_pixels:
        raise TooLarge(
            "npz_too_large",
            f"an image has more than {limits.max_image_pixels} pixels (GLASSBOX_MAX_IMAGE_PIXELS); resize the images",
        )
    images = ImageArray(start + header.start, count, height, width, channels)
    _refuse_doubtful(path, images, header.nbytes, name)
    return ArchiveIndex(Kind.ARRAY, array=images)


def _refuse_doubtful(path: Path, images: ImageArray, size: int, name: str) -> None:
    """Raise `Invalid` if the largest gray level is 1. Reads no further than the first block with a larger one."""
    largest = 0
    with path.open("rb") as file:
        file.seek(images.offset)
        for start in range(0, size, BLOCK):
            largest = max(largest, int(np.frombuffer(file.read(min(BLOCK, size - start)), np.uint8).max()))
            if largest > 1:
                return
    if number_range("u", 0, largest).doubtful:
        raise Invalid("npz_images", f"{name}: {ONLY_0_AND_1}; {REMEDY}")


def holds_arrays(file: Readable, directory: Directory) -> bool:
    """Return whether a zip is an `.npz`, that is, contains only arrays."""
    if not first_name(file, directory).endswith(SUFFIX.encode()):
        return False  # avoids an additional pass over a zip of images
    return all(name.endswith(SUFFIX.encode()) for block in blocks(file, directory) for name in raw_names(block))


def arrays_in(descriptor: int, directory: Directory) -> Iterator[str]:
    """Yield the names of the arrays in a zip, without their ending; raises `Invalid` if its directory is damaged."""
    for block in blocks(descriptor, directory):
        for name in raw_names(block):
            if name.endswith(SUFFIX.encode()) and leftover(text := name.decode(errors="replace")) is None:
                yield text.removesuffix(SUFFIX)


def index_npz(path: Path, descriptor: int, file_size: int, directory: Directory, limits: Settings) -> ArchiveIndex:
    """Validate an `.npz` as a zip, then its array `x` or `images`, or its only array, and return the array's index.

    A compressed array is unpacked and replaces the `.npz`; a stored one is read from its place in it.
    """
    # An entry is an array of images, so the limit for one image does not apply.
    array_limits = limits.model_copy(update={"max_entry_bytes": limits.max_expanded_bytes})
    archive = index_zip(path, descriptor, file_size, directory, array_limits)
    try:
        chosen, entry, raw_name = _chosen(archive)
    finally:
        archive.discard()
    try:
        header = os.pread(descriptor, LONGEST_LOCAL_HEADER, entry.offset)
        start = entry.offset + header_bytes(header, 0, entry, raw_name)
    except Malformed as error:
        raise _damaged(chosen) from error
    content = _blocks(descriptor, start, entry.packed)
    if entry.method != DEFLATED:
        for _ in _checked(content, chosen, entry.size, entry.crc):
            pass
        return index_array(path, start, entry.size, chosen, limits)
    with durable.replacing(path) as target:
        for piece in _checked(_inflated(content, chosen), chosen, entry.size, entry.crc):
            target.write(piece)
    return index_array(path, 0, entry.size, chosen, limits)


def _chosen(archive: ArchiveIndex) -> tuple[str, Entry, bytes]:
    """Return the name and the entry of an `.npz`'s images, and the entry's name as stored; raises `Invalid`."""
    found: dict[str, int] = {}
    for start in range(0, len(archive), RUN):
        for number, path in enumerate(archive.paths(start, start + RUN), start):
            name = path.removesuffix(SUFFIX)
            if name in NAMES or not number:
                found[name] = number
    chosen = next((name for name in NAMES if name in found), next(iter(found)))
    if chosen not in NAMES and len(archive) > 1:
        holds = ", ".join(shown(path.removesuffix(SUFFIX)) for path in archive.paths(0, NAMED))
        raise Invalid(
            "npz_array_missing",
            f"the .npz holds {len(archive)} arrays, but none is named x or images, such as {holds}: send the array to"
            " classify alone, or give it the name x",
        )
    entry = archive.entry(found[chosen])
    return chosen, entry, archive.names[entry.raw : entry.raw + entry.raw_length].tobytes()


def _damaged(name: str) -> Invalid:
    return Invalid("npz_damaged", f"{name} is damaged: it does not match the .npz's directory")


def _blocks(descriptor: int, start: int, size: int) -> Iterator[bytes]:
    while size > 0 and (block := os.pread(descriptor, min(size, BLOCK), start)):
        yield block
        start += len(block)
        size -= len(block)


def _inflated(content: Iterator[bytes], name: str) -> Iterator[bytes]:
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for data in content:
            yield from pieces(stream, data)
    except zlib.error as error:
        raise _damaged(name) from error
    if not stream.eof:
        raise _damaged(name)


def _checked(content: Iterator[bytes], name: str, size: int, crc: int) -> Iterator[bytes]:
    """Yield the content; raises `Invalid` if size or checksum differ, and unpacks no more than `size` bytes."""
    total = checksum = 0
    for piece in content:
        total += len(piece)
        if total > size:
            raise _damaged(name)
        checksum = zlib.crc32(piece, checksum)
        yield piece
    if total != size or checksum != crc:
        raise _damaged(name)


class ArrayImages:
    """The images of an open array."""

    def __init__(self, descriptor: int, array: ImageArray) -> None:
        self._descriptor = descriptor
        self._array = array

    def read(self, index: int) -> bytes:
        """Return one image's bytes, row by row, in colour R, G, B pixel by pixel; raises `Malformed`."""
        if not 0 <= index < self._array.count:
            raise IndexError(index)
        return self.images(index, index + 1).tobytes()

    def images(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Return the images `start` to `stop` (exclusive), (n, H, W) or (n, H, W, 3); raises `Malformed`."""
        array = self._array
        images = np.empty((max(0, min(stop, array.count) - start), *array.image_shape), np.uint8)
        content = images.reshape(-1).data
        place, done = array.offset + start * array.image_bytes, 0
        while done < len(content):
            count = os.preadv(self._descriptor, [content[done:]], place + done)
            if count == 0:
                raise Malformed("entry_damaged", "the images cannot be read: the file ends before them")
            done += count
        return images
