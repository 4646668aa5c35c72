"""Transitions beside the regular path of a job: release, rescue, cancellation, retry and deletion."""

from __future__ import annotations

from typing import Any

import pytest
from redis import Redis

from shared.errors import Conflict, NotFound
from shared.jobs import Claim, Job, JobStore, Pulse, State, keys
from tests.support.objects.jobs import a_training, claimed, events, running

ENDS = [State.SUCCEEDED, State.COMPLETED_WITH_ERRORS, State.FAILED, State.CANCELLED]


def queued(jobs: JobStore) -> Job:
    job = a_training()
    jobs.create(job)
    return jobs.get(job.id)


def ended(jobs: JobStore, state: State) -> Job:
    claim = running(jobs)
    if state is State.CANCELLED:
        jobs.cancel(claim.job.id)
    assert jobs.finish(claim, state, error={"code": "x", "detail": "y"})
    return jobs.get(claim.job.id)


def expired(redis: Redis, claim: Claim) -> None:
    redis.zadd(keys.LEASES, {claim.job.id: 1})


class TestReleasing:
    def test_a_released_job_is_queued_without_an_owner_and_counts_no_crash(self, jobs: JobStore) -> None:
        claim = running(jobs)

        assert jobs.release(claim) is State.QUEUED

        job = jobs.get(claim.job.id)
        assert (job.state, job.owner, job.crashes, job.failures, job.attempt) == (State.QUEUED, None, 0, 0, 1)
        assert [due.id for due in jobs.due()] == [job.id]

    def test_intervals_between_messages_double_until_the_job_is_claimed(self, jobs: JobStore, redis: Redis) -> None:
        def interval() -> float:
            redis.zadd(keys.DUE, {job.id: 0})
            assert [due.id for due in jobs.due()] == [job.id]
            due_again = redis.zscore(keys.DUE, job.id)
            assert isinstance(due_again, float)
            return round((due_again - jobs.now()) / 1000)

        job = a_training()
        jobs.create(job)

        assert [interval() for _ in range(9)] == [60, 120, 240, 480, 960, 1920, 3840, 3840, 3840]
        jobs.release(claimed(jobs, job.id))
        assert interval() == 60

    def test_a_released_job_is_not_due_before_its_delay(self, jobs: JobStore) -> None:
        jobs.release(running(jobs), after_seconds=60, failures=1)

        assert jobs.due() == []

    def test_failures_add_up(self, jobs: JobStore) -> None:
        claim = running(jobs)
        for _ in range(2):
            jobs.release(claim, failures=1)
            claim = claimed(jobs, claim.job.id)

        assert claim.job.failures == 2

    def test_an_old_claim_releases_nothing(self, jobs: JobStore) -> None:
        old = running(jobs)
        jobs.release(old)
        new = claimed(jobs, old.job.id, "another")

        assert jobs.release(old) is None
        assert jobs.get(old.job.id) == new.job


class TestRescuing:
    def test_a_valid_lease_is_not_ended(self, jobs: JobStore) -> None:
        claim = running(jobs)

        assert jobs.rescue_expired() == []
        assert jobs.renew(claim) is Pulse.HELD

    def test_a_job_whose_lease_expired_is_queued_and_due(self, jobs: JobStore, redis: Redis) -> None:
        claim = running(jobs)
        expired(redis, claim)

        (job,) = jobs.rescue_expired()

        assert (job.state, job.crashes, job.owner) == (State.QUEUED, 1, None)
        assert [due.id for due in jobs.due()] == [job.id]
        assert events(redis, job.id)[-1] == ("state", {"state": "queued", "attempt": 1, "lease": "expired"})
        assert jobs.renew(claim) is Pulse.LOST

    def test_a_heartbeat_before_the_rescue_keeps_the_claim(self, jobs: JobStore, redis: Redis) -> None:
        claim = running(jobs)
        expired(redis, claim)
        jobs.renew(claim)

        assert jobs.rescue_expired() == []

    def test_one_of_two_hosts_rescues_a_job(self, jobs: JobStore, redis: Redis) -> None:
        expired(redis, running(jobs))

        assert [len(jobs.rescue_expired()), len(jobs.rescue_expired())] == [1, 0]

    def test_the_third_lost_claim_fails_the_job(self, redis: Redis) -> None:
        store = JobStore(redis, max_crashes=3)
        claim = running(store)
        for attempt in (1, 2, 3):
            expired(redis, claim)
            store.rescue_expired()
            if attempt < 3:
                claim = claimed(store, claim.job.id)

        job = store.get(claim.job.id)
        assert job.error is not None
        assert (job.state, job.error["code"], job.crashes) == (State.FAILED, "poison", 3)
        assert job.finished_at is not None

    def test_crashes_count_from_the_last_progress(self, redis: Redis) -> None:
        store = JobStore(redis, max_crashes=3)
        claim = running(store)
        job = claim.job
        counted = []
        for reached in (None, 5, 5, 4, None):  # the fourth attempt resumed from an older checkpoint
            store.renew(claim, reached=reached)
            expired(redis, claim)
            store.rescue_expired()
            job = store.get(job.id)
            counted.append(job.crashes)
            if job.state is State.QUEUED:
                claim = claimed(store, claim.job.id)

        assert counted == [1, 1, 2, 3, 3]
        assert (job.state, job.error and job.error["code"]) == (State.FAILED, "poison")

    def test_crashes_after_a_retry_count_from_the_beginning(self, redis: Redis) -> None:
        store = JobStore(redis, max_crashes=1)
        claim = running(store)
        for reached in (7, 3):
            store.renew(claim, reached=reached)
            expired(redis, claim)
            store.rescue_expired()
            assert store.get(claim.job.id).crashes == 1
            store.retry(claim.job.id)
            claim = claimed(store, claim.job.id)

        assert claim.job.crashes == 0

    def test_the_lost_lease_of_a_worker_that_is_alive_is_no_crash(self, jobs: JobStore, redis: Redis) -> None:
        claim = running(jobs)
        for _ in range(5):
            expired(redis, claim)
            jobs.rescue_expired()
            new = claimed(jobs, claim.job.id, "another")

            assert [jobs.release(claim), jobs.release(claim)] == [None, None]
            assert (jobs.get(claim.job.id).state, jobs.get(claim.job.id).crashes) == (State.RUNNING, 0)
            claim = new

    def test_only_the_crash_that_was_counted_last_is_corrected(self, jobs: JobStore, redis: Redis) -> None:
        first = running(jobs)
        expired(redis, first)
        jobs.rescue_expired()
        expired(redis, claimed(jobs, first.job.id, "another"))
        jobs.rescue_expired()

        jobs.release(first)

        assert jobs.get(first.job.id).crashes == 2


