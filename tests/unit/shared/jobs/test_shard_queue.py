"""The shard queue of a running batch."""

from __future__ import annotations

import pytest
from redis import Redis

from shared.jobs import Claim, Finished, JobStore, Kind, ShardQueue, ShardQueueState, State, keys
from tests.support.objects.jobs import a_batch, claimed, move


@pytest.fixture
def shard_queue(redis: Redis) -> ShardQueue:
    return ShardQueue(redis)


@pytest.fixture
def claim(jobs: JobStore) -> Claim:
    """A batch that its coordinator has just claimed."""
    job = a_batch()
    jobs.create(job)
    return claimed(jobs, job.id, "the coordinator")


@pytest.fixture
def opened(shard_queue: ShardQueue, claim: Claim) -> Claim:
    """A batch with four open shards."""
    assert shard_queue.open(claim, [0, 1, 2, 3])
    return claim


def lose_all(redis: Redis, claim: Claim) -> None:
    """Let the leases of all taken shards expire."""
    taken = keys.taken_shards(claim.job.id)
    for member, _ in redis.zscan_iter(taken):
        redis.zadd(taken, {member: 1})


def queue_another(jobs: JobStore, kind: Kind = Kind.BATCH) -> str:
    """Queue another batch, or an evaluation."""
    other = a_batch(kind=kind)
    jobs.create(other)
    return other.id


class TestOpening:
    def test_many_shards_are_queued_in_order(self, shard_queue: ShardQueue, claim: Claim) -> None:
        shards = list(range(3, 20_000))
        assert shard_queue.open(claim, shards)

        assert [shard_queue.arrive(claim, str(number)) for number in range(3)] == [3, 4, 5]
        queue_state = shard_queue.next_shard(claim)
        assert queue_state == ShardQueueState(6, open=len(shards) - 4, out=3, succeeded=0, failed=0)

    def test_an_opened_queue_replaces_the_earlier_content(self, shard_queue: ShardQueue, opened: Claim) -> None:
        shard_queue.arrive(opened, "a")
        shard_queue.exchange(opened, "a", Finished(0, 9, 1))
        shard_queue.open(opened, [7])

        assert shard_queue.next_shard(opened) == ShardQueueState(7, open=0, out=0, succeeded=0, failed=0)

    @pytest.mark.parametrize("state", [State.QUEUED, State.CANCELLING])
    def test_a_queue_is_not_opened_for_an_attempt_that_is_over(
        self, shard_queue: ShardQueue, claim: Claim, jobs: JobStore, redis: Redis, state: State
    ) -> None:
        move(jobs, claim.job.id, state)

        assert not shard_queue.open(claim, [0])
        assert redis.exists(*keys.shard_keys(claim.job.id).values()) == 0


class TestTaking:
    def test_each_shard_is_returned_once(self, shard_queue: ShardQueue, opened: Claim) -> None:
        next_shard = shard_queue.next_shard(opened)
        assert next_shard is not None

        assert [next_shard.shard, *(shard_queue.arrive(opened, helper) for helper in "abcd")] == [0, 1, 2, 3, None]

    def test_a_helper_that_finished_a_shard_gets_the_next_one(self, shard_queue: ShardQueue, opened: Claim) -> None:
        shard_queue.arrive(opened, "a")

        assert shard_queue.exchange(opened, "a", Finished(0, 9, 1)) == 1
        assert shard_queue.exchange(opened, "a", Finished(1, 10, 0)) == 2
        assert shard_queue.next_shard(opened) == ShardQueueState(3, open=0, out=1, succeeded=19, failed=1)

    def test_the_coordinator_sees_when_no_shard_is_open_and_none_is_taken(
        self, shard_queue: ShardQueue, claim: Claim
    ) -> None:
        shard_queue.open(claim, [5])
        shard_queue.arrive(claim, "a")
        assert shard_queue.next_shard(claim) == ShardQueueState(None, open=0, out=1, succeeded=0, failed=0)

        assert shard_queue.exchange(claim, "a", Finished(5, 3, 0)) is None

        assert shard_queue.next_shard(claim) == ShardQueueState(None, open=0, out=0, succeeded=3, failed=0)

    def test_an_earlier_attempt_gets_no_shard(self, shard_queue: ShardQueue, opened: Claim, jobs: JobStore) -> None:
        move(jobs, opened.job.id, State.QUEUED)
        new = claimed(jobs, opened.job.id, "another coordinator")
        shard_queue.open(new, [0, 1])

        assert shard_queue.arrive(opened, "a") is None
        assert shard_queue.exchange(opened, "a", Finished(0, 9, 1)) is None
        assert shard_queue.next_shard(opened) is None
        assert shard_queue.next_shard(new) == ShardQueueState(0, open=1, out=0, succeeded=0, failed=0)

    def test_a_cancelled_job_returns_no_shard(self, shard_queue: ShardQueue, opened: Claim, jobs: JobStore) -> None:
        jobs.cancel(opened.job.id)

        assert shard_queue.arrive(opened, "a") is None
        assert shard_queue.next_shard(opened) is None

    @pytest.mark.parametrize("kind", [Kind.BATCH, Kind.EVALUATION])
    def test_helpers_get_no_shard_while_another_job_waits_and_the_coordinator_continues(
        self, shard_queue: ShardQueue, opened: Claim, jobs: JobStore, kind: Kind
    ) -> None:
        shard_queue.arrive(opened, "a")
        other = queue_another(jobs, kind)

        assert shard_queue.exchange(opened, "a", Finished(0, 9, 1)) is None
        assert shard_queue.next_shard(opened) == ShardQueueState(1, open=2, out=0, succeeded=9, failed=1)
        claimed(jobs, other)
        assert shard_queue.arrive(opened, "a") == 2

    def test_a_batch_that_backs_off_does_not_stop_the_helpers(
        self, shard_queue: ShardQueue, opened: Claim, jobs: JobStore
    ) -> None:
        jobs.release(claimed(jobs, queue_another(jobs)), after_seconds=60)

        assert shard_queue.arrive(opened, "a") == 0


