"""The folder of one upload: its record, its bytes, and how many of them count as received."""

from __future__ import annotations

import errno
import logging
import os
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from shared.errors import StorageFull
from shared.storage import durable
from shared.storage.uploads.contents import Contents, OwnFile, PlacedBytes
from shared.storage.uploads.record import UploadRecord
from shared.storage.volume import Volume

log = logging.getLogger(__name__)


class UploadFolder:
    """The files of one upload. Only the holder of its lock changes them.

    record: `upload.json`. data: the bytes received so far. lock: locked while a request writes; its modification time
    is the upload's last activity. unverified: while a part with a checksum is received, the offset at which it begins;
    bytes after that do not count. used: exists once a data set or a batch was made from the upload. count: only of a
    part with a place, the number of its bytes; `data` is a link to the file that it shares with the other parts.
    """

    def __init__(self, volume: Volume, owner: str, upload_id: str) -> None:
        self.owner = owner
        self.path = volume.upload(owner, upload_id)
        self.record = self.path / "upload.json"
        self.data = self.path / "data"
        self.lock = self.path / "lock"
        self.unverified = self.path / "unverified"
        self.used = self.path / "used"
        self.count = self.path / "count"

    def read(self) -> UploadRecord:
        """Return the record. Raises `FileNotFoundError`, also if it is damaged: nobody can continue such an upload."""
        try:
            return UploadRecord.model_validate_json(self.record.read_bytes())
        except ValidationError as error:
            log.warning("the record %s is damaged: %s", self.record, error)
            raise FileNotFoundError(errno.ENOENT, "the record is damaged", str(self.record)) from error

    def write(self, record: UploadRecord) -> None:
        """Replace the record, durably."""
        durable.write_json(self.record, record.model_dump(mode="json"))

    def received(self, *, durably: bool = False) -> int:
        """Return how many bytes count as received; durably: after they are on the disk. Raises `FileNotFoundError`."""
        contents = self.opened()
        try:
            begun = self.begun()  # before the size, so that bytes of a part that is verified meanwhile count later
            size = contents.size()
            if durably:
                contents.flush()
        finally:
            contents.close()
        return size if begun is None else min(size, begun)

    def opened(self) -> Contents:
        """Open the bytes. Raises `FileNotFoundError`."""
        if self.count.exists():
            return PlacedBytes(self.data, self.count, self.read().start or 0)
        return OwnFile(self.data)

    @property
    def guard(self) -> Path:
        """The file that is locked while bytes are written, and that each write changes."""
        return self.count if self.count.exists() else self.data

    def begun(self) -> int | None:
        """Return the offset of a part with a checksum that is not verified; None if there is no such part."""
        try:
            return int(self.unverified.read_text() or 0)
        except FileNotFoundError:
            return None

    def begin_unverified(self, offset: int) -> None:
        """Store that bytes after this offset do not count, durably."""
        durable.write_bytes(self.unverified, str(offset).encode())

    def discard_unverified(self, contents: Contents) -> None:
        """Remove the bytes of a part whose checksum was not verified. contents: of this upload."""
        begun = self.begun()
        if begun is not None:
            if contents.size() > begun:
                self.truncate(contents, begun)
                contents.flush()
                contents.store_size()
            self.unverified.unlink()

    def truncate(self, contents: Contents, size: int) -> None:
        """Remove the bytes after `size`, and reserve their space again if it is still there."""
        with suppress(StorageFull):
            contents.truncate(size, self.read().length or 0)

    def last_activity(self) -> float:
        """Return when a request last created or continued the upload. Raises `FileNotFoundError`.

        A part with a place is in use while a request writes to any part of the same file. A folder that has lost its
        lock, so that no request can continue it, still has an age, and expires.
        """
        times = []
        for path in (self.lock, self.data) if self.count.exists() else (self.lock,):
            with suppress(FileNotFoundError):
                times.append(path.stat().st_mtime)
        return max(times) if times else self.path.stat().st_mtime

    def remove(self) -> None:
        """Remove the upload with all its files."""
        durable.remove_tree(self.path)

    def remove_data(self) -> int:
        """Remove the bytes of an expired upload, and return their number; its record stays, to answer for it."""
        size = 0
        with suppress(FileNotFoundError):
            size = self.data.stat().st_size
            self.data.unlink()
        return size


def folder_names(parent: Path) -> list[str]:
    """Return the names of the finished folders in a folder, without hidden files; none if it does not exist."""
    with suppress(FileNotFoundError), os.scandir(parent) as entries:
        return sorted(entry.name for entry in entries if not entry.name.startswith("."))
    return []
