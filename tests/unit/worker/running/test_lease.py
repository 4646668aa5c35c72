"""The lease of a running job."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from shared.jobs import Claim, JobStore, Progress, Pulse, State, keys
from shared.jobs.task_queue import connect
from shared.runtime.clock import since_boot
from shared.runtime.settings import Settings
from tests.support.objects.jobs import claimed, events, move, running
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import eventually
from worker.running.heartbeat import LeaseLost
from worker.running.lease import Cancelled, Lease
from worker.running.shutdown import ShutdownRequest


def quick(jobs: JobStore, claim: Claim, heartbeat: float = 0.02, lease: float = 30.0) -> Lease:
    return Lease(jobs, claim, Settings(heartbeat_seconds=heartbeat, lease_seconds=lease), ShutdownRequest())


def done(number: int) -> Progress:
    return Progress(done=number, total=9, unit="epochs")


def ends_with(error: type[Exception], lease: Lease) -> Callable[[], bool]:
    def ended() -> bool:
        try:
            lease.check()
        except error:
            return True
        return False

    return ended


def reported(redis: Redis, claim: Claim, kind: str) -> list[int]:
    """Return the progress in the job's events of this kind."""
    return [data["progress"]["done"] for event, data in events(redis, claim.job.id) if event == kind]


class TestChecking:
    def test_a_job_with_a_valid_lease_continues(self, jobs: JobStore) -> None:
        with quick(jobs, running(jobs)) as lease:
            lease.check()

    def test_a_cancelling_job_is_cancelled(self, jobs: JobStore) -> None:
        claim = running(jobs)
        with quick(jobs, claim) as lease:
            move(jobs, claim.job.id, State.CANCELLING)

            assert eventually(ends_with(Cancelled, lease))

    def test_a_lease_that_another_worker_holds_is_lost(self, jobs: JobStore) -> None:
        claim = running(jobs)
        with quick(jobs, claim) as lease:
            move(jobs, claim.job.id, State.QUEUED)
            claimed(jobs, claim.job.id, "another worker")

            assert eventually(ends_with(LeaseLost, lease))

    def test_a_lease_of_a_deleted_job_is_lost(self, jobs: JobStore) -> None:
        claim = running(jobs)
        with quick(jobs, claim) as lease:
            jobs.discard(claim.job.id)

            assert eventually(ends_with(LeaseLost, lease))

    def test_a_lost_lease_stays_lost(self, jobs: JobStore) -> None:
        claim = running(jobs)
        with quick(jobs, claim) as lease:
            move(jobs, claim.job.id, State.QUEUED)
            eventually(ends_with(LeaseLost, lease))
            claimed(jobs, claim.job.id)
            lease.report(done(1))

        with pytest.raises(LeaseLost):
            lease.check()

    def test_a_held_lease_is_confirmed_also_if_the_job_is_cancelling(self, jobs: JobStore, redis: Redis) -> None:
        claim = running(jobs)
        with quick(jobs, claim, heartbeat=60.0) as lease:
            before = redis.zscore(keys.LEASES, claim.job.id)
            move(jobs, claim.job.id, State.CANCELLING)
            lease.confirm_held()

        assert redis.zscore(keys.LEASES, claim.job.id) != before

    def test_a_lease_that_another_worker_holds_is_not_confirmed(self, jobs: JobStore) -> None:
        claim = running(jobs)
        with quick(jobs, claim, heartbeat=60.0) as lease:
            move(jobs, claim.job.id, State.QUEUED)
            claimed(jobs, claim.job.id, "another worker")

            with pytest.raises(LeaseLost):
                lease.confirm_held()


class TestHeartbeat:
    def test_the_heartbeat_renews_the_lease(self, jobs: JobStore, redis: Redis) -> None:
        claim = running(jobs)
        before = redis.zscore(keys.LEASES, claim.job.id)

        with quick(jobs, claim):
            eventually(lambda: redis.zscore(keys.LEASES, claim.job.id) != before)

    def test_the_heartbeat_ends_with_the_job(self, jobs: JobStore) -> None:
        with quick(jobs, running(jobs), heartbeat=60.0):
            assert "heartbeat" in {thread.name for thread in threading.enumerate()}

        assert "heartbeat" not in {thread.name for thread in threading.enumerate()}

    def test_a_report_does_not_wait_for_the_next_heartbeat(self, jobs: JobStore) -> None:
        claim = running(jobs)
        with quick(jobs, claim, heartbeat=60.0) as lease:
            lease.report(done(1))

            assert eventually(lambda: jobs.get(claim.job.id).progress.done == 1, within=10.0)


