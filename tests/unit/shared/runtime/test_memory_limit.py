"""The memory limit and the kills of a cgroup, read from the kernel's files of both versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.runtime.memory.limit import PARENT, MemoryGroup, limit_at_submission, machine_memory, trainer_limit
from shared.runtime.settings import GiB, Settings


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "proc/self/cgroup", "")
    return tmp_path


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


class TestVersion2:
    def test_the_limit_is_the_smallest_of_the_cgroup_and_its_parents(self, root: Path) -> None:
        write(root, "proc/self/cgroup", "0::/pod/container\n")
        write(root, "sys/fs/cgroup/pod/container/memory.max", "max\n")
        write(root, "sys/fs/cgroup/pod/memory.max", "4294967296\n")

        assert MemoryGroup(root).limit == 4 * 2**30

    def test_kills_are_counted_in_its_own_cgroup(self, root: Path) -> None:
        write(root, "proc/self/cgroup", "0::/pod/container\n")
        write(root, "sys/fs/cgroup/pod/container/memory.events", "low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\n")
        write(root, "sys/fs/cgroup/pod/memory.events", "oom_kill 7\n")

        assert MemoryGroup(root).kills() == 2

    def test_a_container_uses_the_top_folder(self, root: Path) -> None:
        write(root, "proc/self/cgroup", "0::/docker/0123abcd\n")
        write(root, "sys/fs/cgroup/memory.max", "1073741824\n")
        write(root, "sys/fs/cgroup/memory.events", "oom_kill 1\n")

        assert (MemoryGroup(root).limit, MemoryGroup(root).kills()) == (2**30, 1)


class TestVersion1:
    def test_limit_and_kills_are_in_the_folder_of_the_controller(self, root: Path) -> None:
        write(root, "proc/self/cgroup", "7:cpu,cpuacct:/\n4:memory:/docker/0123abcd\n0::/\n")
        write(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n")
        write(root, "sys/fs/cgroup/memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n")

        assert (MemoryGroup(root).limit, MemoryGroup(root).kills()) == (512 * 2**20, 5)

    def test_a_huge_number_is_no_limit(self, root: Path) -> None:
        write(root, "proc/self/cgroup", "4:memory:/\n")
        write(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")

        assert MemoryGroup(root).limit is None


def test_kills_without_a_cgroup_are_those_of_the_machine(root: Path) -> None:
    write(root, "proc/self/cgroup", "0::/\n")
    write(root, "proc/vmstat", "nr_free_pages 1\noom_kill 4\n")

    assert (MemoryGroup(root).limit, MemoryGroup(root).kills()) == (None, 4)


def test_missing_kernel_files_give_neither_limit_nor_kills(root: Path) -> None:
    assert (MemoryGroup(root).limit, MemoryGroup(root).kills()) == (None, None)


def test_a_trainer_takes_at_most_its_share_of_the_containers_memory(root: Path) -> None:
    write(root, "proc/self/cgroup", "0::/\n")
    write(root, "sys/fs/cgroup/memory.max", str(2 * GiB))
    group = MemoryGroup(root)

    def limit(**values: int | None) -> int | None:
        return trainer_limit(Settings(**values), group)  # type: ignore[arg-type]

    assert limit(trainer_memory_bytes=1 * GiB) == 1 * GiB
    assert limit(trainer_memory_bytes=3 * GiB) == 2 * GiB - PARENT
    assert limit(trainer_memory_bytes=3 * GiB, worker_processes=2) == (2 * GiB - PARENT) // 2
    assert limit(trainer_memory_bytes=None) is None


def test_a_trainer_without_a_container_takes_at_most_the_machines_memory(root: Path) -> None:
    unlimited = Settings(trainer_memory_bytes=2**60)

    assert trainer_limit(unlimited, MemoryGroup(root)) == machine_memory() - PARENT
    assert limit_at_submission(unlimited.model_copy(update={"deployment": "compose"})) == 2**60
