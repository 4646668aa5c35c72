"""Equal uploads are stored once: a complete upload becomes a link to the bytes of an equal one.

Uploads of the same length are compared byte by byte, which ends at the first difference. So an upload without a
duplicate costs nothing, and no digest of all uploads has to be kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from shared.storage import durable
from shared.storage.uploads.folder import UploadFolder, folder_names
from shared.storage.volume import Volume


def store_once(volume: Volume, folder: UploadFolder) -> bool:
    """Replace the bytes of a complete upload by a link to equal ones; return whether there were any."""
    with suppress(FileNotFoundError, OSError):
        size = folder.data.stat().st_size
        for other in _of_length(volume, folder, size):
            if other.data.samefile(folder.data):
                return True
            if _are_equal(other.data, folder.data):
                linked = durable.temporary_beside(folder.data)
                os.link(other.data, linked)
                durable.rename(linked, folder.data)
                return True
    return False


def _of_length(volume: Volume, folder: UploadFolder, size: int) -> Iterator[UploadFolder]:
    """Iterate over the other complete uploads with as many bytes."""
    for owner in folder_names(volume.uploads) if size else ():
        for name in folder_names(volume.uploads_of(owner)):
            other = UploadFolder(volume, owner, name)
            with suppress(FileNotFoundError, NotADirectoryError, ValueError):
                if other.path == folder.path or other.data.stat().st_size != size:
                    continue
                record = other.read()
                if record.length == size == other.received() and not record.partial:
                    yield other


def _are_equal(one: Path, other: Path) -> bool:
    with one.open("rb") as first, other.open("rb") as second:
        while block := first.read(durable.BLOCK):
            if block != second.read(durable.BLOCK):
                return False
        return not second.read(1)
