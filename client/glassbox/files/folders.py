"""A folder of images as a zip that is written while it is sent.

Images are stored without compression, so that the zip's length is known in advance. They are in the order of their
paths and without dates: the same folder gives the same bytes. Paths are bytes, because decoding and encoding a million
of them would take a large part of the time.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path

from glassbox.errors import LocalFileError
from glassbox.files.image_files import ENDINGS, FIRST_BYTES, FOREIGN_ENDINGS, TEXT_ENDINGS, is_image
from glassbox.files.leftovers import HIDDEN, leftover
from glassbox.files.skip_report import NAMED, as_line
from glassbox.http.bodies import BLOCK
from glassbox.records.skipped import SkippedFiles

ALL_32, ALL_16 = 0xFFFFFFFF, 0xFFFF  # replace a number that is in a Zip64 field
NEEDS_ZIP64 = ALL_32  # sizes and offsets from this number on are in Zip64 fields

LOCAL = struct.Struct("<4sHHHHHIIIHH")
CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
CENTRAL_64 = struct.Struct("<HHQ")
END = struct.Struct("<4sHHHHIIH")
END_64 = struct.Struct("<4sQHHIIQQQQ")
LOCATOR_64 = struct.Struct("<4sIQI")
UTF_8 = 0x800
DATE = 0x21  # the first date of the format: 1 January 1980

_ENDINGS = tuple(map(os.fsencode, ENDINGS))
_FOREIGN = tuple(map(os.fsencode, FOREIGN_ENDINGS))
_TEXT = tuple(map(os.fsencode, TEXT_ENDINGS))
NOT_AN_IMAGE, UNSUPPORTED = "not_an_image", "image_unsupported"

Entry = tuple[bytes, int]  # an image's path below the folder, with `/`, and its size


class FolderBody:
    """The images in a folder and its subfolders as a zip. Raises `LocalFileError` if none exists or one is unreadable.

    Links to files and folders are followed. Images are recognised by their endings or their first bytes; `skipped` has
    the other files, by the reason's code.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = os.fsencode(folder) + b"/"
        self._left_out: list[tuple[str, bytes]] = []  # the reason's code and the path below the folder
        self._entries: list[Entry] = []
        self._find(b"", ())
        self._left_out.sort(key=itemgetter(1))
        self.skipped = self._report()
        if not self._entries:
            skipped = f"; {as_line(self.skipped)}" if self.skipped else ""
            raise LocalFileError(f"there are no images in {folder}{skipped}")
        self._entries.sort()
        self._refuse_undecodable()
        self.size = self._zip_size()

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._entries)

    def __iter__(self) -> Iterator[bytes]:
        block = bytearray()
        directory = bytearray()
        sent = 0  # bytes before the block
        for name, size in self._entries:
            content, checksum = self._read(name, size)
            offset = sent + len(block)
            directory += _central(name, checksum, size, offset)
            block += LOCAL.pack(b"PK\3\4", 20, UTF_8, 0, 0, DATE, checksum, size, size, len(name), 0)
            block += name
            if content is not None:
                block += content
                if len(block) < BLOCK:
                    continue
            yield bytes(block)
            sent += len(block)
            block.clear()
            if content is None:
                yield from self._streamed(name, size)
                sent += size
        offset = sent + len(block)
        yield bytes(block + directory + _end(len(self._entries), len(directory), offset))

    def refuse_empty_class(self) -> None:
        """Raise `LocalFileError` if a folder at the depth of the classes has no image that is sent, but other files.

        Texts beside images do not count, nor do hidden files that are no images.
        """
        used = {name.rpartition(b"/")[0] for name, _ in self._entries}
        depth = min(folder.count(b"/") for folder in used)
        for code, name in self._left_out:
            folder = name.rpartition(b"/")[0]
            is_meant = name.lower().endswith(_ENDINGS) if code == HIDDEN else not name.lower().endswith(_TEXT)
            if code not in {NOT_AN_IMAGE, UNSUPPORTED, HIDDEN, "broken_link"} or not is_meant or not folder:
                continue
            inside = folder in used or any(other.startswith(folder + b"/") for other in used)
            if not inside and folder.count(b"/") == depth:
                raise LocalFileError(
                    f"{_shown(self._folder + folder)} has no image that can be read, only files such as {_shown(name)}:"
                    " put PNG or JPEG files in their place, not hidden ones or broken links, or move the folder away;"
                    " nothing was submitted"
                )

    def _refuse_undecodable(self) -> None:
        """Raise `LocalFileError` for a name that is not UTF-8: the zip, rows and classes have names of Unicode."""
        try:
            b"/".join([name for name, _ in self._entries]).decode()
        except UnicodeDecodeError:
            for name, _ in self._entries:
                if (shown := name.decode(errors="backslashreplace")).encode() != name:
                    raise LocalFileError(
                        f"the name {shown} in {_shown(self._folder)} is not UTF-8: rename the file or its folder, for"
                        " example by convmv; nothing was submitted"
                    ) from None

    def _find(self, subfolder: bytes, parents: tuple[tuple[int, int], ...]) -> None:
        """Collect the images in a subfolder, recursively. parents: device and inode of the folders around it."""
        try:
            status = Path(os.fsdecode(self._folder + subfolder)).stat()
            here = (status.st_dev, status.st_ino)
            if here in parents:
                self._left_out.append(("link_loop", subfolder))
                return
            with os.scandir(self._folder + subfolder) as entries:
                is_empty = True
                for entry in entries:
                    is_empty = False
                    name = subfolder + entry.name
                    if entry.is_dir():
                        if code := leftover(os.fsdecode(name) + "/file"):
                            self._left_out.append((code, name + b"/"))
                        else:
                            self._find(name + b"/", (*parents, here))
                    elif code := self._reason_to_skip(entry, name):
                        self._left_out.append((code, name))
                    else:
                        self._entries.append((name, entry.stat().st_size))
            if is_empty and subfolder:
                self._left_out.append(("empty_folder", subfolder))
        except OSError as error:
            raise LocalFileError(f"{_shown(error.filename)} cannot be read: {error.strerror}") from error

    def _reason_to_skip(self, entry: os.DirEntry[bytes], name: bytes) -> str | None:
        """Return the code of the reason why a file is not sent, or None."""
        if code := leftover(os.fsdecode(name)):
            return code
        if not entry.is_file():
            return "broken_link" if entry.is_symlink() else "special_file"
        ending = entry.name.lower()
        if ending.endswith(_ENDINGS):
            return None
        with Path(os.fsdecode(entry.path)).open("rb") as file:
            if is_image(file.read(FIRST_BYTES)):
                return None
        return UNSUPPORTED if ending.endswith(_FOREIGN) else NOT_AN_IMAGE

    def _report(self) -> dict[str, SkippedFiles]:
        names: dict[str, list[str]] = {}
        for code, name in self._left_out:
            names.setdefault(code, []).append(_shown(name))
        return {code: SkippedFiles(len(found), tuple(found[:NAMED])) for code, found in names.items()}

    def _zip_size(self) -> int:
        """Return the zip's length in bytes."""
        offset = directory = 0
        for name, size in self._entries:
            if size >= ALL_32:
                raise LocalFileError(f"{_shown(self._folder + name)} has {size:,} bytes, too many for an image")
            directory += CENTRAL.size + len(name)
            if offset >= NEEDS_ZIP64:
                directory += CENTRAL_64.size
            offset += LOCAL.size + len(name) + size
        return offset + directory + len(_end(len(self._entries), directory, offset))

    def _read(self, name: bytes, size: int) -> tuple[bytes | None, int]:
        """Return a file's content, or None if it is longer than a block, and its checksum."""
        if size > BLOCK:
            checksum = 0
            for block in self._streamed(name, size):
                checksum = zlib.crc32(block, checksum)
            return None, checksum
        try:
            descriptor = os.open(self._folder + name, os.O_RDONLY)
            try:
                content = os.read(descriptor, size + 1)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise self._unreadable(name, error) from error
        if len(content) != size:
            raise self._changed(name)
        return content, zlib.crc32(content)

    def _streamed(self, name: bytes, size: int) -> Iterator[bytes]:
        left = size
        try:
            with Path(os.fsdecode(self._folder + name)).open("rb") as file:
                while block := file.read(BLOCK):
                    left -= len(block)
                    if left < 0:
                        break
                    yield block
        except OSError as error:
            raise self._unreadable(name, error) from error
        if left:
            raise self._changed(name)

    def _unreadable(self, name: bytes, error: OSError) -> LocalFileError:
        return LocalFileError(f"{_shown(self._folder + name)} cannot be read: {error.strerror}; nothing was submitted")

    def _changed(self, name: bytes) -> LocalFileError:
        return LocalFileError(f"{_shown(self._folder + name)} changed while it was sent; nothing was submitted")


