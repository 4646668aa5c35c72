"""The folders of this process's cgroups, of version 1 or 2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def cgroup_folders(controller: str, root: Path = Path("/")) -> Iterator[tuple[int, Path]]:
    """The version and the folder of each cgroup of this process with that controller, its own first, then its parents'.

    In a container the path that the kernel shows may be the host's, and not there: the top folder is the container's
    cgroup then. root: the folder that has `proc` and `sys`.
    """
    for line in read_text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield from ((2, folder) for folder in _upwards(root / "sys/fs/cgroup", path))
        elif controller in controllers.split(","):
            yield from ((1, folder) for folder in _upwards(root / "sys/fs/cgroup" / controller, path))


def read_text(path: Path) -> str:
    """The file's text; empty if it is not there or may not be read, which means that it sets no limit."""
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
