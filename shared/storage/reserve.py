"""Reserved space on the volume, so that deletions work if the disk is full.

Deleting a version first writes the model's new state, then removes the version's file. Without a reserve, a full disk
would stay full. The reserve is a file that is removed if its space is needed, and written again when there is space.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from shared.errors import StorageFull
from shared.storage import durable
from shared.storage.volume import Volume

SIZES = (256 * 1024, 64 * 1024, 16 * 1024)  # bytes; a state takes a few thousand


class Reserve:
    """The reserve of one volume. Many processes may use it at once; it may then be missing for a moment."""

    def __init__(self, volume: Volume) -> None:
        self._path = volume.reserve

    def keep(self) -> None:
        """Write as large a reserve as there is space for; does nothing if it is complete."""
        for size in SIZES:
            if self._size() >= size:
                return
            try:
                durable.write_bytes(self._path, os.urandom(size))  # a file system may compress zeros
            except StorageFull:
                continue
            return

    def spend(self, change: Callable[[], object]) -> None:
        """Run a change that frees space; if it raises `StorageFull`, remove the reserve and run it again.

        Raises what the change raises.
        """
        try:
            change()
        except StorageFull:
            self._path.unlink(missing_ok=True)
            change()
        finally:
            self.keep()

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0
