"""The fault matrix's rows about a batch that several processes share: no failure of one of them loses a row."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np
import pytest

from shared.jobs import Job, Kind, State, keys
from shared.jobs.task_queue import QUEUES
from shared.runtime.settings import GiB
from tests.chaos.deadly import DEADLY
from tests.chaos.soundness import assert_sound, batch_paths
from tests.chaos.stack import QUICK, Stack
from tests.chaos.test_fault_matrix import RESCUE_SECONDS
from tests.chaos.work import archive_of, submit_batch
from tests.support.data.archives import zip_of
from tests.support.data.images import png
from tests.support.objects.models import publish
from tests.support.programs.processes import Process
from tests.support.waiting import eventually

WORKERS = ("inference", "inference-2")
SHARD = 40  # images, which take some tenths of a second


@pytest.fixture(scope="module")
def shared_stack() -> Iterator[Stack]:
    """Two worker hosts of one classifier process each, with small shards."""
    settings = QUICK | {"SHARD_IMAGES": str(SHARD)}
    with TemporaryDirectory(prefix="glassbox-chaos-") as folder, Stack(Path(folder), settings, WORKERS) as stack:
        publish(stack.registry, "base")
        yield stack


@pytest.fixture
def stack(shared_stack: Stack) -> Stack:
    """The shared stack; every part that the previous row ended is restarted."""
    for part in ("redis", "api", *WORKERS):
        if part not in shared_stack.parts or shared_stack.parts[part] not in Process.running:
            shared_stack.start(part)
    eventually(lambda: {shared_stack.parts[part].pid for part in WORKERS} <= registered(shared_stack))
    return shared_stack


def registered(stack: Stack) -> set[int]:
    """Return the processes of the registered classifiers; one that was killed stays registered for a while."""
    names = cast("list[str]", stack.redis.zrange(keys.workers(QUEUES[Kind.BATCH]), 0, -1))
    return {int(name.rpartition(" ")[0].rpartition(":")[2]) for name in names}


@cache
def slow_archive(shards: int) -> bytes:
    """Return an archive of large images, so that each shard takes a while."""
    image = png(np.zeros((1000, 1000), np.uint8))
    return zip_of({f"{number:05d}.png": image for number in range(shards * SHARD)})


def shared(stack: Stack, shards: int = 12) -> tuple[str, int]:
    """Submit a batch and wait for a helper; return the job's id and the helper's process."""
    job_id = submit_batch(stack.http, slow_archive(shards), "base")
    helpers = eventually(lambda: stack.helpers(job_id))
    return job_id, next(iter(helpers))


def part_of(stack: Stack, pid: int) -> str:
    return next(part for part in WORKERS if pid in stack.children(part))


def assert_done_in_order(stack: Stack, job: Job) -> None:
    """Check that every image has one row in its place, and that the shard queue is removed."""
    assert job.state is State.SUCCEEDED
    assert batch_paths(stack, job.id) == [f"{number:05d}.png" for number in range(job.progress.total)]
    assert stack.redis.exists(*keys.shard_keys(job.id).values()) == 0


class TestHelpers:
    def test_a_batch_runs_on_all_processes(self, stack: Stack) -> None:
        job_id, helper = shared(stack)

        assert helper != stack.at_work(job_id)
        (job,) = assert_sound(stack, [job_id])
        assert_done_in_order(stack, job)
        assert job.attempt == 1
        eventually(lambda: f"job {job_id}: helped with" in stack.parts[part_of(stack, helper)].log())

    def test_a_killed_helper_loses_no_row_and_does_not_count_as_a_crash_of_the_job(self, stack: Stack) -> None:
        job_id, helper = shared(stack)

        os.kill(helper, signal.SIGKILL)

        (job,) = assert_sound(stack, [job_id])
        assert_done_in_order(stack, job)
        assert (job.attempt, job.crashes, job.failures) == (1, 0, 0)

    def test_a_killed_coordinator_is_replaced_by_another_that_resumes(self, stack: Stack) -> None:
        job_id, _ = shared(stack)
        eventually(lambda: stack.job(job_id).progress.done >= 2 * SHARD)

        os.kill(stack.at_work(job_id), signal.SIGKILL)

        (job,) = assert_sound(stack, [job_id])
        assert_done_in_order(stack, job)
        assert (job.attempt, job.crashes) == (2, 1)

    def test_a_helper_that_wakes_after_its_lease_expired_changes_nothing(self, stack: Stack) -> None:
        job_id, helper = shared(stack)
        with stack.frozen(helper):
            (job,) = assert_sound(stack, [job_id])
            before = files(stack, job_id)
        eventually(lambda: f"job {job_id}: helped with" in stack.parts[part_of(stack, helper)].log())

        assert_done_in_order(stack, job)
        assert files(stack, job_id) == before
        assert (stack.job(job_id), job.attempt) == (job, 1)

    def test_a_worker_that_is_shut_down_leaves_its_shard_to_the_coordinator(self, stack: Stack) -> None:
        job_id, helper = shared(stack)

        stack.end(part_of(stack, helper))

        (job,) = assert_sound(stack, [job_id])
        assert_done_in_order(stack, job)
        assert (job.attempt, job.crashes, job.failures) == (1, 0, 0)

    def test_redis_killed_while_a_batch_is_shared_loses_no_row(self, stack: Stack) -> None:
        job_id, _ = shared(stack)

        stack.kill("redis")
        stack.start("redis")

        (job,) = assert_sound(stack, [job_id])
        assert_done_in_order(stack, job)


def test_a_process_killed_while_it_leaves_a_batch_to_a_small_one_loses_neither(stack: Stack, tmp_path: Path) -> None:
    """It is killed after the release of the batch, before the batch's message is sent."""
    for part in WORKERS:
        stack.end(part)
    killed = tmp_path / "killed"
    stack.run("inference-3", "-m", "tests.chaos.leaving", str(killed))
    try:
        large = submit_batch(stack.http, slow_archive(8), "base", priority="batch")
        stack.until(large, State.RUNNING, within=60)
        small = submit_batch(stack.http, archive_of(20), "base")

        done, soon = assert_sound(stack, [large, small], within=120)
        assert killed.exists()
    finally:
        stack.end("inference-3")

    assert_done_in_order(stack, done)
    assert soon.state is State.SUCCEEDED
    assert (done.crashes, done.failures) == (0, 0)
    assert cast("int", soon.finished_at) < cast("int", done.finished_at)