def _shown(path: bytes | str) -> str:
    return os.fsdecode(path).encode(errors="replace").decode()


def _central(name: bytes, checksum: int, size: int, offset: int) -> bytes:
    """Return an entry of the zip's central directory."""
    if offset < NEEDS_ZIP64:
        numbers = (checksum, size, size, len(name), 0, 0, 0, 0, 0, offset)
        return CENTRAL.pack(b"PK\1\2", 20, 20, UTF_8, 0, 0, DATE, *numbers) + name
    numbers = (checksum, size, size, len(name), CENTRAL_64.size, 0, 0, 0, 0, ALL_32)
    return CENTRAL.pack(b"PK\1\2", 45, 45, UTF_8, 0, 0, DATE, *numbers) + name + CENTRAL_64.pack(1, 8, offset)


def _end(count: int, directory: int, offset: int) -> bytes:
    """Return the end of the zip: the number of entries, and the directory's size and offset."""
    if count < ALL_16 and directory < NEEDS_ZIP64 and offset < NEEDS_ZIP64:
        return END.pack(b"PK\5\6", 0, 0, count, count, directory, offset, 0)
    end_64 = END_64.pack(b"PK\6\6", END_64.size - 12, 45, 45, 0, 0, count, count, directory, offset)
    locator = LOCATOR_64.pack(b"PK\6\7", 0, offset + directory, 1)
    return end_64 + locator + END.pack(b"PK\5\6", 0, 0, ALL_16, ALL_16, ALL_32, ALL_32, 0)
