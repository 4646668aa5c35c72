"""The number of cores that a process may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shared.runtime.cores import usable_cores


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of `proc` and `sys` of a machine with eight cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    return tmp_path


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_cores_without_cgroups_are_those_of_the_affinity(root: Path) -> None:
    assert usable_cores(root) == 8


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("max 100000", 8), ("300000 100000", 3), ("150000 100000", 1), ("50000 100000", 1), ("1600000 100000", 8)],
)
def test_a_containers_quota_limits_the_cores(root: Path, quota: str, cores: int) -> None:
    write(root, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": f"{quota}\n"})

    assert usable_cores(root) == cores


def test_the_smallest_quota_of_a_cgroup_and_its_parents_counts(root: Path) -> None:
    quotas = {"": "max 100000\n", "a.slice/": "200000 100000\n", "a.slice/b.service/": "400000 100000\n"}
    write(root, {"proc/self/cgroup": "0::/a.slice/b.service\n"})
    write(root, {f"sys/fs/cgroup/{folder}cpu.max": quota for folder, quota in quotas.items()})

    assert usable_cores(root) == 2


@pytest.mark.parametrize(("quota", "cores"), [("-1", 8), ("250000", 2), ("100", 1)])
def test_quotas_of_cgroups_version_1_are_read(root: Path, quota: str, cores: int) -> None:
    folder = "sys/fs/cgroup/cpu/docker/abc"
    write(
        root,
        {
            "proc/self/cgroup": "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/system.slice\n",
            f"{folder}/cpu.cfs_quota_us": f"{quota}\n",
            f"{folder}/cpu.cfs_period_us": "100000\n",
        },
    )

    assert usable_cores(root) == cores


def test_a_cgroup_path_of_the_host_falls_back_to_the_containers_own_quota(root: Path) -> None:
    write(
        root,
        {
            "proc/self/cgroup": "4:cpuacct,cpu:/docker/abc\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
    )

    assert usable_cores(root) == 2
