"""A job whose handler does not finish is retried, requeued, cancelled, or left to another worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from redis import RedisError, ResponseError
from redis.exceptions import OutOfMemoryError

from shared.errors import Invalid, StorageFull, Unavailable
from shared.jobs import Job, Kind, State, keys
from shared.jobs.files import JobFiles
from shared.jobs.task_queue import BROKER
from shared.runtime.settings import Settings
from tests.support.objects.bench import WorkBench
from tests.support.objects.jobs import A_RESULT, a_batch, a_training, claimed, messages
from tests.support.waiting import eventually
from worker.running import runner
from worker.running.lease import HandsOver, Lease
from worker.running.runner import JobHandler, JobOutcome


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"heartbeat_seconds": 0.05})


@pytest.fixture
def bench(settings: Settings) -> WorkBench:
    return WorkBench(settings)


@pytest.fixture
def job(bench: WorkBench) -> Job:
    return bench.submit(a_training())


def succeed(job: Job, lease: Lease) -> JobOutcome:
    return JobOutcome(State.SUCCEEDED, result=A_RESULT)


def raising(error: Exception) -> JobHandler:
    def handler(job: Job, lease: Lease) -> JobOutcome:
        raise error

    return handler


def working(meanwhile: Callable[[], Any] = lambda: None) -> JobHandler:
    """Return a handler that works until the lease ends it."""

    def handler(job: Job, lease: Lease) -> JobOutcome:
        meanwhile()

        def ended() -> bool:
            lease.check()
            return False

        eventually(ended)
        raise AssertionError

    return handler


def seconds_until_due(bench: WorkBench, job: Job) -> float:
    due = bench.redis.zscore(keys.DUE, job.id)
    assert isinstance(due, float)
    return (due - bench.jobs.now()) / 1000


TEMPORARY = [
    OSError("stale"),
    ResponseError("unknown command"),
    Unavailable("x", "y"),
    MemoryError("much"),
    ZeroDivisionError("bug"),
]


class TestTemporaryErrors:
    @pytest.mark.parametrize("error", TEMPORARY, ids=lambda error: type(error).__name__)
    def test_the_job_is_retried_later_and_a_failure_is_counted(
        self, bench: WorkBench, job: Job, error: Exception
    ) -> None:
        again = bench.run(job, raising(error))

        assert (again.state, again.failures, again.crashes) == (State.QUEUED, 1, 0)
        assert 0 < seconds_until_due(bench, job) <= 2
        assert messages(bench.redis, "training") == []

    @pytest.mark.parametrize("error", [RedisError("away"), OutOfMemoryError("used memory > 'maxmemory'")])
    def test_a_fault_of_redis_is_not_counted_as_a_failure_of_the_job(
        self, bench: WorkBench, job: Job, error: Exception
    ) -> None:
        for _ in range(4):
            again = bench.run(job, raising(error))

            assert (again.state, again.failures, again.crashes) == (State.QUEUED, 0, 0)

    def test_the_third_failure_ends_the_job_with_its_error(self, bench: WorkBench, job: Job) -> None:
        for _ in range(3):
            bench.run(job, raising(OSError("stale file handle")))

        ended = bench.jobs.get(job.id)
        assert ended.state is State.FAILED
        assert ended.error is not None
        assert ended.error["code"] == "internal_error"
        assert "stale file handle" in ended.error["detail"]

    def test_the_waits_grow_up_to_a_limit(self) -> None:
        for tries in (1, 5, 20, 5000):
            longest = min(2.0 ** min(tries, 30), runner.LONGEST_BACKOFF_SECONDS)
            assert all(longest / 2 <= runner._backoff(tries) <= longest for _ in range(50))

    def test_waits_differ_so_that_many_jobs_do_not_return_at_once(self) -> None:
        assert len({runner._backoff(3) for _ in range(20)}) > 1

    def test_an_invalid_job_is_not_retried(self, bench: WorkBench, job: Job) -> None:
        ended = bench.run(job, raising(Invalid("training_diverged", "too fast")))

        assert (ended.state, ended.failures) == (State.FAILED, 0)
        assert ended.error == {"code": "training_diverged", "detail": "too fast"}


class TestAFullVolume:
    def test_the_job_backs_off_and_counts_no_failure(self, bench: WorkBench, job: Job) -> None:
        for _ in range(5):
            bench.run(job, raising(StorageFull("storage_full", "no space")))

        again = bench.jobs.get(job.id)
        assert (again.state, again.failures, again.crashes) == (State.QUEUED, 0, 0)
        assert seconds_until_due(bench, job) > 8

    def test_a_job_ends_even_if_its_outcome_cannot_be_written_to_the_volume(
        self, bench: WorkBench, job: Job, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> None:
            raise StorageFull("storage_full", "no space")

        monkeypatch.setattr(JobFiles, "end", full)

        assert bench.run(job, succeed).state is State.SUCCEEDED
        assert bench.jobs.unclosed(0) == [job.id]


class TestStopping:
    def test_a_worker_that_is_shut_down_requeues_the_job_at_once(self, bench: WorkBench, job: Job) -> None:
        back = bench.run(job, working(bench.shutdown._requested.set))

        assert (back.state, back.failures, back.crashes, back.owner) == (State.QUEUED, 0, 0, None)
        assert [message["headers"]["argsrepr"] for message in messages(bench.redis, "training")] == [f"['{job.id}']"]

    def test_a_cancelling_job_that_is_released_is_cancelled(self, bench: WorkBench, job: Job) -> None:
        def cancel_and_fail(job: Job, lease: Lease) -> JobOutcome:
            bench.jobs.cancel(job.id)
            raise OSError("stale")

        assert bench.run(job, cancel_and_fail).state is State.CANCELLED
        assert [ended.state for ended in bench.files] == [State.CANCELLED]

    def test_a_cancelled_job_ends_and_its_outcome_is_on_the_volume(self, bench: WorkBench, job: Job) -> None:
        ended = bench.run(job, working(lambda: bench.jobs.cancel(job.id)))

        assert ended.state is State.CANCELLED
        assert list(bench.files) == [ended]

    def test_a_job_that_exceeds_its_timeout_fails(self, bench: WorkBench) -> None:
        ended = bench.run(bench.submit(a_training(timeout_seconds=0.2)), working())

        assert ended.state is State.FAILED
        assert ended.error is not None
        assert (ended.error["code"], "0.2 seconds" in ended.error["detail"]) == ("timeout", True)

    def test_the_time_of_earlier_attempts_counts(self, bench: WorkBench) -> None:
        job = bench.submit(a_training(timeout_seconds=60))
        claim = claimed(bench.jobs, job.id)
        bench.redis.hset(keys.job(job.id), "started_at", bench.jobs.now() - 61_000)
        bench.jobs.release(claim)

        ended = bench.run(job, working())

        assert ended.error is not None
        assert ended.error["code"] == "timeout"


class TestBeingFenced:
    def test_a_worker_that_lost_its_lease_releases_nothing(self, bench: WorkBench, job: Job) -> None:
        def lose(job: Job, lease: Lease) -> JobOutcome:
            bench.let_leases_expire()
            claimed(bench.jobs, job.id, "another")
            raise OSError("stale")

        left = bench.run(job, lose)

        assert (left.state, left.owner, left.failures, left.attempt) == (State.RUNNING, "another", 0, 2)

    def test_a_job_that_is_not_on_the_volume_was_not_accepted_and_is_not_run(self, bench: WorkBench) -> None:
        job = a_training()
        bench.jobs.create(job)

        ended = bench.run(job, raising(AssertionError()))

        assert ended.error is not None
        assert (ended.state, ended.error["code"]) == (State.FAILED, "not_accepted")


class TestEnding:
    def test_the_outcome_is_written_to_the_volume(self, bench: WorkBench, job: Job) -> None:
        ended = bench.run(job, succeed)

        assert list(bench.files) == [ended]
        assert ended.result == A_RESULT


def test_messages_of_jobs_that_take_turns_do_not_accumulate(bench: WorkBench) -> None:
    """Maintenance sends a message for each job that waits for its turn; each process consumes one a turn."""
    batches = [bench.submit(a_batch()) for _ in range(2)]
    for job in batches:
        bench.task_queue.send(job.kind, job.id)
    run = bench.runner({Kind.BATCH: raising(HandsOver())}).run
    for _ in range(8):
        for job in bench.jobs.due():
            bench.task_queue.send(job.kind, job.id)
        assert bench.redis.rpop(f"{BROKER}inference") is not None, "a message starts each turn"
        run(batches[0].id)

    assert len(messages(bench.redis, "inference")) <= 3
    assert sum(bench.jobs.get(job.id).attempt for job in batches) == 8
