"""The runner: from a message to a job's end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from redis.exceptions import OutOfMemoryError
from redis.exceptions import TimeoutError as RedisTimeoutError

from shared.errors import Invalid
from shared.jobs import Claim, Job, Kind, Progress, State, keys
from shared.runtime.settings import Settings
from tests.support.objects.bench import WorkBench
from tests.support.objects.jobs import A_RESULT, a_batch, a_training, claimed, messages, move, recorded_states
from tests.support.waiting import eventually
from tests.unit.worker.conftest import Bench
from worker.running.heartbeat import LeaseLost
from worker.running.lease import Lease
from worker.running.runner import JobHandler, JobOutcome

ALL = Progress(done=2, total=2, unit="epochs", eta_seconds=0.0)


def succeed(job: Job, lease: Lease) -> JobOutcome:
    return JobOutcome(State.SUCCEEDED, ALL, metrics={"test_accuracy": 1.0}, result=A_RESULT)


def work_until_stopped(job: Job, lease: Lease) -> JobOutcome:
    def ended() -> bool:
        lease.check()  # raises what ends the work
        return False

    eventually(ended)
    raise AssertionError


def raising(error: Exception) -> JobHandler:
    def handler(job: Job, lease: Lease) -> JobOutcome:
        raise error

    return handler


class TestEnding:
    def test_a_finished_job_has_its_result(self, bench: Bench, redis: Redis) -> None:
        job = bench.run(a_training(), succeed)

        assert job.state is State.SUCCEEDED
        assert (job.result, job.metrics, job.progress) == (A_RESULT, {"test_accuracy": 1.0}, ALL)
        assert job.error is None
        assert recorded_states(redis, job.id) == ["queued", "running", "succeeded"]

    def test_a_domain_error_is_recorded_with_its_code(self, bench: Bench) -> None:
        job = bench.run(a_training(), raising(Invalid("training_diverged", "try a smaller learning rate")))

        assert job.state is State.FAILED
        assert job.error == {"code": "training_diverged", "detail": "try a smaller learning rate"}
        assert job.result is None

    def test_a_bug_is_an_internal_error_with_a_traceback_in_the_log(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        job = bench.run(a_training(), raising(ZeroDivisionError("by zero")))

        assert job.state is State.FAILED
        assert job.error is not None
        assert job.error["code"] == "internal_error"
        assert "ZeroDivisionError" in job.error["detail"]
        assert "Traceback" in caplog.text

    def test_the_last_report_is_kept_if_the_outcome_has_no_progress(self, bench: Bench) -> None:
        def handler(job: Job, lease: Lease) -> JobOutcome:
            lease.report(ALL, {"train_loss": 0.5}, "epoch")
            raise ValueError

        job = bench.run(a_training(), handler)

        assert (job.progress, job.metrics) == (ALL, {"train_loss": 0.5})

    def test_a_cancelling_job_is_cancelled(self, bench: Bench, redis: Redis) -> None:
        job = while_it_runs(bench, work_until_stopped, lambda job_id: move(bench.jobs, job_id, State.CANCELLING))

        assert job.state is State.CANCELLED
        assert job.error is None
        assert recorded_states(redis, job.id) == ["queued", "running", "cancelling", "cancelled"]


class TestFencing:
    def test_a_worker_that_lost_its_lease_writes_nothing(self, bench: Bench) -> None:
        taken: list[Job] = []

        def take(job_id: str) -> None:
            move(bench.jobs, job_id, State.QUEUED)
            taken.append(claimed(bench.jobs, job_id, "another worker").job)

        job = while_it_runs(bench, work_until_stopped, take)

        assert [job.model_copy(update={"crashes": 1})] == taken  # the worker is alive, so none is counted

    def test_an_outcome_that_comes_too_late_is_not_written(self, bench: Bench) -> None:
        def handler(job: Job, lease: Lease) -> JobOutcome:
            move(bench.jobs, job.id, State.QUEUED)
            return succeed(job, lease)

        job = bench.run(a_training(), handler)

        assert job.state is State.QUEUED
        assert job.result is None

    def test_the_outcome_of_a_deleted_job_is_not_an_error(self, bench: Bench, redis: Redis) -> None:
        def handler(job: Job, lease: Lease) -> JobOutcome:
            bench.jobs.discard(job.id)
            return succeed(job, lease)

        job = a_training()
        bench.submit(job)
        bench.runner({Kind.TRAINING: handler}).run(job.id)

        assert set(redis.keys("*")) == {keys.COUNTERS, keys.ALL_EVENTS}

    def test_a_lease_that_expired_while_nobody_took_the_job_requeues_it_without_a_crash(
        self, bench: Bench, redis: Redis
    ) -> None:
        def handler(job: Job, lease: Lease) -> JobOutcome:
            raise LeaseLost

        job = bench.run(a_training(), handler)

        assert (job.state, job.crashes, job.failures) == (State.QUEUED, 0, 0)
        assert len(messages(redis, "training")) == 1

    def test_a_process_that_waits_for_redis_to_requeue_its_job_does_not_count_as_hanging(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its heartbeat, which would end it for want of steps, is over."""
        release = bench.jobs.release
        answers: list[Exception | None] = [RedisTimeoutError(), RedisTimeoutError(), None]
        running_threads: set[str] = set()

        def answer_later(claim: Claim) -> State | None:
            running_threads.update(thread.name for thread in threading.enumerate())
            error = answers.pop(0)
            if error is not None:
                raise error
            return release(claim)

        monkeypatch.setattr(bench.jobs, "release", answer_later)
        monkeypatch.setattr("worker.running.runner.CLAIM_SECONDS", 0.01)

        job = bench.run(a_training(), raising(LeaseLost()))

        assert answers == []
        assert "heartbeat" not in running_threads
        assert (job.state, job.crashes) == (State.QUEUED, 0)

    def test_a_lease_that_was_taken_over_is_no_crash(self, bench: Bench) -> None:
        def take(job_id: str) -> None:
            move(bench.jobs, job_id, State.QUEUED)
            assert bench.jobs.get(job_id).crashes == 1
            claimed(bench.jobs, job_id, "another worker")

        job = while_it_runs(bench, work_until_stopped, take)

        assert (job.state, job.owner, job.crashes) == (State.RUNNING, "another worker", 0)


