"""Equal bytes are stored once: a complete upload, or a batch's archive, becomes a link to those of another one.

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

MOST_COMPARISONS = 4
"""How many times the bytes are read in vain: many files may differ at their ends only."""

LEAST = 4096  # bytes; less takes no more space twice


def store_once(volume: Volume, data: Path) -> bool:
    """Replace a complete upload, or an archive, by a link to equal bytes; return whether there were any."""
    with suppress(OSError):  # another request removes a file meanwhile, or the file system has no links
        size = data.stat().st_size
        left = MOST_COMPARISONS * size
        for other in _of_length(volume, data, size):
            if other.samefile(data):
                return True
            equal = _equal_bytes(other, data)
            left -= equal
            if equal == size:
                linked = durable.temporary_beside(data)
                os.link(other, linked)
                os.utime(linked)  # the cleanup removes temporary files by their age
                durable.rename(linked, data)
                return True
            if left <= 0:
                break
    return False


def _of_length(volume: Volume, data: Path, size: int) -> Iterator[Path]:
    """Iterate over the files of other complete uploads and of batches that have as many bytes."""
    if size < LEAST:
        return
    for owner in folder_names(volume.uploads):
        for name in folder_names(volume.uploads_of(owner)):
            other = UploadFolder(volume, owner, name)
            with suppress(FileNotFoundError, NotADirectoryError, ValueError):
                if other.data == data or other.data.stat().st_size != size:
                    continue
                record = other.read()
                if record.length == size == other.received() and not record.partial:
                    yield other.data
    for job in folder_names(volume.jobs)[-MOST_ARCHIVES:]:  # ids sort by time
        with suppress(FileNotFoundError, NotADirectoryError):
            archive = volume.archive(job)
            for path in archive.iterdir() if archive.is_dir() else (archive,):
                if path.stat().st_size == size:
                    yield path


def _equal_bytes(one: Path, other: Path) -> int:
    """Return how many bytes at the beginning of two files are equal, in whole blocks; all of them if the files are."""
    equal = 0
    with one.open("rb") as first, other.open("rb") as second:
        while block := first.read(durable.BLOCK):
            if block != second.read(durable.BLOCK):
                return equal
            equal += len(block)
    return equal
