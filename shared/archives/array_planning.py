"""Arrays of images as archives: an `.npy`, or the one array of images in an `.npz`, judged by its header."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from shared.archives.npy import check_images, read_header
from shared.archives.plan import Entry, ImageArray, Kind, Plan
from shared.archives.unpacking import BLOCK, pieces
from shared.archives.zip_directory import Directory, blocks, first_name
from shared.archives.zip_planning import DEFLATED, plan_zip, raw_names
from shared.archives.zip_reading import LONGEST_HEADER, header_bytes
from shared.errors import Invalid, Malformed, TooLarge
from shared.runtime.settings import Settings
from shared.storage import durable

SUFFIX = ".npy"
NAMES = ("x", "images")


def plan_array(path: Path, start: int, size: int, name: str, limits: Settings) -> Plan:
    """Judge the array whose header and data are the `size` bytes from `start` of the file.

    Raises `Invalid`, or `TooLarge` where the images are too many or too large.
    """
    with path.open("rb") as file:
        file.seek(start)
        header = read_header(file, name, size)
    check_images(header)
    count, height, width = map(int, header.shape)
    if count > limits.max_archive_entries:
        raise TooLarge("archive_too_large", f"more than {limits.max_archive_entries} images")
    if header.nbytes > limits.max_expanded_bytes:
        raise TooLarge("archive_too_large", f"more than {limits.max_expanded_bytes} bytes when unpacked")
    if height * width > limits.max_image_pixels:
        raise TooLarge("npz_too_large", f"an image has more than {limits.max_image_pixels} pixels")
    return Plan(Kind.ARRAY, array=ImageArray(start + header.start, count, height, width))


def holds_arrays(descriptor: int, directory: Directory) -> bool:
    """Whether a zip is an `.npz`: it holds nothing but arrays."""
    if not first_name(descriptor, directory).endswith(SUFFIX.encode()):
        return False  # the usual zip is not walked twice
    return all(name.endswith(SUFFIX.encode()) for block in blocks(descriptor, directory) for name in raw_names(block))


def plan_npz(path: Path, descriptor: int, file_size: int, directory: Directory, limits: Settings) -> Plan:
    """Judge an `.npz` as the zip that it is, then its array `x` or `images`, or the only one.

    An array that is packed is unpacked in the place of the `.npz`; one that is not is read from where it lies.
    """
    roomy = limits.model_copy(update={"max_entry_bytes": limits.max_expanded_bytes})  # an entry is not one image here
    archive = plan_zip(descriptor, file_size, directory, roomy)
    names = [name.removesuffix(SUFFIX) for name in archive.paths(0, len(archive))]
    chosen = next((name for name in NAMES if name in names), names[0])
    if chosen not in NAMES and len(names) > 1:
        raise Invalid("npz_array_missing", f"the .npz holds {len(names)} arrays, and none is called x or images")
    entry = Entry._make(archive.entries[names.index(chosen)].tolist())
    try:
        header = os.pread(descriptor, LONGEST_HEADER, entry.offset)
        start = entry.offset + header_bytes(header, 0, entry, archive.names.data)
    except Malformed as error:
        raise _damaged(chosen) from error
    content = _blocks(descriptor, start, entry.packed)
    if entry.method != DEFLATED:
        for _ in _checked(content, chosen, entry.size, entry.crc):
            pass
        return plan_array(path, start, entry.size, chosen, limits)
    with durable.replacing(path) as target:
        for piece in _checked(_inflated(content, chosen), chosen, entry.size, entry.crc):
            target.write(piece)
    return plan_array(path, 0, entry.size, chosen, limits)


def _damaged(name: str) -> Invalid:
    return Invalid("npz_damaged", f"{name} is damaged: it is not what the .npz tells of it")


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
    """The content, which must have this size and checksum; no more than that is ever unpacked."""
    total = checksum = 0
    for piece in content:
        total += len(piece)
        if total > size:
            raise _damaged(name)
        checksum = zlib.crc32(piece, checksum)
        yield piece
    if total != size or checksum != crc:
        raise _damaged(name)
