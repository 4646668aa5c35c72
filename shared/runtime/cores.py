"""The cores that this process may use: what its CPU affinity and the CPU quotas of its cgroups leave.

A container with a quota still sees every core of its machine; threads beyond the quota only wait for each other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from shared.runtime.cgroups import cgroup_folders, read_text


def usable_cores(root: Path = Path("/")) -> int:
    """How many cores there are for this process, at least one; a part of a core counts for nothing beside whole ones.

    root: where `proc` and `sys` are.
    """
    cores = len(os.sched_getaffinity(0))
    return max(1, int(min([cores, *_quotas(root)])))


def _quotas(root: Path) -> Iterator[float]:
    """Each quota that holds for this process, in cores: a cgroup's own, and those of all that it is part of."""
    for version, folder in cgroup_folders("cpu", root):
        quota = _quota(folder) if version == 2 else _quota_of_version_1(folder)
        if quota is not None:
            yield quota


def _quota(folder: Path) -> float | None:
    """What `cpu.max` says: microseconds in each period of so many, or `max`."""
    fields = read_text(folder / "cpu.max").split()
    if len(fields) != 2 or fields[0] == "max":
        return None
    return int(fields[0]) / int(fields[1])


def _quota_of_version_1(folder: Path) -> float | None:
    """The same as cgroups of version 1 write it, -1 for none."""
    quota, period = (read_text(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period"))
    if not quota or not period or int(quota) <= 0:
        return None
    return int(quota) / int(period)
