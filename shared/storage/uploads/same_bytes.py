"""Equal uploads are stored once: a complete upload becomes a link to equal bytes of an upload or of a batch's archive.

Files of the same length are compared byte by byte, which ends at the first difference. So an upload without a duplicate
costs nothing, and no digest of all uploads has to be kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from shared.storage import durable
from shared.storage.uploads.folder import UploadFolder, folder_names
from shared.storage.volume import Volume

MOST_ARCHIVES = 1000
"""The most batches, the newest ones, with whose archives an upload is compared."""


def store_once(volume: Volume, folder: UploadFolder) -> bool:
    """Replace the bytes of a complete upload by a link to equal ones; return whether there were any."""
    with suppress(OSError):  # another request removes a file meanwhile, or the file system has no links
        size = folder.data.stat().st_size
        for other in _of_length(volume, folder, size):
            if other.samefile(folder.data):
                return True
            if _are_equal(other, folder.data):
                linked = durable.temporary_beside(folder.data)
                os.link(other, linked)
                durable.rename(linked, folder.data)
                return True
    return False


def _of_length(volume: Volume, folder: UploadFolder, size: int) -> Iterator[Path]:
    """Iterate over the files of other complete uploads and of batches that have as many bytes."""
    if not size:
        return
    for owner in folder_names(volume.uploads):
        for name in folder_names(volume.uploads_of(owner)):
            other = UploadFolder(volume, owner, name)
            with suppress(FileNotFoundError, NotADirectoryError, ValueError):
                if other.path == folder.path or other.data.stat().st_size != size:
                    continue
                record = other.read()
                if record.length == size == other.received() and not record.partial:
                    yield other.data
    for job in folder_names(volume.jobs)[-MOST_ARCHIVES:]:  # ids sort by time
        with suppress(FileNotFoundError, NotADirectoryError):
            if volume.archive(job).stat().st_size == size:
                yield volume.archive(job)


def _are_equal(one: Path, other: Path) -> bool:
    with one.open("rb") as first, other.open("rb") as second:
        while block := first.read(durable.BLOCK):
            if block != second.read(durable.BLOCK):
                return False
        return not second.read(1)
