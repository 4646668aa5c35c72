"""The outbox of webhook deliveries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from shared.jobs import Job, JobStore, State, keys
from shared.jobs.files import JobFiles, rebuild
from shared.storage.volume import Volume
from shared.webhooks.outbox import Delivery, Outbox
from tests.support.objects.jobs import A_RESULT, a_training, claimed, events, running

URL = "https://example.org/hook"
OUTCOME = {"outcome": "delivered"}


@pytest.fixture
def outbox(redis: Redis) -> Outbox:
    return Outbox(redis)


def taken(outbox: Outbox) -> Delivery:
    (delivery,) = outbox.take(outbox.due(limit=10), seconds=60.0)
    return delivery


def finished(jobs: JobStore, state: State = State.SUCCEEDED) -> Job:
    claim = running(jobs, webhook=URL)
    assert jobs.finish(claim, state, result=A_RESULT)
    return jobs.get(claim.job.id)


def cancel_in_the_queue(jobs: JobStore) -> State:
    job = a_training(webhook=URL)
    jobs.create(job)
    return jobs.cancel(job.id)


def cancel_while_it_runs(jobs: JobStore) -> State | None:
    claim = running(jobs, webhook=URL)
    jobs.cancel(claim.job.id)
    return jobs.release(claim)


def lose_its_worker_too_often(jobs: JobStore) -> State:
    claim = running(jobs, webhook=URL)
    for _ in range(3):
        jobs._redis.zadd(keys.LEASES, {claim.job.id: 1})
        (job,) = jobs.rescue_expired()
        if not job.state.is_terminal:
            claimed(jobs, job.id)
    return jobs.get(claim.job.id).state


class TestStoringDeliveries:
    @pytest.mark.parametrize("state", [State.SUCCEEDED, State.COMPLETED_WITH_ERRORS, State.FAILED])
    def test_an_ended_job_stores_a_delivery_with_the_job_as_it_ended(
        self, jobs: JobStore, outbox: Outbox, state: State
    ) -> None:
        job = finished(jobs, state)

        delivery = taken(outbox)

        assert delivery == Delivery(f"msg_{job.id}_{job.finished_at}", job, tries=0)
        assert delivery.job.state is state

    @pytest.mark.parametrize("end", [cancel_in_the_queue, cancel_while_it_runs, lose_its_worker_too_often])
    def test_every_other_end_stores_a_delivery_too(
        self, jobs: JobStore, outbox: Outbox, end: Callable[[JobStore], State]
    ) -> None:
        state = end(jobs)

        assert taken(outbox).job.state is state

    def test_a_job_without_a_webhook_stores_no_delivery(self, jobs: JobStore, outbox: Outbox) -> None:
        jobs.finish(running(jobs), State.SUCCEEDED)

        assert outbox.count() == 0

    def test_a_requeued_job_stores_no_delivery(self, jobs: JobStore, outbox: Outbox) -> None:
        jobs.release(running(jobs, webhook=URL))

        assert outbox.count() == 0

    def test_a_retried_job_stores_a_delivery_for_each_end(self, jobs: JobStore, outbox: Outbox) -> None:
        first = finished(jobs, State.FAILED)
        jobs.retry(first.id)
        jobs.finish(claimed(jobs, first.id), State.SUCCEEDED)

        deliveries = outbox.take(outbox.due(limit=10), seconds=60.0)

        assert {delivery.job.state for delivery in deliveries} == {State.FAILED, State.SUCCEEDED}
        assert len({delivery.id for delivery in deliveries}) == 2

    def test_a_deleted_job_keeps_its_delivery(self, jobs: JobStore, outbox: Outbox, redis: Redis) -> None:
        job = finished(jobs)
        jobs.delete(job.id)

        delivery = taken(outbox)
        outbox.settle(delivery, OUTCOME)

        assert delivery.job == job
        assert not redis.exists(keys.events(job.id))  # the deleted log is not created again


class TestTakingDeliveries:
    def test_a_taken_delivery_is_not_taken_again_before_its_time_is_over(self, jobs: JobStore, outbox: Outbox) -> None:
        finished(jobs)

        assert len(outbox.take(outbox.due(limit=10), seconds=0.0)) == 1
        again = outbox.take(outbox.due(limit=10), seconds=60.0)
        assert len(again) == 1
        assert outbox.take(outbox.due(limit=10), seconds=60.0) == []

    def test_no_more_deliveries_are_taken_than_the_limit(self, jobs: JobStore, outbox: Outbox) -> None:
        for _ in range(3):
            finished(jobs)

        assert [len(outbox.take(outbox.due(limit=2), seconds=60.0)) for _ in range(3)] == [2, 1, 0]

    def test_a_settled_delivery_is_deleted_and_logged(self, jobs: JobStore, outbox: Outbox, redis: Redis) -> None:
        job = finished(jobs)
        delivery = taken(outbox)

        outbox.settle(delivery, OUTCOME)

        assert outbox.count() == 0
        assert redis.zcard(keys.DELIVERIES_DUE) == 0
        assert events(redis, job.id)[-1] == ("webhook", {"notice": delivery.id, **OUTCOME})

    def test_a_postponed_delivery_is_due_again_with_its_tries_counted(self, jobs: JobStore, outbox: Outbox) -> None:
        finished(jobs)
        first = taken(outbox)

        outbox.postpone(first, 0.0, {"outcome": "failed"})
        second = taken(outbox)
        outbox.postpone(second, 3600.0, {"outcome": "failed"})

        assert (second.id, second.job, second.tries) == (first.id, first.job, 1)
        assert outbox.take(outbox.due(limit=10), seconds=60.0) == []
        assert outbox.count() == 1

    def test_a_late_dispatcher_changes_nothing(self, jobs: JobStore, outbox: Outbox, redis: Redis) -> None:
        job = finished(jobs)
        delivery = taken(outbox)
        outbox.settle(delivery, OUTCOME)
        log = events(redis, job.id)

        outbox.postpone(delivery, 0.0, {"outcome": "failed"})
        outbox.settle(delivery, OUTCOME)

        assert outbox.count() == 0
        assert events(redis, job.id) == log

    def test_a_delivery_keeps_all_kinds_of_texts(self, jobs: JobStore, outbox: Outbox) -> None:
        request: dict[str, Any] = {"labels": {"ключ": '"é"\n\\/'}, "none": [], "empty": {}, "deep": [[1.5, None]]}
        claim = running(jobs, webhook=URL, request=request)
        jobs.finish(claim, State.FAILED, error={"code": "x", "detail": "ü ∑"})

        outbox.postpone(taken(outbox), 0.0, OUTCOME)

        assert taken(outbox).job == jobs.get(claim.job.id)

    def test_a_receiver_that_answered_gone_is_marked_for_a_day(self, outbox: Outbox, redis: Redis) -> None:
        assert not outbox.is_gone(URL)
        outbox.mark_gone(URL)

        assert outbox.is_gone(URL)
        assert not outbox.is_gone(URL + "/other")
        (key,) = redis.keys(keys.gone("*"))
        assert 0 < redis.ttl(key) <= 24 * 3600


class TestAfterRedisLostItsData:
    @pytest.fixture
    def files(self, volume: Volume) -> JobFiles:
        return JobFiles(volume)

    @pytest.fixture
    def ended(self, jobs: JobStore, files: JobFiles) -> Job:
        """A job whose end is on the volume."""
        job = a_training(webhook=URL)
        files.begin(job)
        jobs.create(job)
        jobs.finish(claimed(jobs, job.id), State.SUCCEEDED)
        job = jobs.get(job.id)
        files.end(job)
        return job

    def test_an_unsettled_delivery_is_rebuilt_under_the_same_id(
        self, ended: Job, jobs: JobStore, files: JobFiles, outbox: Outbox, redis: Redis
    ) -> None:
        before = taken(outbox)
        redis.flushdb()

        rebuild(jobs, files)

        assert taken(outbox) == before
        assert before.job == ended

    def test_a_settled_delivery_is_not_rebuilt(
        self, ended: Job, jobs: JobStore, files: JobFiles, outbox: Outbox, redis: Redis
    ) -> None:
        files.settle(ended, taken(outbox).id)
        redis.flushdb()

        rebuild(jobs, files)

        assert outbox.count() == 0

    def test_an_end_after_a_settled_one_is_delivered(
        self, ended: Job, jobs: JobStore, files: JobFiles, outbox: Outbox, redis: Redis
    ) -> None:
        files.settle(ended.model_copy(update={"finished_at": 1}), "msg_of_an_earlier_end")
        redis.flushdb()

        rebuild(jobs, files)

        assert taken(outbox).job.id == ended.id

    def test_a_queued_job_has_no_delivery(self, jobs: JobStore, files: JobFiles, outbox: Outbox) -> None:
        files.begin(a_training(webhook=URL))

        rebuild(jobs, files)

        assert outbox.count() == 0

    def test_settling_does_not_recreate_a_deleted_job(self, ended: Job, files: JobFiles) -> None:
        files.remove(ended.id)

        files.settle(ended, "msg")

        assert not files.has(ended.id)
        assert list(files) == []


def test_due_id_without_a_delivery_is_removed_and_blocks_no_other(redis: Redis, jobs: JobStore, outbox: Outbox) -> None:
    job = finished(jobs)
    redis.zadd(keys.DELIVERIES_DUE, {"orphan": 0})

    assert taken(outbox).job.id == job.id
    assert redis.zscore(keys.DELIVERIES_DUE, "orphan") is None
