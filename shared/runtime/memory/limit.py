"""The memory limit of this process's cgroups, and their count of processes that the kernel killed for memory."""

from __future__ import annotations

import os
from pathlib import Path

from shared.runtime.cgroups import cgroup_folders, read_text
from shared.runtime.settings import Settings

PARENT = 128 * 2**20  # bytes for the parent of a container's or a machine's worker processes
UNLIMITED = 2**60  # bytes; cgroups of version 1 write a number near 2**63 for no limit


class MemoryGroup:
    """The memory cgroup of this process, of version 1 or 2; without one, the kernel's counters of the whole machine.

    root: the folder that contains `proc` and `sys`.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    @property
    def limit(self) -> int | None:
        """The smallest limit in bytes of this cgroup and its parents; None if there is none."""
        limits = []
        for version, folder in cgroup_folders("memory", self._root):
            text = read_text(folder / ("memory.max" if version == 2 else "memory.limit_in_bytes")).strip()
            if text.isdecimal() and int(text) < UNLIMITED:
                limits.append(int(text))
        return min(limits, default=None)

    def kills(self) -> int | None:
        """Return how many processes the kernel has killed for memory so far; None if it does not report it."""
        for version, folder in cgroup_folders("memory", self._root):
            file = folder / ("memory.events" if version == 2 else "memory.oom_control")
            if (count := _count(file)) is not None:
                return count
        return _count(self._root / "proc/vmstat")


def trainer_limit(settings: Settings, group: MemoryGroup | None = None) -> int | None:
    """Return how many bytes one of this host's trainer processes may allocate; None for no limit.

    It is the setting's, or the process's share of the container's or the machine's memory if that is less.
    """
    wanted = settings.trainer_memory_bytes
    if wanted is None:
        return None
    available = (group or MemoryGroup()).limit or machine_memory()
    return min(wanted, max(1, available - PARENT) // settings.processes("training"))


def limit_at_submission(settings: Settings) -> int | None:
    """Return the limit with which the API weighs a training: that of a trainer on this host, or else the setting's."""
    return trainer_limit(settings) if settings.deployment == "embedded" else settings.trainer_memory_bytes


def machine_memory() -> int:
    """Return the machine's memory in bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _count(file: Path) -> int | None:
    """Return the number after `oom_kill` in a file of names and numbers; None if it is missing."""
    for line in read_text(file).splitlines():
        name, _, number = line.partition(" ")
        if name == "oom_kill":
            return int(number)
    return None
