"""Existing jobs go on while the memory of Redis is full; new ones are refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from redis import Redis

from shared.jobs import Blocked, Claim, Finished, JobStore, Progress, Pulse, ShardQueue, State, keys
from shared.runtime.redis_faults import FULL, fault_of
from shared.webhooks.outbox import Outbox
from tests.support.objects.jobs import A_RESULT, a_batch, a_training, claimed, running
from tests.support.servers.redis_server import RedisServer


@pytest.fixture
def redis(own_redis_server: RedisServer) -> Iterator[Redis]:
    with own_redis_server.client() as redis:
        yield redis


@pytest.fixture
def jobs(redis: Redis) -> JobStore:
    return JobStore(redis)


@pytest.fixture
def fill(redis: Redis, jobs: JobStore) -> Callable[[], None]:
    """Return a function that leaves no free memory in Redis."""

    def fill() -> None:
        redis.config_set("maxmemory", 1)
        with pytest.raises(Exception, match="maxmemory") as refused:
            jobs.check_writable()
        assert fault_of(refused.value) is FULL

    return fill


def test_queued_job_is_claimed_and_ends(redis: Redis, jobs: JobStore, fill: Callable[[], None]) -> None:
    job = a_training(webhook="https://receiver.example/")
    jobs.create(job)
    fill()

    claim = claimed(jobs, job.id)
    assert jobs.renew(claim, Progress(done=1, total=2, unit="epochs"), {"epoch": 1}, "epoch") is Pulse.HELD
    assert jobs.finish(claim, State.SUCCEEDED, result=A_RESULT)

    ended = jobs.get(job.id)
    assert (ended.state, ended.result) == (State.SUCCEEDED, A_RESULT)
    assert [event.type for event in jobs.events(job.id)] == ["state", "state", "epoch", "state"]
    assert redis.zcard(keys.LEASES) == 0


def test_running_job_is_released_and_claimed_again(jobs: JobStore, fill: Callable[[], None]) -> None:
    claim = running(jobs)
    fill()

    assert jobs.release(claim, blocked=Blocked("volume_full", "full", 1)) is State.QUEUED
    jobs.wake(2)

    assert claimed(jobs, claim.job.id).job.attempt == 2


def test_job_of_a_lost_worker_is_requeued(redis: Redis, jobs: JobStore, fill: Callable[[], None]) -> None:
    claim = running(jobs)
    redis.zadd(keys.LEASES, {claim.job.id: 0})
    fill()

    assert jobs.note_memory_kill(claim.job.id, "a worker", "killed", "use less")
    assert [job.state for job in jobs.rescue_expired()] == [State.QUEUED]


def test_queued_job_is_cancelled_and_deleted(redis: Redis, jobs: JobStore, fill: Callable[[], None]) -> None:
    job = a_training()
    jobs.create(job)
    fill()

    assert jobs.cancel(job.id) is State.CANCELLED
    jobs.delete(job.id)

    assert list(jobs.newest_first()) == []
    assert redis.exists(keys.job(job.id), keys.events(job.id)) == 0


def test_running_job_is_cancelled(jobs: JobStore, fill: Callable[[], None]) -> None:
    claim = running(jobs)
    fill()

    assert jobs.cancel(claim.job.id) is State.CANCELLING
    assert jobs.renew(claim) is Pulse.CANCEL
    assert jobs.finish(claim, State.CANCELLED)


def test_shards_of_a_batch_are_shared(redis: Redis, jobs: JobStore, fill: Callable[[], None]) -> None:
    job = a_batch()
    jobs.create(job)
    claim: Claim = claimed(jobs, job.id)
    shard_queue = ShardQueue(redis)
    fill()

    assert shard_queue.open(claim, range(4))
    assert shard_queue.request_helpers(claim, processes=2) == 1
    assert shard_queue.arrive(claim, "a helper") == 0
    assert shard_queue.renew(claim, "a helper", 0)
    assert shard_queue.exchange(claim, "a helper", Finished(0, 9, 1)) == 1
    shard_queue.release(claim, "a helper", 1)
    state = shard_queue.next_shard(claim)

    assert state is not None
    assert (state.shard, state.succeeded, state.failed) == (1, 9, 1)


def test_webhooks_are_delivered(redis: Redis, jobs: JobStore, fill: Callable[[], None]) -> None:
    for _ in range(2):
        jobs.finish(running(jobs, webhook="https://receiver.example/"), State.SUCCEEDED)
    outbox = Outbox(redis)
    fill()

    first, second = outbox.take(outbox.due(2), 60.0)
    outbox.postpone(first, 10.0, {"outcome": "failed"})
    outbox.settle(second, {"outcome": "delivered"})

    assert outbox.count() == 1


def test_new_jobs_and_retries_are_refused(jobs: JobStore, fill: Callable[[], None]) -> None:
    ended = running(jobs)
    jobs.finish(ended, State.FAILED)
    fill()

    with pytest.raises(Exception, match="maxmemory") as creation:
        jobs.create(a_training())
    with pytest.raises(Exception, match="maxmemory") as retry:
        jobs.retry(ended.job.id)

    assert fault_of(creation.value) is fault_of(retry.value) is FULL
    assert [job.state for job in jobs.newest_first()] == [State.FAILED]
