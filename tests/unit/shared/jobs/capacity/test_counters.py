"""The counters of all jobs: each transition counts once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from shared.jobs import JobStore, Kind, State, keys
from shared.jobs.capacity.counters import BOUNDS, JobCounters, read_counters
from tests.support.objects.jobs import A_RESULT, a_batch, a_batch_result, a_training, claimed, move, running

BATCH_OF_10 = a_batch_result(succeeded=8, failed=2)


def entered(counters: JobCounters) -> dict[tuple[str, str], int]:
    return {(str(kind), str(state)): count for (kind, state), count in counters.entered.items() if count}


def test_counters_of_an_empty_store_are_zero(redis: Redis) -> None:
    counters = read_counters(redis)

    assert entered(counters) == {}
    assert set(counters.entered) == {(kind, state) for kind in Kind for state in State}
    assert counters.queued == dict.fromkeys(Kind, 0)
    assert counters.images == {"succeeded": 0, "failed": 0}
    assert {sum(durations.counts.values()) for durations in counters.durations.values()} == {0}


def test_each_state_that_a_job_enters_is_counted(jobs: JobStore, redis: Redis) -> None:
    jobs.finish(running(jobs), State.SUCCEEDED)
    jobs.finish(running(jobs), State.FAILED)
    jobs.create(a_batch())

    assert entered(read_counters(redis)) == {
        ("training", "queued"): 2,
        ("training", "running"): 2,
        ("training", "succeeded"): 1,
        ("training", "failed"): 1,
        ("batch", "queued"): 1,
    }


def test_a_job_whose_worker_was_lost_counts_a_second_time(jobs: JobStore, redis: Redis) -> None:
    claim = running(jobs)
    move(jobs, claim.job.id, State.QUEUED)
    claimed(jobs, claim.job.id)

    assert entered(read_counters(redis)) == {("training", "queued"): 2, ("training", "running"): 2}


def test_counts_stay_when_the_jobs_are_deleted(jobs: JobStore, redis: Redis) -> None:
    claim = running(jobs)
    jobs.finish(claim, State.SUCCEEDED)
    before = read_counters(redis)

    jobs.delete(claim.job.id)

    assert read_counters(redis) == before


def test_a_rebuilt_record_of_an_ended_job_is_not_counted_again(jobs: JobStore, redis: Redis) -> None:
    jobs.create(a_training(state=State.SUCCEEDED))

    assert entered(read_counters(redis)) == {}


@pytest.mark.parametrize("departure", ["claim", "cancel", "discard"])
def test_jobs_count_as_queued_until_they_leave_the_queue(jobs: JobStore, redis: Redis, departure: str) -> None:
    first, second = a_training(), a_training()
    jobs.create(first)
    jobs.create(second)
    jobs.create(a_batch())
    assert read_counters(redis).queued == {Kind.TRAINING: 2, Kind.BATCH: 1, Kind.REPRODUCTION: 0, Kind.EVALUATION: 0}

    departures: dict[str, Callable[[], Any]] = {
        "claim": lambda: claimed(jobs, first.id),
        "cancel": lambda: jobs.cancel(first.id),
        "discard": lambda: jobs.discard(first.id),
    }
    departures[departure]()

    assert read_counters(redis).queued == {Kind.TRAINING: 1, Kind.BATCH: 1, Kind.REPRODUCTION: 0, Kind.EVALUATION: 0}
    assert jobs.waiting(Kind.TRAINING) == 1


class TestDurations:
    @pytest.mark.parametrize(
        ("seconds", "bound"), [(0.0, 1), (0.9, 1), (3.0, 5), (59.0, 60), (7000.0, 7200), (200_000.0, float("inf"))]
    )
    def test_a_job_counts_in_the_first_bucket_that_contains_its_duration(
        self, jobs: JobStore, redis: Redis, seconds: float, bound: float
    ) -> None:
        claim = running(jobs)
        redis.hset(keys.job(claim.job.id), "started_at", jobs.now() - int(seconds * 1000))

        jobs.finish(claim, State.SUCCEEDED)

        durations = read_counters(redis).durations[Kind.TRAINING]
        assert {b: count for b, count in durations.counts.items() if count} == {bound: 1}
        assert durations.total == pytest.approx(seconds, abs=0.5)

    def test_buckets_range_from_a_second_to_a_day(self) -> None:
        assert (BOUNDS[0], BOUNDS[-1]) == (1, 24 * 3600)
        assert list(BOUNDS) == sorted(BOUNDS)

    def test_a_job_that_never_ran_has_no_duration(self, jobs: JobStore, redis: Redis) -> None:
        job = a_training()
        jobs.create(job)
        jobs.cancel(job.id)

        assert sum(read_counters(redis).durations[Kind.TRAINING].counts.values()) == 0


class TestImages:
    def test_images_count_when_their_batch_ends(self, jobs: JobStore, redis: Redis) -> None:
        job = a_batch()
        jobs.create(job)

        jobs.finish(claimed(jobs, job.id), State.COMPLETED_WITH_ERRORS, result=BATCH_OF_10)

        assert read_counters(redis).images == {"succeeded": 8, "failed": 2}

    def test_a_retried_batch_counts_only_new_images(self, jobs: JobStore, redis: Redis) -> None:
        job = a_batch()
        jobs.create(job)
        jobs.finish(claimed(jobs, job.id), State.FAILED, result=BATCH_OF_10)

        jobs.retry(job.id)
        jobs.finish(claimed(jobs, job.id), State.SUCCEEDED, result=a_batch_result(succeeded=10, failed=0))

        assert read_counters(redis).images == {"succeeded": 10, "failed": 2}

    def test_a_training_counts_no_images(self, jobs: JobStore, redis: Redis) -> None:
        jobs.finish(running(jobs), State.SUCCEEDED, result=A_RESULT)

        assert read_counters(redis).images == {"succeeded": 0, "failed": 0}
