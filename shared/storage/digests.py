"""The SHA-256 of files that do not change, computed again only if their size or modification time has changed."""

from __future__ import annotations

from pathlib import Path

from shared.storage import durable

KNOWN = 5000
"""The most digests that a process keeps."""

Signature = tuple[int, int]
"""The size and the modification time of a file."""


class FileDigests:
    """The digests that this process has computed, by path."""

    def __init__(self) -> None:
        self._digests: dict[Path, tuple[Signature, str]] = {}

    def of(self, path: Path, *, anew: bool = False) -> str | None:
        """Return the file's SHA-256, None if it does not exist. anew: read the file even if it seems unchanged."""
        try:
            signature = _signature(path)  # from before the file is read, so that a change meanwhile is detected later
            cached, digest = self._digests.get(path, (None, ""))
            if anew or signature != cached:
                digest = durable.sha256_of(path)
                if len(self._digests) >= KNOWN:
                    self._digests.clear()
                self._digests[path] = signature, digest
        except FileNotFoundError:
            return None
        return digest


def _signature(path: Path) -> Signature:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns
