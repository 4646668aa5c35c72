"""A job's record shows that the kernel killed its process for lack of memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shared.jobs import Job, State, keys
from shared.runtime.memory.limit import MemoryGroup
from shared.runtime.settings import Settings
from tests.support.objects.bench import WorkBench
from tests.support.objects.jobs import a_batch, a_training, claimed
from worker.maintenance import Maintenance
from worker.running.memory_kills import MemoryKills, is_gone

DEAD, ALIVE = "host:41", "host:42"


class Kernel:
    """The files of a cgroup of version 2 with a limit of 4 GiB."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folder = root / "sys/fs/cgroup"
        self._folder.mkdir(parents=True)
        (root / "proc/self").mkdir(parents=True)
        (root / "proc/self/cgroup").write_text("0::/\n")
        (self._folder / "memory.max").write_text("4294967296\n")
        self.has_killed(0)

    def has_killed(self, count: int) -> None:
        (self._folder / "memory.events").write_text(f"oom_kill {count}\n")


@pytest.fixture
def bench(settings: Settings) -> WorkBench:
    return WorkBench(settings)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path / "kernel")


@pytest.fixture
def maintenance(bench: WorkBench, kernel: Kernel) -> Maintenance:
    bench.jobs.rebuilt()
    kills = MemoryKills(bench.jobs, "host", MemoryGroup(kernel.root), is_gone=lambda pid: pid == 41)
    return Maintenance(bench.jobs, bench.files, bench.task_queue, bench.settings, kills)


def lose(bench: WorkBench, maintenance: Maintenance, job: Job, owner: str = DEAD) -> Job:
    """Claim the job, let its lease expire, run the maintenance; return the record after that."""
    claimed(bench.jobs, job.id, owner)
    bench.redis.zadd(keys.LEASES, {job.id: 1})
    maintenance.tick()
    return bench.jobs.get(job.id)


def last_event(bench: WorkBench, job: Job) -> dict[str, object]:
    return bench.jobs.events(job.id)[-1].data


def test_the_event_has_the_cause_if_the_kernel_killed_the_process_for_memory(
    bench: WorkBench, maintenance: Maintenance, kernel: Kernel
) -> None:
    job = bench.submit(a_training())
    kernel.has_killed(1)

    assert lose(bench, maintenance, job).state is State.QUEUED

    event = last_event(bench, job)
    assert (event["lease"], event["cause"]) == ("expired", "out_of_memory")
    assert event["detail"] == "its process was killed for memory (limit 4.0 GiB)"


@pytest.mark.parametrize(
    ("job", "setting"), [(a_training(), "GLASSBOX_TRAINER_MEMORY"), (a_batch(), "GLASSBOX_CLASSIFIER_MEMORY")]
)
def test_after_three_kills_the_error_names_the_memory_and_what_to_change(
    bench: WorkBench, maintenance: Maintenance, kernel: Kernel, job: Job, setting: str
) -> None:
    bench.submit(job)
    for count in (1, 2):
        kernel.has_killed(count)
        assert lose(bench, maintenance, job).state is State.QUEUED
    kernel.has_killed(3)

    ended = lose(bench, maintenance, job)

    assert ended.state is State.FAILED
    assert ended.error is not None
    assert ended.error["code"] == "out_of_memory"
    assert "killed for memory (limit 4.0 GiB), 3 times" in ended.error["detail"]
    assert setting in ended.error["detail"]


def test_a_kill_among_other_crashes_is_counted_as_one(
    bench: WorkBench, maintenance: Maintenance, kernel: Kernel
) -> None:
    job = bench.submit(a_training())
    for _ in range(2):
        lose(bench, maintenance, job)
    kernel.has_killed(1)

    ended = lose(bench, maintenance, job)

    assert ended.error is not None
    assert "1 of the 3 times" in ended.error["detail"]


def test_a_crash_without_a_kill_is_poison(bench: WorkBench, maintenance: Maintenance) -> None:
    job = bench.submit(a_training())
    for _ in range(2):
        lose(bench, maintenance, job)

    ended = lose(bench, maintenance, job)

    assert "cause" not in last_event(bench, job)
    assert ended.error is not None
    assert ended.error["code"] == "poison"


@pytest.mark.parametrize("owner", [ALIVE, "another-host:41"])
def test_a_kill_does_not_concern_a_live_process_or_another_host(
    bench: WorkBench, maintenance: Maintenance, kernel: Kernel, owner: str
) -> None:
    job = bench.submit(a_training())
    kernel.has_killed(1)

    lose(bench, maintenance, job, owner)

    assert "cause" not in last_event(bench, job)


def test_kills_before_the_workers_start_do_not_count(bench: WorkBench, kernel: Kernel) -> None:
    kernel.has_killed(5)
    kills = MemoryKills(bench.jobs, "host", MemoryGroup(kernel.root), is_gone=lambda _: True)
    job = bench.submit(a_training())
    claimed(bench.jobs, job.id, DEAD)

    kills.note()

    assert not bench.redis.hexists(keys.job(job.id), "killed")


def test_a_process_that_ends_late_is_found_at_a_later_call(bench: WorkBench, kernel: Kernel) -> None:
    gone: list[int] = []
    kills = MemoryKills(bench.jobs, "host", MemoryGroup(kernel.root), is_gone=lambda pid: pid in gone)
    job = bench.submit(a_training())
    claimed(bench.jobs, job.id, DEAD)
    kernel.has_killed(1)
    kills.note()
    gone.append(41)

    kills.note()

    assert bench.redis.hexists(keys.job(job.id), "killed")


def test_a_live_process_is_not_gone_and_an_unused_id_is() -> None:
    assert not is_gone(os.getpid())
    assert is_gone(2**22 + 1)  # above the largest process id of Linux