class TestMessages:
    def test_a_duplicate_message_is_a_no_op(self, bench: Bench, redis: Redis) -> None:
        done = bench.run(a_training(), succeed)

        for _ in range(9):
            bench.runner({Kind.TRAINING: raising(AssertionError())}).run(done.id)

        assert bench.jobs.get(done.id) == done
        assert recorded_states(redis, done.id) == ["queued", "running", "succeeded"]

    def test_a_message_that_several_workers_get_at_once_runs_the_job_once(self, bench: Bench) -> None:
        done: list[str] = []

        def handler(job: Job, lease: Lease) -> JobOutcome:
            done.append(job.id)
            return succeed(job, lease)

        job = a_training()
        bench.submit(job)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(bench.runner({Kind.TRAINING: handler}).run, [job.id] * 8))

        assert done == [job.id]
        assert bench.jobs.get(job.id).attempt == 1

    def test_a_message_about_an_unknown_job_is_a_no_op(self, bench: Bench, redis: Redis) -> None:
        bench.runner({Kind.TRAINING: raising(AssertionError())}).run("unknown")

        assert redis.keys("*") == []

    def test_a_job_is_run_by_the_handler_of_its_kind(self, bench: Bench) -> None:
        handlers = {Kind.TRAINING: raising(AssertionError()), Kind.BATCH: succeed}
        job = a_batch()
        bench.submit(job)

        bench.runner(handlers).run(job.id)

        assert bench.jobs.get(job.id).state is State.SUCCEEDED


def while_it_runs(bench: Bench, handler: JobHandler, meanwhile: Callable[[str], object]) -> Job:
    """Run a job in a thread, call `meanwhile` while it runs, and return the job's final record."""
    job = a_training()
    bench.submit(job)
    thread = threading.Thread(target=bench.runner({job.kind: handler}).run, args=(job.id,))
    thread.start()
    try:
        eventually(lambda: bench.jobs.get(job.id).state is State.RUNNING)
        meanwhile(job.id)
    finally:
        thread.join()
    return bench.jobs.get(job.id)


class TestRedisThatRefuses:
    @pytest.fixture
    def bench(self, settings: Settings) -> WorkBench:
        return WorkBench(settings)

    def test_a_claim_is_retried_until_redis_accepts_it(
        self, bench: WorkBench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        job = bench.submit(a_training())
        monkeypatch.setattr("worker.running.runner.CLAIM_SECONDS", 0.01)
        claim = bench.jobs.claim
        tries: list[str] = []

        def refused_twice(job_id: str, owner: str) -> Claim | None:
            tries.append(job_id)
            if len(tries) < 3:
                raise OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")
            return claim(job_id, owner)

        monkeypatch.setattr(bench.jobs, "claim", refused_twice)

        bench.runner({job.kind: succeed}).run(job.id)

        assert bench.jobs.get(job.id).state is State.SUCCEEDED
        assert caplog.text.count("cannot start yet: Redis is full") == 1

    def test_a_worker_that_is_shut_down_gives_up_the_claim(
        self, bench: WorkBench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = bench.submit(a_training())

        def refused(job_id: str, owner: str) -> Claim | None:
            bench.shutdown._requested.set()
            raise OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")

        monkeypatch.setattr(bench.jobs, "claim", refused)

        bench.runner({job.kind: succeed}).run(job.id)

        assert bench.jobs.get(job.id).state is State.QUEUED

    def test_a_job_that_needs_too_much_memory_fails_as_out_of_memory(self, bench: WorkBench) -> None:
        job = bench.submit(a_training())
        for _ in range(3):
            bench.runner({job.kind: raising(MemoryError("Unable to allocate 18.9 TiB"))}).run(job.id)

        ended = bench.jobs.get(job.id)

        assert ended.error is not None
        assert ended.error["code"] == "out_of_memory"
        assert "Unable to allocate 18.9 TiB, 3 times" in ended.error["detail"]
        assert "GLASSBOX_TRAINER_MEMORY" in ended.error["detail"]
