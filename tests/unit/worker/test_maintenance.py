"""Periodic maintenance of the jobs."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu.exceptions import OperationalError
from redis import Redis

from shared.errors import StorageFull
from shared.jobs import Blocked, Claim, Job, Kind, State, keys
from shared.jobs.files import JobFiles
from shared.runtime.settings import Settings
from tests.support.objects.bench import WorkBench
from tests.support.objects.jobs import A_RESULT, a_batch, a_training, claimed, messages
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import eventually
from worker.maintenance import MOST_GAPS, Maintenance

MIB = 1024 * 1024


@pytest.fixture
def bench(settings: Settings) -> WorkBench:
    return WorkBench(settings)


@pytest.fixture
def maintenance(bench: WorkBench) -> Maintenance:
    bench.jobs.rebuilt()
    return Maintenance(bench.jobs, bench.files, bench.task_queue, bench.settings)


def sent(redis: Redis, queue: str) -> int:
    return len(messages(redis, queue))


def overdue(bench: WorkBench, job: Job) -> None:
    """Change the record as if the job's message had been sent long ago."""
    bench.redis.zadd(keys.DUE, {job.id: 1})


def lost(bench: WorkBench, job: Job) -> None:
    """Let the job's lease expire."""
    bench.redis.zadd(keys.LEASES, {job.id: 1})


def ended_long_ago(bench: WorkBench, job: Job) -> int:
    """Change the record as if the job had ended a minute ago; return that time."""
    ended = bench.jobs.now() - 60_000
    bench.redis.hset(keys.job(job.id), "finished_at", ended)
    return ended


def full(*_: object) -> None:
    raise StorageFull("storage_full", "no space")


class TestSending:
    def test_an_overdue_message_is_sent_again_to_its_queue(
        self, bench: WorkBench, maintenance: Maintenance, redis: Redis
    ) -> None:
        for job in (bench.submit(a_training()), bench.submit(a_batch())):
            overdue(bench, job)

        maintenance.tick()

        assert (sent(redis, "training"), sent(redis, "inference")) == (1, 1)

    def test_a_lost_message_is_sent_again_at_once_after_a_workers_death_though_other_jobs_have_several(
        self, bench: WorkBench, redis: Redis
    ) -> None:
        bench.jobs.rebuilt()
        waiting, job = bench.submit(a_training()), bench.submit(a_training())
        for _ in range(3):
            bench.task_queue.send(waiting.kind, waiting.id)

        Maintenance(bench.jobs, bench.files, bench.task_queue, bench.settings, messages_lost=True).tick()

        *others, last = [message["headers"]["argsrepr"] for message in messages(redis, "training")]
        assert job.id in last
        assert [waiting.id in arguments for arguments in others] == [True] * 3

    def test_the_message_of_a_new_job_is_not_sent_again_at_once(
        self, bench: WorkBench, maintenance: Maintenance, redis: Redis
    ) -> None:
        bench.submit(a_training())

        maintenance.tick()

        assert sent(redis, "training") == 0

    def test_an_overdue_message_is_sent_once_by_several_hosts(
        self, bench: WorkBench, maintenance: Maintenance, redis: Redis
    ) -> None:
        overdue(bench, bench.submit(a_training()))

        for _ in range(3):
            maintenance.tick()

        assert sent(redis, "training") == 1

    def test_no_message_is_sent_for_a_running_or_ended_job(
        self, bench: WorkBench, maintenance: Maintenance, redis: Redis
    ) -> None:
        running, over = bench.submit(a_training()), bench.submit(a_training())
        claimed(bench.jobs, running.id)
        bench.jobs.finish(claimed(bench.jobs, over.id), State.SUCCEEDED)

        maintenance.tick()

        assert redis.zcard(keys.DUE) == sent(redis, "training") == 0