def test_the_memory_of_a_classifiers_pool_processes_is_limited_and_the_parents_is_not(stack: Stack) -> None:
    def limit(pid: int) -> str:
        [line] = [line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if "Max data size" in line]
        return line.split()[3]

    (child,) = eventually(lambda: stack.children("inference"))
    eventually(lambda: limit(child) != "unlimited")
    assert GiB <= int(limit(child)) < 2 * GiB  # the setting, and what libraries have reserved without using it
    assert limit(stack.parts["inference"].pid) == "unlimited"


class TestUsersRequests:
    def test_a_batch_that_helpers_work_on_is_cancelled_within_15_s_and_keeps_its_rows(self, stack: Stack) -> None:
        job_id, _ = shared(stack, shards=60)
        # Rows can be read up to the first unfinished shard, and shards finish in any order.
        eventually(lambda: len(batch_paths(stack, job_id)) >= 2 * SHARD)

        assert stack.http.post(f"/v1/jobs/{job_id}/cancel").status_code == 202

        stack.until(job_id, State.CANCELLED, within=15.0)
        assert len(batch_paths(stack, job_id)) >= 2 * SHARD
        assert stack.redis.exists(*keys.shard_keys(job_id).values()) == 0
        assert stack.http.post(f"/v1/jobs/{job_id}/retry").status_code == 202
        (job,) = assert_sound(stack, [job_id])
        assert_done_in_order(stack, job)

    def test_a_helper_that_wakes_after_its_job_was_deleted_recreates_nothing(self, stack: Stack) -> None:
        job_id, helper = shared(stack, shards=60)
        with stack.frozen(helper):
            stack.http.post(f"/v1/jobs/{job_id}/cancel")
            stack.until(job_id, State.CANCELLED, within=15.0)
            assert stack.http.delete(f"/v1/jobs/{job_id}").status_code == 204
        eventually(lambda: f"job {job_id}: helped with" in stack.parts[part_of(stack, helper)].log())

        eventually(lambda: not stack.volume.job(job_id).exists())  # processes that end may hold a file of it
        assert [key for key in stack.redis.keys("*") if job_id in key] == []

    def test_a_short_batch_does_not_wait_for_a_long_one_that_has_all_processes(self, stack: Stack) -> None:
        long, _ = shared(stack, shards=30)

        short = submit_batch(stack.http, archive_of(10), "base")

        assert stack.until_over(short).state is State.SUCCEEDED
        assert stack.job(long).state is State.RUNNING
        eventually(lambda: stack.helpers(long))  # the helper returns
        assert_sound(stack, [long, short])


class TestMessages:
    def test_the_same_message_and_request_for_help_ten_times_are_one_run(self, stack: Stack) -> None:
        job_id, _ = shared(stack)
        for _ in range(10):
            stack.task_queue.send(Kind.BATCH, job_id)
            stack.task_queue.request_helper(job_id)

        (job,) = assert_sound(stack, [job_id])

        assert_done_in_order(stack, job)
        assert job.attempt == 1
        eventually(lambda: stack.waiting(Kind.BATCH) == 0)

    def test_a_lost_request_for_help_is_sent_again(self, stack: Stack) -> None:
        stack.kill("inference-2")  # it counts as online for half a minute, but receives nothing
        job_id = submit_batch(stack.http, slow_archive(60), "base")
        eventually(lambda: stack.waiting(Kind.BATCH) == 1)
        stack.redis.delete(stack.queue(Kind.BATCH))

        stack.start("inference-2")

        assert eventually(lambda: stack.helpers(job_id))
        assert_sound(stack, [job_id])


def test_an_image_that_kills_each_process_that_decodes_it_makes_only_its_batch_poison(stack: Stack) -> None:
    for part in WORKERS:
        stack.end(part)
        stack.run(part, "-m", "tests.chaos.deadly", "inference")
    images = {f"{number:05d}.png": png(np.zeros((8, 8), np.uint8)) for number in range(5 * SHARD)}
    try:
        job_id = submit_batch(stack.http, zip_of(images | {"00123.png": DEADLY}), "base")
        other = submit_batch(stack.http, archive_of(10), "base")

        poison = stack.until(job_id, State.FAILED, within=6 * RESCUE_SECONDS)
        assert_sound(stack, [other])
    finally:
        for part in WORKERS:
            stack.end(part)
    assert poison.error is not None
    assert (poison.error["code"], poison.crashes) == ("poison", 3)  # after more attempts, if the first made progress
    assert len(set(batch_paths(stack, job_id))) >= 3 * SHARD  # the shards before it are done
    assert stack.redis.exists(*keys.shard_keys(job_id).values()) == 0


def files(stack: Stack, job_id: str) -> dict[str, tuple[int, int]]:
    """Return the shards' files by name: inode and time of the last write."""
    return {
        path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in stack.volume.shards(job_id).glob("*.jsonl")
    }
