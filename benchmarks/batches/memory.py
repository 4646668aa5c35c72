"""The peak memory of a process's descendants, as Linux measures it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def peak_megabytes(root: int) -> tuple[str, float]:
    """Return the name of the descendant of `root` with the largest peak, and that peak."""
    name, kilobytes = max(_descendants(root), key=lambda process: process[1])
    return name, kilobytes / 1000


def _descendants(root: int) -> Iterator[tuple[str, float]]:
    statuses = {int(path.parent.name): _status(path) for path in Path("/proc").glob("[0-9]*/status")}
    for process, status in statuses.items():
        ancestor = process
        while ancestor in statuses and ancestor != root:
            ancestor = int(statuses[ancestor].get("PPid", 0))
        if ancestor == root and process != root and "VmHWM" in status:
            yield _part(process), float(status["VmHWM"].split()[0])


def _status(path: Path) -> dict[str, str]:
    with suppress(OSError):  # it has just ended
        return dict(line.split(":\t", 1) for line in path.read_text().splitlines() if ":\t" in line)
    return {}


def _part(process: int) -> str:
    """Return the part of the stack to which the process belongs, by its command."""
    command = Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    for part in ("gunicorn", "inference", "training", "redis-server"):
        if part in command:
            return part
    return "the stack"
