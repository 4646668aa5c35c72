"""Writing to an upload: blocks at its end, on the disk before they are reported."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from shared.storage import durable
from shared.storage.uploads.contents import Contents
from shared.storage.uploads.folder import UploadFolder
from shared.storage.uploads.lock import UploadLock

REFRESH_SECONDS = 2.0  # a request that writes stores this often that the upload is in use, also for other hosts


class UploadWriter:
    """Appends to an upload. offset: the bytes received, those that are not on the disk yet included."""

    def __init__(self, folder: UploadFolder, lock: UploadLock, contents: Contents) -> None:
        self._folder = folder
        self._lock = lock
        self._contents = contents
        self._unsynced = 0
        self._refreshed = time.monotonic()
        self.offset = contents.size()

    def write(self, block: bytes | bytearray) -> None:
        """Append a block. Raises `Locked` if another request continues the upload, `NotFound`, or `StorageFull`."""
        view = memoryview(block)
        with durable.translated_errors(), self._lock.writing(self._contents.guard):
            while view:
                written = self._contents.write(view, self.offset)
                self.offset += written
                self._unsynced += written
                view = view[written:]
        if self._unsynced >= durable.PART:
            self.sync()
        if time.monotonic() - self._refreshed > REFRESH_SECONDS:
            self._refreshed = time.monotonic()
            self._lock.refresh()

    def sync(self) -> None:
        """Make the bytes and their number durable. Raises `Locked` or `NotFound`, and changes nothing, as `write`."""
        with durable.translated_errors():
            self._contents.flush()
            with self._lock.writing(self._contents.guard):
                self._contents.store_size()
        self._unsynced = 0

    def truncate(self, offset: int) -> None:
        """Remove the bytes after the offset."""
        with self._lock.writing(self._contents.guard):
            self._folder.truncate(self._contents, offset)
        self.offset = offset

    @contextmanager
    def verifying(self) -> Iterator[None]:
        """Receive a part with a checksum in this block. If the block raises, or the process dies, no byte counts."""
        self._folder.begin_unverified(self.offset)
        begun = self.offset
        try:
            yield
        except BaseException:
            with self._lock.writing(self._contents.guard):
                self._folder.discard_unverified(self._contents)
            self.offset = begun
            raise
        self.sync()
        with self._lock.writing(self._contents.guard):
            self._folder.unverified.unlink()
        durable.fsync_folder(self._folder.path)


@contextmanager
def opened_writer(folder: UploadFolder) -> Iterator[UploadWriter]:
    """Open an upload for writing, as the only request. At the end of the block all bytes are on the disk.

    Raises `Locked` if another request writes to it, and `NotFound` if it is removed.
    """
    with UploadLock(folder) as lock:
        contents = folder.opened()
        try:
            with lock.writing(contents.guard):
                folder.discard_unverified(contents)
            writer = UploadWriter(folder, lock, contents)
            try:
                yield writer
            finally:
                writer.sync()
        finally:
            contents.close()
