"""Decompression of a gzip or zstd stream, which replaces the uploaded file; decompression bombs stop at the limits."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Protocol

from backports import zstd

from shared.archives.tar import BLOCK as TAR_BLOCK
from shared.archives.tar import is_tar
from shared.errors import Invalid, TooLarge, UnsupportedType
from shared.runtime.settings import MiB, Settings
from shared.storage import durable

BLOCK = 64 * 1024
PIECE = 1024 * 1024
MANY_PARTS, PART_BYTES = 1000, 1024  # more parts than this must have at least PART_BYTES each on average
GZIP = b"\x1f\x8b"
ZSTD = tuple(value.to_bytes(4, "little") for value in (0xFD2FB528, *range(0x184D2A50, 0x184D2A60)))  # data, skippable


class Decompressor(Protocol):
    """A decompressor of one part of a stream: a gzip member or a zstd frame."""

    @property
    def eof(self) -> bool:
        """Whether the part has ended."""

    @property
    def unused_data(self) -> bytes:
        """Input after the end of the part."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Unpack at most `max_length` bytes."""


def decompressor(magic: bytes, limits: Settings) -> Callable[[], Decompressor] | None:
    """Return a factory of decompressors for a stream that starts with `magic`; None if the format is not supported."""
    if magic.startswith(GZIP):
        return lambda: zlib.decompressobj(zlib.MAX_WBITS | 16)
    if magic.startswith(ZSTD):
        window_log = limits.max_zstd_window_bytes.bit_length() - 1
        return lambda: zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: window_log})
    return None


def unpack_in_place(path: Path, new: Callable[[], Decompressor], limits: Settings) -> None:
    """Replace a compressed file by the tar that it contains, durably.

    Raises `UnsupportedType` if the content is not a tar, and `TooLarge` or `Invalid`; the file is then unchanged.
    """
    packed = path.stat().st_size
    ratio_limit = max(MiB, limits.max_compression_ratio * packed)
    size = 0
    with path.open("rb") as source, durable.replacing(path) as target:
        for piece in unpacked(source, new, limits):
            if size == 0 and len(piece) >= TAR_BLOCK and not is_tar(piece):  # before the rest is unpacked
                raise UnsupportedType("archive_expected", "a compressed file must hold a tar of images")
            size += len(piece)
            if size > limits.max_expanded_bytes:
                raise TooLarge(
                    "archive_too_large", f"the archive unpacks to more than {limits.max_expanded_bytes} bytes"
                )
            if size > ratio_limit:
                raise Invalid(
                    "archive_ratio", f"the archive unpacks to more than {limits.max_compression_ratio} times its size"
                )
            target.write(piece)


def unpacked(source: IO[bytes], new: Callable[[], Decompressor], limits: Settings) -> Iterator[bytes]:
    """Yield the unpacked content of a stream of one or more parts; raises `Invalid` if it is damaged or cut short."""
    stream, parts, size = new(), 1, 0
    try:
        while data := source.read(BLOCK):
            while data:
                if stream.eof:
                    data = data.lstrip(b"\0")  # tapes and disks pad archives with zeros
                    if not data:
                        break
                    stream, parts = new(), parts + 1
                    if parts > MANY_PARTS and parts * PART_BYTES > size:
                        raise Invalid("archive_damaged", "the archive is packed in too many parts, most of them empty")
                for piece in pieces(stream, data):
                    size += len(piece)
                    yield piece
                data = stream.unused_data
    except (zlib.error, zstd.ZstdError) as error:
        if "too much memory" in str(error):
            raise TooLarge(
                "archive_window_too_large",
                f"unpacking needs a window of more than {limits.max_zstd_window_bytes} bytes; pack the archive without"
                " --long and --ultra",
            ) from error
        raise Invalid("archive_damaged", f"the archive cannot be unpacked: {error}") from error
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
