"""The cores that this process may use, limited by its CPU affinity and the CPU quotas of its cgroups.

In a container with a quota, the system still reports all cores of the machine. Threads beyond the quota only wait for
each other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from shared.runtime.cgroups import cgroup_folders, read_text


def usable_cores(root: Path = Path("/")) -> int:
    """Return how many cores this process may use, rounded down, at least 1. root: the folder of `proc` and `sys`."""
    cores = len(os.sched_getaffinity(0))
    return max(1, int(min([cores, *_quotas(root)])))


def _quotas(root: Path) -> Iterator[float]:
    """Iterate over the quotas of this process in cores: that of its own cgroup, and those of the parent cgroups."""
    for version, folder in cgroup_folders("cpu", root):
        quota = _quota(folder) if version == 2 else _quota_of_version_1(folder)
        if quota is not None:
            yield quota


def _quota(folder: Path) -> float | None:
    """Read `cpu.max`: the quota and the period in microseconds; the quota may be `max`."""
    fields = read_text(folder / "cpu.max").split()
    if len(fields) != 2 or fields[0] == "max":
        return None
    return int(fields[0]) / int(fields[1])


def _quota_of_version_1(folder: Path) -> float | None:
    """Read the quota and the period of a cgroup of version 1; a quota of -1 is no limit."""
    quota, period = (read_text(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period"))
    if not quota or not period or int(quota) <= 0:
        return None
    return int(quota) / int(period)
