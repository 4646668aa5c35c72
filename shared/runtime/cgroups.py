"""The folders of this process's cgroups, of version 1 or 2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def cgroup_folders(controller: str, root: Path = Path("/")) -> Iterator[tuple[int, Path]]:
    """Iterate over this process's cgroups with that controller, its own first, then its parents: version and folder.

    In a container, the kernel may report the host's path, which does not exist there; then the top folder is the
    container's cgroup. root: the folder that contains `proc` and `sys`.
    """
    for line in read_text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield from ((2, folder) for folder in _upwards(root / "sys/fs/cgroup", path))
        elif controller in controllers.split(","):
            yield from ((1, folder) for folder in _upwards(root / "sys/fs/cgroup" / controller, path))


def read_text(path: Path) -> str:
    """Return the file's text; empty if the file does not exist or cannot be read, so that it sets no limit."""
    try:
        return path.read_text()
    except OSError:
        return ""


def _upwards(top: Path, path: str) -> Iterator[Path]:
    folder = top / path.lstrip("/")
    while True:
        yield folder
        if folder in {top, folder.parent}:
            return
        folder = folder.parent
