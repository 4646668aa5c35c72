"""Reading the entries of a tar, which lie in it as they are; only their headers have checksums."""

from __future__ import annotations

from shared.archives.plan import Plan
from shared.archives.rows import Rows
from shared.archives.window import Window
from shared.errors import Malformed
from shared.runtime.settings import Settings


class TarEntries:
    """The entries of an open tar."""

    def __init__(self, descriptor: int, plan: Plan, limits: Settings) -> None:
        self._window = Window(descriptor)
        self._rows = Rows(plan.entries)
        self._max_entry_bytes = limits.max_entry_bytes

    def read(self, index: int) -> bytes:
        """One entry's bytes; raises `Malformed`."""
        entry = self._rows[index]
        if entry.size > self._max_entry_bytes:
            raise Malformed("entry_too_large", f"the entry is larger than {self._max_entry_bytes} bytes")
        content = self._window.read(entry.offset, entry.size)
        if len(content) != entry.size:
            raise Malformed("entry_damaged", "the entry cannot be unpacked: the file ends before it does")
        return content