class TestLosing:
    def test_a_shard_that_a_helper_lost_goes_to_the_coordinator(
        self, shard_queue: ShardQueue, opened: Claim, redis: Redis
    ) -> None:
        shard_queue.arrive(opened, "a")
        lose_all(redis, opened)

        assert shard_queue.arrive(opened, "b") == 1
        assert shard_queue.next_shard(opened) == ShardQueueState(0, open=2, out=1, succeeded=0, failed=0)

    def test_a_heartbeat_keeps_a_shard(self, shard_queue: ShardQueue, opened: Claim, redis: Redis) -> None:
        shard_queue.arrive(opened, "a")
        lose_all(redis, opened)

        assert shard_queue.renew(opened, "a", 0)
        assert shard_queue.next_shard(opened) == ShardQueueState(1, open=2, out=1, succeeded=0, failed=0)

    def test_a_lost_shard_is_neither_renewed_nor_counted(
        self, shard_queue: ShardQueue, opened: Claim, redis: Redis
    ) -> None:
        shard_queue.arrive(opened, "a")
        lose_all(redis, opened)
        shard_queue.next_shard(opened)

        assert not shard_queue.renew(opened, "a", 0)
        assert shard_queue.exchange(opened, "a", Finished(0, 9, 1)) == 1
        assert shard_queue.next_shard(opened) == ShardQueueState(2, open=1, out=1, succeeded=0, failed=0)

    def test_a_released_shard_goes_to_the_coordinator_at_once(self, shard_queue: ShardQueue, opened: Claim) -> None:
        shard_queue.arrive(opened, "a")
        shard_queue.release(opened, "a", 0)

        assert shard_queue.next_shard(opened) == ShardQueueState(0, open=3, out=0, succeeded=0, failed=0)

    def test_only_a_shard_that_the_helper_holds_can_be_released(self, shard_queue: ShardQueue, opened: Claim) -> None:
        shard_queue.release(opened, "a", 2)

        assert shard_queue.next_shard(opened) == ShardQueueState(0, open=3, out=0, succeeded=0, failed=0)

    def test_a_heartbeat_of_a_cancelled_job_fails(self, shard_queue: ShardQueue, opened: Claim, jobs: JobStore) -> None:
        shard_queue.arrive(opened, "a")
        jobs.cancel(opened.job.id)

        assert not shard_queue.renew(opened, "a", 0)


class TestRequestingHelpers:
    @pytest.fixture
    def started(self, shard_queue: ShardQueue, opened: Claim) -> Claim:
        """The coordinator has its first shard; three are left."""
        assert shard_queue.next_shard(opened)
        return opened

    @pytest.mark.parametrize(("processes", "requested"), [(0, 0), (1, 0), (2, 1), (3, 2), (4, 3), (50, 3)])
    def test_one_helper_is_requested_for_each_shard_and_process_but_the_coordinators(
        self, shard_queue: ShardQueue, started: Claim, processes: int, requested: int
    ) -> None:
        assert shard_queue.request_helpers(started, processes) == requested
        assert shard_queue.request_helpers(started, processes) == 0

    def test_a_helper_that_arrived_is_not_requested_again(self, shard_queue: ShardQueue, started: Claim) -> None:
        assert shard_queue.request_helpers(started, 3) == 2
        shard_queue.arrive(started, "a")

        assert shard_queue.request_helpers(started, 3) == 0

    def test_a_lost_helper_is_replaced(self, shard_queue: ShardQueue, started: Claim, redis: Redis) -> None:
        assert shard_queue.request_helpers(started, 2) == 1
        shard_queue.arrive(started, "a")
        lose_all(redis, started)
        shard_queue.next_shard(started)

        assert shard_queue.request_helpers(started, 2) == 1

    def test_a_lost_request_is_replaced(self, shard_queue: ShardQueue, started: Claim, redis: Redis) -> None:
        assert shard_queue.request_helpers(started, 2) == 1
        redis.zadd(keys.helper_requests(started.job.id), {"1": 1})  # the request has expired

        assert shard_queue.request_helpers(started, 2) == 1

    def test_no_helper_is_requested_while_another_batch_waits(
        self, shard_queue: ShardQueue, started: Claim, jobs: JobStore
    ) -> None:
        queue_another(jobs)

        assert shard_queue.request_helpers(started, 4) == 0


@pytest.mark.parametrize("end", [State.SUCCEEDED, State.FAILED, State.QUEUED])
def test_a_shard_queue_is_deleted_when_its_attempt_is_over(
    shard_queue: ShardQueue, opened: Claim, jobs: JobStore, redis: Redis, end: State
) -> None:
    assert shard_queue.next_shard(opened)
    shard_queue.request_helpers(opened, 3)
    shard_queue.arrive(opened, "a")
    assert redis.exists(*keys.shard_keys(opened.job.id).values()) == 4

    if end is State.QUEUED:
        jobs.release(opened)
    else:
        jobs.finish(opened, end)

    assert redis.exists(*keys.shard_keys(opened.job.id).values()) == 0


def test_a_shard_queue_is_deleted_with_its_job(
    shard_queue: ShardQueue, opened: Claim, jobs: JobStore, redis: Redis
) -> None:
    jobs.discard(opened.job.id)

    assert set(redis.keys("*")) == {keys.COUNTERS, keys.ALL_EVENTS}
