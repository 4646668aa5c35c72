"""Space that is kept back on the volume, so that something can be deleted where the disk is full.

To delete a version is to write down that it is deleted, and then to remove its file: without a reserve, a full disk
would stay full. The reserve is a file that is removed when it is needed, and written again when there is space.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from shared.errors import StorageFull
from shared.storage import durable
from shared.storage.volume import Volume

SIZES = (256 * 1024, 64 * 1024, 16 * 1024)  # bytes; a state takes a few thousand


class Reserve:
    """The reserve of one volume. Any number of processes may use it: at worst there is none at a moment."""

    def __init__(self, volume: Volume) -> None:
        self._path = volume.reserve

    def keep(self) -> None:
        """Have as much of a reserve as there is space for; does nothing where it is whole."""
        for size in SIZES:
            if self._size() >= size:
                return
            try:
                durable.write_bytes(self._path, os.urandom(size))  # zeros might be packed, and take no space
            except StorageFull:
                continue
            return

    def spend(self, change: Callable[[], object]) -> None:
        """Make a change that leads to more space; where there is none for the change itself, by the reserve.

        The change may be made a second time, where the first ended with `StorageFull`; raises what it raises.
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