class TestSuspension:
    """This process was suspended for longer than its lease."""

    def test_a_lease_that_nobody_took_is_renewed_by_the_next_check(
        self, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with quick(jobs, running(jobs), heartbeat=60.0) as lease:
            monkeypatch.setattr("worker.running.heartbeat.since_boot", lambda: since_boot() + 3600.0)
            monkeypatch.setattr("worker.running.lease.since_boot", lambda: since_boot() + 3600.0)

            lease.check()

            assert lease.seconds_until_lost > 0

    def test_a_suspension_during_a_check_does_not_lose_the_lease(
        self, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The process is suspended after each reading of the clock, one after the other."""
        for number in range(1, 6):
            readings = count(1)

            def clock(number: int = number, readings: Iterator[int] = readings) -> float:
                return since_boot() + (3600.0 if next(readings) >= number else 0.0)

            with monkeypatch.context() as patch, quick(jobs, running(jobs), heartbeat=60.0) as lease:
                patch.setattr("worker.running.heartbeat.since_boot", clock)
                patch.setattr("worker.running.lease.since_boot", clock)

                for _ in range(3):
                    lease.check()

    def test_an_expired_lease_is_renewed_although_the_connection_has_ended(
        self, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        renew = jobs.renew
        failures = [RedisConnectionError("reset")]

        def fail_once(*arguments: Any, **options: Any) -> Pulse:
            if failures:
                raise failures.pop()
            return renew(*arguments, **options)

        monkeypatch.setattr(jobs, "renew", fail_once)
        with quick(jobs, running(jobs), heartbeat=60.0) as lease:
            monkeypatch.setattr("worker.running.heartbeat.since_boot", lambda: since_boot() + 3600.0)
            monkeypatch.setattr("worker.running.lease.since_boot", lambda: since_boot() + 3600.0)

            lease.check()

        assert failures == []

    def test_a_lease_that_another_worker_took_is_lost_before_anything_is_written(
        self, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        claim = running(jobs)
        with quick(jobs, claim, heartbeat=60.0) as lease:
            move(jobs, claim.job.id, State.QUEUED)
            claimed(jobs, claim.job.id, "another worker")
            monkeypatch.setattr("worker.running.heartbeat.since_boot", lambda: since_boot() + 3600.0)

            with pytest.raises(LeaseLost):
                lease.check()


class TestReporting:
    def test_how_far_a_later_attempt_can_resume_is_in_the_record(self, jobs: JobStore, redis: Redis) -> None:
        claim = running(jobs)
        with quick(jobs, claim, heartbeat=60.0) as lease:
            lease.reach(300)
            eventually(lambda: redis.hget(keys.job(claim.job.id), "reached") == "300")
            lease.reach(400)

        assert redis.hget(keys.job(claim.job.id), "reached") == "400"

    def test_the_last_report_is_never_dropped(self, jobs: JobStore, redis: Redis) -> None:
        for event in ("epoch", "progress"):
            claim = running(jobs)
            with quick(jobs, claim, heartbeat=60.0) as lease:
                lease.report(done(9), {"train_loss": 0.5}, event)

            assert jobs.get(claim.job.id).progress == done(9)
            assert jobs.get(claim.job.id).metrics == {"train_loss": 0.5}
            assert reported(redis, claim, event) == [9]

    def test_every_epoch_is_an_event(self, jobs: JobStore, redis: Redis) -> None:
        claim = running(jobs)
        with quick(jobs, claim) as lease:
            for number in range(1, 10):
                lease.report(done(number - 1))
                lease.report(done(number), {}, "epoch")

        assert reported(redis, claim, "epoch") == list(range(1, 10))

    def test_few_of_many_progress_reports_are_sent(self, jobs: JobStore, redis: Redis) -> None:
        claim = running(jobs)
        with quick(jobs, claim) as lease:
            for number in range(1000):
                lease.report(Progress(done=number, total=1000, unit="images"))

        sent = reported(redis, claim, "progress")
        assert sent[-1] == 999
        assert len(sent) < 50

    def test_a_report_after_the_lease_was_lost_is_not_written(self, jobs: JobStore, redis: Redis) -> None:
        claim = running(jobs)
        with quick(jobs, claim) as lease:
            move(jobs, claim.job.id, State.QUEUED)
            new = claimed(jobs, claim.job.id)
            lease.report(done(9), {"train_loss": 9.0}, "epoch")

        assert jobs.get(claim.job.id) == new.job
        assert reported(redis, claim, "epoch") == []


class TestUnresponsiveRedis:
    """Redis stops responding."""

    @pytest.fixture
    def far_jobs(self, own_redis_server: RedisServer, settings: Settings) -> JobStore:
        impatient = settings.model_copy(update={"redis_url": own_redis_server.url(), "redis_timeout": 0.5})
        return JobStore(connect(impatient), 30.0)

    def test_a_lease_that_was_not_renewed_in_time_is_lost(
        self, own_redis_server: RedisServer, far_jobs: JobStore
    ) -> None:
        with quick(far_jobs, running(far_jobs), lease=0.9) as lease:
            own_redis_server.freeze()

            assert eventually(ends_with(LeaseLost, lease))

    def test_a_lease_is_not_confirmed_without_redis(self, own_redis_server: RedisServer, far_jobs: JobStore) -> None:
        with quick(far_jobs, running(far_jobs), heartbeat=60.0, lease=0.9) as lease:
            own_redis_server.freeze()
            lease.check()  # the lease is recent

            with pytest.raises(LeaseLost):
                lease.confirm_held()

    def test_work_continues_if_the_lease_can_be_renewed_after_all(
        self, own_redis_server: RedisServer, far_jobs: JobStore
    ) -> None:
        claim = running(far_jobs)
        with quick(far_jobs, claim, lease=0.9) as lease:
            own_redis_server.freeze()
            eventually(ends_with(LeaseLost, lease))
            own_redis_server.thaw()

            assert eventually(lambda: not ends_with(LeaseLost, lease)())

        assert (far_jobs.get(claim.job.id).attempt, far_jobs.get(claim.job.id).crashes) == (1, 0)

    def test_a_report_is_sent_as_soon_as_redis_responds_again(
        self, own_redis_server: RedisServer, far_jobs: JobStore, caplog: pytest.LogCaptureFixture
    ) -> None:
        claim = running(far_jobs)
        with own_redis_server.client() as redis, quick(far_jobs, claim) as lease:
            own_redis_server.freeze()
            lease.report(done(1), {}, "epoch")
            eventually(lambda: "heartbeat failed" in caplog.text)
            own_redis_server.thaw()

            assert eventually(lambda: 1 in reported(redis, claim, "epoch"))
            lease.check()
