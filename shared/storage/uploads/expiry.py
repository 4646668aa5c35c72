"""The removal of expired uploads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from shared.storage.uploads.folder import UploadFolder, folder_names
from shared.storage.volume import Volume


def expire(volume: Volume, now: float, expiry: float) -> Iterator[Path]:
    """Remove the bytes of expired uploads, and their records after twice that time; return the removed paths.

    now: the time by the volume's clock. A record without bytes makes the server respond 410 instead of 404.
    """
    for owner in folder_names(volume.uploads):
        for name in folder_names(volume.uploads_of(owner)):
            folder = UploadFolder(volume, owner, name)
            with suppress(FileNotFoundError, NotADirectoryError):
                age = now - folder.last_activity()
                if age > 2 * expiry:
                    folder.remove()
                    yield folder.path
                elif age > expiry and folder.remove_data():
                    yield folder.data
