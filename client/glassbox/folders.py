"""A folder of images as a zip that is made while it is sent: stored, not packed, so that its length is known before.

The zip has the images in the order of their paths, and no dates: the same folder gives the same bytes.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from glassbox.bodies import BLOCK
from glassbox.errors import LocalFileError

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
MAX_ENTRY_BYTES = (1 << 32) - 2
MAX_ENTRIES = 0xFFFE  # of a zip without the extensions for more

LOCAL = struct.Struct("<4sHHHHHIIIHH")
CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
CENTRAL_64 = struct.Struct("<HHQ")  # the place of an entry beyond 4 GiB
END = struct.Struct("<4sHHHHIIH")
END_64 = struct.Struct("<4sQHHIIQQQQ")
LOCATOR_64 = struct.Struct("<4sIQI")
UTF_8 = 0x800
DATE = 0x21  # the first day that a zip can tell: 1 January 1980


class FolderBody:
    """The images below a folder, as a zip. Raises `LocalFileError` where there are none, or one cannot be read.

    `left_out` counts the other files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = os.fspath(folder)
        self.left_out = 0
        self._entries = sorted(self._found())
        if not self._entries:
            raise LocalFileError(f"there are no images in {folder}: it has no file that ends with {', '.join(ENDINGS)}")
        self.size = self._measured()

    def __len__(self) -> int:
        """How many images there are."""
        return len(self._entries)

    def __iter__(self) -> Iterator[bytes]:
        block = bytearray()
        directory = bytearray()
        place = 0
        for name, size in self._entries:
            encoded = os.fsencode(name)
            content, checksum = self._read(name, size)
            header = LOCAL.pack(b"PK\3\4", 20, UTF_8, 0, 0, DATE, checksum, size, size, len(encoded), 0)
            directory += _central(encoded, checksum, size, place)
            place += len(header) + len(encoded) + size
            block += header
            block += encoded
            if content is None:
                yield bytes(block)
                block.clear()
                yield from self._streamed(name, size)
            else:
                block += content
            if len(block) >= BLOCK:
                yield bytes(block)
                block.clear()
        yield bytes(block)
        yield bytes(directory)
        yield _end(len(self._entries), len(directory), place)

    def _found(self) -> Iterator[tuple[str, int]]:
        """Each image's path below the folder, with `/`, and its size."""
        below = [""]
        while below:
            prefix = below.pop()
            try:
                with os.scandir(f"{self._folder}/{prefix}") as entries:
                    for entry in entries:
                        if entry.name.startswith("."):
                            continue
                        if entry.is_dir(follow_symlinks=False):
                            below.append(f"{prefix}{entry.name}/")
                        elif entry.name.lower().endswith(ENDINGS) and entry.is_file():
                            yield f"{prefix}{entry.name}", entry.stat().st_size
                        else:
                            self.left_out += 1
            except OSError as error:
                raise LocalFileError(f"{error.filename} cannot be read: {error.strerror}") from error

    def _measured(self) -> int:
        """The zip's length in bytes."""
        place = directory = 0
        for name, size in self._entries:
            if size > MAX_ENTRY_BYTES:
                raise LocalFileError(f"{self._folder}/{name} has {size:,} bytes, which is too much for an image")
            length = len(os.fsencode(name))
            directory += CENTRAL.size + length + (_EXTRA if place > _FOUR_GIB else 0)
            place += LOCAL.size + length + size
        return place + directory + len(_end(len(self._entries), directory, place))

    def _read(self, name: str, size: int) -> tuple[bytes | None, int]:
        """A file's content, None where that is long, and its checksum."""
        if size > BLOCK:
            checksum = 0
            for block in self._streamed(name, size):
                checksum = zlib.crc32(block, checksum)
            return None, checksum
        try:
            descriptor = os.open(f"{self._folder}/{name}", os.O_RDONLY)
            try:
                content = os.read(descriptor, size + 1)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise LocalFileError(f"{self._folder}/{name} cannot be read: {error.strerror}") from error
        if len(content) != size:
            raise self._changed(name)
        return content, zlib.crc32(content)

    def _streamed(self, name: str, size: int) -> Iterator[bytes]:
        done = 0
        try:
            with Path(self._folder, name).open("rb") as file:
                while block := file.read(BLOCK):
                    done += len(block)
                    if done > size:
                        raise self._changed(name)
                    yield block
        except OSError as error:
            raise LocalFileError(f"{self._folder}/{name} cannot be read: {error.strerror}") from error
        if done != size:
            raise self._changed(name)

    def _changed(self, name: str) -> LocalFileError:
        return LocalFileError(f"{self._folder}/{name} changed while it was sent; nothing was submitted: try again")


_FOUR_GIB = 0xFFFFFFFE
_EXTRA = CENTRAL_64.size


def _central(name: bytes, checksum: int, size: int, place: int) -> bytes:
    """An entry of the zip's directory."""
    far = place > _FOUR_GIB
    extra = CENTRAL_64.pack(1, 8, place) if far else b""
    numbers = (checksum, size, size, len(name), len(extra), 0, 0, 0, 0, 0xFFFFFFFF if far else place)
    return CENTRAL.pack(b"PK\1\2", 45, 45 if far else 20, UTF_8, 0, 0, DATE, *numbers) + name + extra


def _end(count: int, directory: int, place: int) -> bytes:
    """What ends the zip: how many entries it has, and where its directory is."""
    if count <= MAX_ENTRIES and place + directory <= _FOUR_GIB:
        return END.pack(b"PK\5\6", 0, 0, count, count, directory, place, 0)
    end_64 = END_64.pack(b"PK\6\6", END_64.size - 12, 45, 45, 0, 0, count, count, directory, place)
    locator = LOCATOR_64.pack(b"PK\6\7", 0, place + directory, 1)
    return end_64 + locator + END.pack(b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