class TestCancelling:
    def test_a_queued_job_ends_at_once(self, jobs: JobStore, redis: Redis) -> None:
        job = queued(jobs)

        assert jobs.cancel(job.id) is State.CANCELLED
        assert jobs.claim(job.id, "a worker") is None
        assert redis.zcard(keys.DUE) == 0

    def test_the_next_heartbeat_of_a_cancelled_job_returns_the_cancellation(self, jobs: JobStore) -> None:
        claim = running(jobs)

        assert jobs.cancel(claim.job.id) is State.CANCELLING
        assert jobs.renew(claim) is Pulse.CANCEL

    @pytest.mark.parametrize("state", ENDS)
    def test_an_ended_job_cannot_be_cancelled(self, jobs: JobStore, state: State) -> None:
        job = ended(jobs, state)

        with pytest.raises(Conflict, match=f"is {state} and cannot be cancelled"):
            jobs.cancel(job.id)

        assert jobs.get(job.id) == job


class TestRetrying:
    @pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED, State.COMPLETED_WITH_ERRORS])
    def test_a_retried_job_is_queued_with_a_clean_record_and_keeps_counting_attempts(
        self, jobs: JobStore, state: State
    ) -> None:
        job = ended(jobs, state)

        assert jobs.retry(job.id) is State.QUEUED

        again = jobs.get(job.id)
        assert (job.retries, again.retries) == (0, 1)
        assert (again.error, again.finished_at, again.crashes, again.failures) == (None, None, 0, 0)
        assert claimed(jobs, job.id).job.attempt == job.attempt + 1

    def test_a_worker_of_an_earlier_attempt_stays_refused_after_a_retry(self, jobs: JobStore, redis: Redis) -> None:
        old = running(jobs)
        jobs.cancel(old.job.id)
        expired(redis, old)
        jobs.rescue_expired()
        jobs.retry(old.job.id)
        claimed(jobs, old.job.id)

        assert jobs.renew(old) is Pulse.LOST
        assert not jobs.finish(old, State.SUCCEEDED)

    def test_a_succeeded_job_cannot_be_retried(self, jobs: JobStore) -> None:
        with pytest.raises(Conflict, match="is succeeded and cannot be retried"):
            jobs.retry(ended(jobs, State.SUCCEEDED).id)


class TestDeleting:
    @pytest.mark.parametrize("state", ENDS)
    def test_a_deleted_job_leaves_only_counters_and_events(self, jobs: JobStore, redis: Redis, state: State) -> None:
        jobs.delete(ended(jobs, state).id)

        shares = keys.shares("training")
        assert set(redis.keys("*")) - {shares} == {keys.COUNTERS, keys.ALL_EVENTS}
        assert redis.ttl(shares) != -1, "what its API key has used expires"

    def test_a_queued_job_must_be_cancelled_before_it_is_deleted(self, jobs: JobStore) -> None:
        with pytest.raises(Conflict, match="cancel it first"):
            jobs.delete(queued(jobs).id)


@pytest.mark.parametrize("method", ["cancel", "retry", "delete"])
def test_an_unknown_job_is_not_found(jobs: JobStore, redis: Redis, method: str) -> None:
    with pytest.raises(NotFound):
        getattr(jobs, method)("unknown")

    assert redis.keys("*") == []


class TestTimeLimit:
    def test_a_job_without_a_time_limit_has_no_remaining_time(self, jobs: JobStore) -> None:
        assert running(jobs).seconds_left is None

    def test_a_new_job_has_all_its_time(self, jobs: JobStore) -> None:
        assert running(jobs, timeout_seconds=60).seconds_left == 60

    def test_time_of_earlier_attempts_counts(self, jobs: JobStore, redis: Redis) -> None:
        claim = running(jobs, timeout_seconds=60)
        redis.hset(keys.job(claim.job.id), "started_at", jobs.now() - 45_000)
        jobs.release(claim)

        left: Any = claimed(jobs, claim.job.id).seconds_left

        assert 10 < left <= 15


def test_the_log_is_read_after_an_event(jobs: JobStore) -> None:
    claim = running(jobs)
    jobs.log(claim, "resumed", {"epochs": 3})

    first, second, third = jobs.events(claim.job.id)

    assert [event.type for event in (first, second, third)] == ["state", "state", "resumed"]
    assert jobs.events(claim.job.id, after=first.id, limit=1) == [second]
    assert jobs.events(claim.job.id, after=third.id) == []
    assert third.data == {"epochs": 3}