class TestRefusedByRedis:
    """A real Redis whose memory is temporarily used up."""

    @pytest.fixture
    def bench(self, settings: Settings, own_redis_server: RedisServer) -> WorkBench:
        return WorkBench(settings.model_copy(update={"redis_url": own_redis_server.url()}))

    @pytest.fixture
    def redis(self, own_redis_server: RedisServer) -> Iterator[Redis]:
        with own_redis_server.client() as redis:
            yield redis

    def test_refused_messages_are_sent_when_redis_has_memory_again(
        self, bench: WorkBench, maintenance: Maintenance, redis: Redis
    ) -> None:
        bench.submit(a_training())
        redis.config_set("maxmemory", 1)
        maintenance.tick()
        redis.config_set("maxmemory", 0)

        maintenance.tick()

        assert sent(redis, "training") == 1  # although it is due a minute later

    def test_one_refused_message_of_many_is_sent_at_the_next_call(
        self, bench: WorkBench, maintenance: Maintenance, redis: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for job in (first := bench.submit(a_training()), bench.submit(a_training())):
            overdue(bench, job)
        send = bench.task_queue.send

        def full_after_the_first(kind: Kind, job_id: str) -> None:
            if job_id != first.id:
                raise OperationalError("OOM command not allowed when used memory > 'maxmemory'")
            send(kind, job_id)

        monkeypatch.setattr(bench.task_queue, "send", full_after_the_first)
        maintenance.tick()
        monkeypatch.undo()
        assert sent(redis, "training") == 1

        maintenance.tick()

        assert sent(redis, "training") == 2

    def test_messages_that_still_wait_are_not_sent_twice(
        self, bench: WorkBench, maintenance: Maintenance, redis: Redis
    ) -> None:
        job = bench.submit(a_training())
        bench.task_queue.send(job.kind, job.id)
        redis.config_set("maxmemory", 1)
        maintenance.tick()
        redis.config_set("maxmemory", 0)

        maintenance.tick()

        assert sent(redis, "training") == 1

    def test_lost_jobs_are_requeued_and_ended_ones_move_to_the_volume_while_redis_is_full(
        self, bench: WorkBench, maintenance: Maintenance, redis: Redis
    ) -> None:
        abandoned, over = bench.submit(a_training()), bench.submit(a_training())
        for job in (abandoned, over):
            claimed(bench.jobs, job.id)
        lost(bench, abandoned)
        bench.jobs.finish(Claim(bench.jobs.get(over.id)), State.SUCCEEDED)
        redis.zadd(keys.ENDED, {over.id: ended_long_ago(bench, over)})
        redis.config_set("maxmemory", 1)

        maintenance.tick()

        assert bench.jobs.get(abandoned.id).state is State.QUEUED
        assert bench.volume.end(over.id).exists()

    def test_the_log_says_that_redis_is_full(
        self, maintenance: Maintenance, redis: Redis, caplog: pytest.LogCaptureFixture
    ) -> None:
        redis.config_set("maxmemory", 1)

        for _ in range(3):
            maintenance.tick()

        assert caplog.text.count("Redis is full") == 1
        assert "not answer" not in caplog.text


class TestWaking:
    """Jobs that found the volume full."""

    @pytest.fixture
    def blocked(self, bench: WorkBench) -> Job:
        """A job that found only 1 MiB free and is due again in five minutes."""
        job = bench.submit(a_training())
        bench.jobs.release(claimed(bench.jobs, job.id), 300.0, blocked=Blocked("volume_full", "full", MIB))
        return job

    @pytest.mark.parametrize(
        ("free", "woken"), [(0, False), (MIB, False), (MIB + 200_000, False), (MIB + 262_144, True), (10 * MIB, True)]
    )
    def test_a_blocked_job_is_sent_when_the_volume_has_more_space_than_it_found(
        self,
        bench: WorkBench,
        maintenance: Maintenance,
        redis: Redis,
        blocked: Job,
        monkeypatch: pytest.MonkeyPatch,
        free: int,
        woken: bool,
    ) -> None:
        monkeypatch.setattr("worker.maintenance.room", lambda _: free)

        maintenance.tick()
        maintenance.tick()

        assert sent(redis, "training") == int(woken)
        assert (bench.jobs.get(blocked.id).waiting is None) == woken

    def test_a_cancelled_or_deleted_job_is_no_longer_blocked(self, bench: WorkBench, blocked: Job) -> None:
        bench.jobs.cancel(blocked.id)

        assert not bench.jobs.are_blocked()

    def test_the_waiting_time_starts_with_the_first_blocked_attempt(self, bench: WorkBench, blocked: Job) -> None:
        first = bench.jobs.get(blocked.id).waiting_since

        bench.jobs.release(claimed(bench.jobs, blocked.id), 300.0, blocked=Blocked("volume_full", "full", MIB))
        assert bench.jobs.get(blocked.id).waiting_since == first

        bench.jobs.release(claimed(bench.jobs, blocked.id), 0.0)
        assert bench.jobs.get(blocked.id).waiting_since is None


class TestRescuing:
    def test_a_job_of_a_lost_worker_is_queued_and_sent_before_others_at_once(
        self, bench: WorkBench, maintenance: Maintenance, redis: Redis
    ) -> None:
        bench.task_queue.send(Kind.TRAINING, "waiting")
        job = bench.submit(a_training())
        claimed(bench.jobs, job.id)
        lost(bench, job)

        maintenance.tick()

        rescued = bench.jobs.get(job.id)
        assert (rescued.state, rescued.crashes, rescued.owner) == (State.QUEUED, 1, None)
        first, _ = messages(redis, "training")
        assert job.id in first["headers"]["argsrepr"]

    def test_a_job_that_was_lost_too_often_is_poison_and_its_outcome_is_on_the_volume(
        self, bench: WorkBench, maintenance: Maintenance
    ) -> None:
        job = bench.submit(a_training())
        for _ in range(3):
            claimed(bench.jobs, job.id)
            lost(bench, job)
            maintenance.tick()

        (ended,) = bench.files
        assert ended == bench.jobs.get(job.id)
        assert ended.error is not None
        assert (ended.state, ended.error["code"]) == (State.FAILED, "poison")

    def test_a_cancelling_job_of_a_lost_worker_is_cancelled(self, bench: WorkBench, maintenance: Maintenance) -> None:
        job = bench.submit(a_training())
        claimed(bench.jobs, job.id)
        bench.jobs.cancel(job.id)
        lost(bench, job)

        maintenance.tick()

        assert [ended.state for ended in bench.files] == [State.CANCELLED]

    def test_a_full_volume_does_not_prevent_the_rescue_of_other_jobs_at_the_next_call(
        self, bench: WorkBench, maintenance: Maintenance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        jobs = [bench.submit(a_training()) for _ in range(2)]
        for job in jobs:
            claimed(bench.jobs, job.id)
            bench.jobs.cancel(job.id)
            lost(bench, job)
        monkeypatch.setattr(JobFiles, "end", full)

        maintenance.tick()
        maintenance.tick()

        assert {bench.jobs.get(job.id).state for job in jobs} == {State.CANCELLED}


class TestGaps:
    """The maintenance could not run for longer than half a lease: the machine was suspended, or Redis was silent."""

    def test_the_workers_get_time_to_renew_their_leases_after_a_gap(
        self, bench: WorkBench, maintenance: Maintenance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = iter([0.0, 3600.0, 3601.0, 3613.0])
        monkeypatch.setattr("worker.maintenance.since_boot", lambda: next(now))
        kept, left = bench.submit(a_training()), bench.submit(a_training())
        claim = claimed(bench.jobs, kept.id)
        claimed(bench.jobs, left.id)
        maintenance.tick()
        for job in (kept, left):
            lost(bench, job)

        maintenance.tick()
        maintenance.tick()
        assert [bench.jobs.get(job.id).state for job in (kept, left)] == [State.RUNNING, State.RUNNING]
        bench.jobs.renew(claim)
        maintenance.tick()

        assert [bench.jobs.get(job.id).state for job in (kept, left)] == [State.RUNNING, State.QUEUED]

    def test_a_suspension_that_begins_after_the_check_ends_no_claim(
        self, bench: WorkBench, maintenance: Maintenance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = bench.submit(a_training())
        claimed(bench.jobs, job.id)

        def then_suspended() -> float:  # the lease expires while the machine is suspended
            end = bench.jobs.now() + 1
            bench.redis.zadd(keys.LEASES, {job.id: end})
            eventually(lambda: bench.jobs.now() > end)
            return 0.0

        monkeypatch.setattr("worker.maintenance.since_boot", then_suspended)
        maintenance.tick()

        assert bench.jobs.get(job.id).state is State.RUNNING

    def test_jobs_are_rescued_even_if_every_call_comes_late(
        self, bench: WorkBench, maintenance: Maintenance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = iter(100.0 * call for call in range(MOST_GAPS + 1))
        monkeypatch.setattr("worker.maintenance.since_boot", lambda: next(now))
        job = bench.submit(a_training())
        claimed(bench.jobs, job.id)
        lost(bench, job)
        maintenance._ticked_at = -100.0

        for _ in range(MOST_GAPS):
            maintenance.tick()
            assert bench.jobs.get(job.id).state is State.RUNNING
        maintenance.tick()

        assert bench.jobs.get(job.id).state is State.QUEUED

    def test_a_machine_that_is_suspended_again_at_once_ends_no_claim(
        self, bench: WorkBench, maintenance: Maintenance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = iter([0.0, 3600.0, 7200.0])
        monkeypatch.setattr("worker.maintenance.since_boot", lambda: next(now))
        job = bench.submit(a_training())
        claimed(bench.jobs, job.id)
        maintenance.tick()
        lost(bench, job)

        maintenance.tick()
        maintenance.tick()

        assert bench.jobs.get(job.id).state is State.RUNNING


class TestRebuilding:
    def test_lost_records_are_rebuilt_as_ended_or_queued(
        self, bench: WorkBench, maintenance: Maintenance, redis: Redis
    ) -> None:
        ended = bench.submit(a_training())
        bench.jobs.finish(claimed(bench.jobs, ended.id), State.SUCCEEDED, result=A_RESULT)
        ended = bench.jobs.get(ended.id)
        bench.files.end(ended)
        running = bench.submit(a_batch())
        claimed(bench.jobs, running.id)
        redis.flushdb()

        maintenance.tick()

        assert bench.jobs.get(ended.id) == ended
        again = bench.jobs.get(running.id)
        assert (again.state, again.attempt, again.kind) == (State.QUEUED, 0, Kind.BATCH)

    def test_existing_records_are_unchanged(self, bench: WorkBench, maintenance: Maintenance, redis: Redis) -> None:
        job = bench.submit(a_training())
        claim = claimed(bench.jobs, job.id)
        redis.delete(keys.REBUILT)

        maintenance.tick()

        assert bench.jobs.get(job.id) == claim.job

    def test_an_unreadable_specification_is_skipped(self, bench: WorkBench, maintenance: Maintenance) -> None:
        torn, whole = bench.submit(a_training()), bench.submit(a_training())
        bench.volume.specification(torn.id).write_bytes(b"{")
        bench.redis.flushdb()

        maintenance.tick()

        assert [job.id for job in bench.jobs.newest_first()] == [whole.id]

    def test_one_host_at_a_time_rebuilds(self, bench: WorkBench) -> None:
        assert bench.jobs.needs_rebuilding()
        assert not bench.jobs.needs_rebuilding()
        bench.jobs.rebuilt()
        assert not bench.jobs.needs_rebuilding()


class TestClosing:
    def test_an_outcome_missing_on_the_volume_is_written_there(
        self, bench: WorkBench, maintenance: Maintenance
    ) -> None:
        """The worker, or the API that cancelled the job, crashed right after it had written the record."""
        job = bench.submit(a_training())
        bench.jobs.cancel(job.id)
        bench.redis.zadd(keys.ENDED, {job.id: ended_long_ago(bench, job)})

        maintenance.tick()

        assert list(bench.files) == [bench.jobs.get(job.id)]
        assert bench.jobs.unclosed(0) == []

    def test_an_outcome_that_found_no_space_is_written_later(
        self, bench: WorkBench, maintenance: Maintenance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = bench.submit(a_training())
        bench.jobs.cancel(job.id)
        bench.redis.zadd(keys.ENDED, {job.id: ended_long_ago(bench, job)})
        monkeypatch.setattr(JobFiles, "end", full)
        maintenance.tick()
        assert [job.state for job in bench.files] == [State.QUEUED]
        monkeypatch.undo()

        maintenance.tick()

        assert [job.state for job in bench.files] == [State.CANCELLED]

    def test_an_outcome_from_before_a_retry_is_not_used_for_the_retried_job(self, bench: WorkBench) -> None:
        job = bench.submit(a_training())
        bench.jobs.cancel(job.id)
        first = bench.jobs.get(job.id)
        bench.redis.zadd(keys.ENDED, {job.id: ended_long_ago(bench, job) + 1})

        bench.jobs.closed(first.model_copy(update={"finished_at": 1}))

        assert bench.jobs.unclosed(0) == [job.id]

    def test_a_record_that_cannot_be_read_delays_no_other_job(
        self, bench: WorkBench, maintenance: Maintenance, redis: Redis, caplog: pytest.LogCaptureFixture
    ) -> None:
        damaged, whole, queued = (bench.submit(a_training()) for _ in range(3))
        for job in (damaged, whole):
            bench.jobs.cancel(job.id)
            redis.zadd(keys.ENDED, {job.id: ended_long_ago(bench, job)})
        redis.hset(keys.job(damaged.id), "progress", "[]")
        overdue(bench, queued)

        for _ in range(2):
            maintenance.tick()

        assert bench.volume.end(whole.id).exists()
        assert sent(redis, "training") == 1
        assert caplog.text.count(f"job {damaged.id}: its end cannot be written to the volume") == 1

    def test_a_retried_or_deleted_job_has_no_outcome_to_write(self, bench: WorkBench) -> None:
        again, deleted = (bench.submit(a_training()) for _ in range(2))
        for job in (again, deleted):
            bench.jobs.cancel(job.id)
        bench.jobs.retry(again.id)
        bench.jobs.delete(deleted.id)

        assert bench.redis.zcard(keys.ENDED) == 0


class TestCollecting:
    def test_jobs_that_ended_long_ago_are_removed_and_others_are_kept(
        self, bench: WorkBench, maintenance: Maintenance
    ) -> None:
        old, recent, running = (bench.submit(a_training()) for _ in range(3))
        for job in (old, recent):
            bench.jobs.finish(claimed(bench.jobs, job.id), State.FAILED)
        claimed(bench.jobs, running.id)
        ended_at = bench.jobs.now() - 31 * 24 * 3600 * 1000
        bench.redis.hset(keys.job(old.id), "finished_at", ended_at)

        maintenance.collect()

        assert {job.id for job in bench.jobs.newest_first()} == {recent.id, running.id}
        assert {path.name for path in bench.volume.jobs.iterdir()} == {recent.id, running.id}

    def test_a_host_whose_clock_is_ahead_removes_nothing_too_early(
        self, bench: WorkBench, maintenance: Maintenance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = bench.submit(a_training())
        bench.jobs.finish(claimed(bench.jobs, job.id), State.FAILED)
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 365 * 24 * 3600)

        maintenance.collect()

        assert bench.jobs.get(job.id).state is State.FAILED

    def test_a_job_that_another_host_removes_meanwhile_does_not_end_the_collection(
        self, bench: WorkBench, maintenance: Maintenance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        jobs = [bench.submit(a_training()) for _ in range(3)]
        for job in jobs:
            bench.jobs.finish(claimed(bench.jobs, job.id), State.FAILED)
            bench.redis.hset(keys.job(job.id), "finished_at", 1)
        delete = bench.jobs.delete

        def twice(job_id: str) -> None:
            delete(job_id)
            delete(job_id)

        monkeypatch.setattr(bench.jobs, "delete", twice)

        maintenance.collect()

        assert list(bench.jobs.newest_first()) == []


def test_an_unreachable_redis_is_retried_at_the_next_call(settings: Settings, tmp_path: Path) -> None:
    bench = WorkBench(settings.model_copy(update={"redis_url": f"unix://{tmp_path}/no.sock"}))
    maintenance = Maintenance(bench.jobs, bench.files, bench.task_queue, bench.settings)

    maintenance.tick()
    maintenance.collect()


def test_an_unreachable_volume_is_retried_at_the_next_call(
    bench: WorkBench, maintenance: Maintenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: object) -> None:
        raise OSError(errno.ESTALE, "Stale file handle")

    bench.submit(a_training())
    bench.redis.flushdb()
    monkeypatch.setattr(JobFiles, "__iter__", away)

    maintenance.tick()

    assert not bench.redis.exists(keys.REBUILT)
