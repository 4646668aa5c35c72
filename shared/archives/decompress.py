"""Decompression of a gzip, bzip2, xz or zstd stream, which replaces the uploaded file; bombs stop at the limits."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, Protocol

from backports import zstd

from shared.archives.damage import cause_of
from shared.archives.entries import check_ratio
from shared.archives.tar import BLOCK as TAR_BLOCK
from shared.archives.tar import is_tar
from shared.errors import Invalid, StorageFull, TooLarge, UnsupportedType
from shared.runtime.settings import Settings
from shared.storage import durable
from shared.storage.uploads import space

BLOCK = 64 * 1024
XZ_MEMORY = 80 * 1024 * 1024  # `xz -9` needs 65 MiB
PIECE = 1024 * 1024
MANY_PARTS, PART_BYTES = 1000, 1024  # more parts than this must have at least PART_BYTES each on average
GZIP, BZIP2, XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0"
ZSTD = tuple(value.to_bytes(4, "little") for value in (0xFD2FB528, *range(0x184D2A50, 0x184D2A60)))  # data, skippable


class Decompressor(Protocol):
    """A decompressor of one part of a stream: a gzip member, a stream of bzip2 or xz, or a zstd frame."""

    @property
    def eof(self) -> bool:
        """Whether the part has ended."""

    @property
    def unused_data(self) -> bytes:
        """Input after the end of the part."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Unpack at most `max_length` bytes."""


class Packing(NamedTuple):
    """A format of compression: a factory of decompressors, and the bytes that begin each part of a stream.

    magic: bytes that are not these are ignored after a part, as the command gzip does with a warning; empty if other
    bytes are damage.
    """

    new: Callable[[], Decompressor]
    magic: bytes = b""


def packing_of(start: bytes, limits: Settings) -> Packing | None:
    """Return the format of a stream that starts with these bytes; None if it is not supported."""
    if start.startswith(GZIP):
        return Packing(lambda: zlib.decompressobj(zlib.MAX_WBITS | 16), GZIP)
    if start.startswith(BZIP2):
        return Packing(bz2.BZ2Decompressor, BZIP2)
    if start.startswith(XZ):
        return Packing(lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, XZ_MEMORY), XZ)
    if start.startswith(ZSTD):
        window_log = limits.max_zstd_window_bytes.bit_length() - 1
        return Packing(lambda: zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: window_log}))
    return None


def unpack_in_place(path: Path, packing: Packing, limits: Settings) -> bool:
    """Replace a compressed file by the tar that it contains, durably; return whether other bytes after it are ignored.

    The packed and the unpacked file are on the volume together until the end. Raises `UnsupportedType` if the content
    is not a tar, and `TooLarge`, `Invalid` or `StorageFull`; the file is then unchanged.
    """
    packed = path.stat().st_size
    size = 0
    space.check(path.parent, packed)  # it is rarely smaller when unpacked
    with path.open("rb") as source, _space_for(lambda: size), durable.replacing(path) as target:
        stream = Unpacked(source, packing, limits)
        for piece in stream:
            if size == 0 and len(piece) >= TAR_BLOCK and not is_tar(piece):  # before the rest is unpacked
                raise UnsupportedType("archive_expected", "a compressed file must hold a tar of images")
            size += len(piece)
            if size > limits.max_expanded_bytes:
                raise TooLarge(
                    "archive_too_large",
                    f"the archive unpacks to more than {limits.max_expanded_bytes} bytes"
                    " (GLASSBOX_MAX_EXPANDED_BYTES; GLASSBOX_MAX_DATASET_BYTES for a data set)",
                )
            check_ratio(size, packed, limits)
            target.write(piece)
    return stream.rest_ignored


@contextmanager
def _space_for(unpacked: Callable[[], int]) -> Iterator[None]:
    try:
        yield
    except StorageFull as error:
        raise StorageFull(
            error.code,
            f"the archive is compressed, so it is unpacked on the volume, which was full after {unpacked():,} bytes:"
            " make room for the unpacked files, or send a tar without compression or a zip, which are read as they are",
        ) from error


class Unpacked:
    """The unpacked content of a stream of one or more parts. `rest_ignored`: bytes of no part follow the last one."""

    def __init__(self, source: IO[bytes], packing: Packing, limits: Settings) -> None:
        self._source = source
        self._packing = packing
        self._max_window = limits.max_zstd_window_bytes
        self.rest_ignored = False

    def __iter__(self) -> Iterator[bytes]:
        """Yield the content piece by piece; raises `Invalid` if the stream is damaged or cut short."""
        try:
            yield from self._parts()
        except (zlib.error, zstd.ZstdError, lzma.LZMAError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:  # of the disk; those of bz2 have none
                raise
            if "Memory usage limit" in str(error):
                raise TooLarge(
                    "archive_window_too_large",
                    f"unpacking needs more than {XZ_MEMORY} bytes of memory; pack the archive with xz -9 or less",
                ) from error
            if "too much memory" in str(error):
                raise TooLarge(
                    "archive_window_too_large",
                    f"unpacking needs a window of more than {self._max_window} bytes (GLASSBOX_MAX_ZSTD_WINDOW_BYTES);"
                    " pack the archive without --long and --ultra",
                ) from error
            cause = "its compressed data is damaged" if isinstance(error, OSError) else cause_of(error)
            raise Invalid("archive_damaged", f"the archive cannot be unpacked: {cause}; pack it again") from error

    def _parts(self) -> Iterator[bytes]:
        new, magic = self._packing
        stream, parts, size = new(), 1, 0
        while data := self._source.read(BLOCK):
            while data:
                if stream.eof:
                    data = data.lstrip(b"\0")  # tapes and disks pad archives with zeros
                    if not data:
                        break
                    if len(data) < len(magic):
                        data += self._source.read(BLOCK)
                    if not data.startswith(magic):
                        self.rest_ignored = True
                        return
                    stream, parts = new(), parts + 1
                    if parts > MANY_PARTS and parts * PART_BYTES > size:
                        raise Invalid("archive_damaged", "the archive is packed in too many parts, most of them empty")
                for piece in pieces(stream, data):
                    size += len(piece)
                    yield piece
                data = stream.unused_data
        if not stream.eof:
            raise Invalid("archive_damaged", "the archive is cut short")


def pieces(stream: Decompressor, data: bytes) -> Iterator[bytes]:
    """Yield the unpacked content of `data`, at most `PIECE` bytes at a time."""
    while True:
        piece = stream.decompress(data, PIECE)
        if piece:
            yield piece
        if stream.eof or len(piece) < PIECE:
            return
        data = getattr(stream, "unconsumed_tail", b"")  # zlib returns the unread input; zstd buffers it
