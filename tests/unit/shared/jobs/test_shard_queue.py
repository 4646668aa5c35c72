"""The ledger of a running batch's shards."""

from __future__ import annotations

import pytest
from redis import Redis

from shared.jobs import Claim, Finished, JobStore, ShardQueue, ShardQueueState, State, keys
from tests.support.objects.jobs import a_batch, claimed, move


@pytest.fixture
def shard_queue(redis: Redis) -> ShardQueue:
    return ShardQueue(redis)


@pytest.fixture
def claim(jobs: JobStore) -> Claim:
    """A batch that its lead has just claimed."""
    job = a_batch()
    jobs.create(job)
    return claimed(jobs, job.id, "the lead")


@pytest.fixture
def opened(shard_queue: ShardQueue, claim: Claim) -> Claim:
    """A batch with four shards to do."""
    assert shard_queue.open(claim, [0, 1, 2, 3])
    return claim


def lose_all(redis: Redis, claim: Claim) -> None:
    """Let the lease of every shard that is out end."""
    taken = keys.taken_shards(claim.job.id)
    for member, _ in redis.zscan_iter(taken):
        redis.zadd(taken, {member: 1})


def waits(jobs: JobStore) -> str:
    """Let another batch be queued."""
    other = a_batch()
    jobs.create(other)
    return other.id


class TestOpening:
    def test_many_shards_are_written_down_in_their_order(self, shard_queue: ShardQueue, claim: Claim) -> None:
        shards = list(range(3, 20_000))
        assert shard_queue.open(claim, shards)

        assert [shard_queue.arrive(claim, str(number)) for number in range(3)] == [3, 4, 5]
        queue_state = shard_queue.next_shard(claim)
        assert queue_state == ShardQueueState(6, open=len(shards) - 4, out=3, succeeded=0, failed=0)

    def test_a_ledger_begins_anew(self, shard_queue: ShardQueue, opened: Claim) -> None:
        shard_queue.arrive(opened, "a")
        shard_queue.exchange(opened, "a", Finished(0, 9, 1))
        shard_queue.open(opened, [7])

        assert shard_queue.next_shard(opened) == ShardQueueState(7, open=0, out=0, succeeded=0, failed=0)

    @pytest.mark.parametrize("state", [State.QUEUED, State.CANCELLING])
    def test_none_is_opened_for_an_attempt_that_is_over(
        self, shard_queue: ShardQueue, claim: Claim, jobs: JobStore, redis: Redis, state: State
    ) -> None:
        move(jobs, claim.job.id, state)

        assert not shard_queue.open(claim, [0])
        assert redis.exists(*keys.shard_keys(claim.job.id).values()) == 0


class TestTaking:
    def test_each_shard_is_given_once(self, shard_queue: ShardQueue, opened: Claim) -> None:
        next_shard = shard_queue.next_shard(opened)
        assert next_shard is not None

        assert [next_shard.shard, *(shard_queue.arrive(opened, helper) for helper in "abcd")] == [0, 1, 2, 3, None]

    def test_who_has_finished_a_shard_gets_the_next_one(self, shard_queue: ShardQueue, opened: Claim) -> None:
        shard_queue.arrive(opened, "a")

        assert shard_queue.exchange(opened, "a", Finished(0, 9, 1)) == 1
        assert shard_queue.exchange(opened, "a", Finished(1, 10, 0)) == 2
        assert shard_queue.next_shard(opened) == ShardQueueState(3, open=0, out=1, succeeded=19, failed=1)

    def test_the_lead_knows_when_none_is_left_and_none_is_out(self, shard_queue: ShardQueue, claim: Claim) -> None:
        shard_queue.open(claim, [5])
        shard_queue.arrive(claim, "a")
        assert shard_queue.next_shard(claim) == ShardQueueState(None, open=0, out=1, succeeded=0, failed=0)

        assert shard_queue.exchange(claim, "a", Finished(5, 3, 0)) is None

        assert shard_queue.next_shard(claim) == ShardQueueState(None, open=0, out=0, succeeded=3, failed=0)

    def test_an_attempt_before_gets_nothing(self, shard_queue: ShardQueue, opened: Claim, jobs: JobStore) -> None:
        move(jobs, opened.job.id, State.QUEUED)
        new = claimed(jobs, opened.job.id, "another lead")
        shard_queue.open(new, [0, 1])

        assert shard_queue.arrive(opened, "a") is None
        assert shard_queue.exchange(opened, "a", Finished(0, 9, 1)) is None
        assert shard_queue.next_shard(opened) is None
        assert shard_queue.next_shard(new) == ShardQueueState(0, open=1, out=0, succeeded=0, failed=0)

    def test_a_job_that_is_to_stop_gives_no_shard(self, shard_queue: ShardQueue, opened: Claim, jobs: JobStore) -> None:
        jobs.cancel(opened.job.id)

        assert shard_queue.arrive(opened, "a") is None
        assert shard_queue.next_shard(opened) is None

    def test_while_another_batch_waits_helpers_get_none_and_the_lead_goes_on(
        self, shard_queue: ShardQueue, opened: Claim, jobs: JobStore
    ) -> None:
        shard_queue.arrive(opened, "a")
        other = waits(jobs)

        assert shard_queue.exchange(opened, "a", Finished(0, 9, 1)) is None
        assert shard_queue.next_shard(opened) == ShardQueueState(1, open=2, out=0, succeeded=9, failed=1)
        claimed(jobs, other)
        assert shard_queue.arrive(opened, "a") == 2

    def test_a_batch_that_backs_off_waits_for_nobody(
        self, shard_queue: ShardQueue, opened: Claim, jobs: JobStore
    ) -> None:
        jobs.release(claimed(jobs, waits(jobs)), after_seconds=60)

        assert shard_queue.arrive(opened, "a") == 0


class TestLosing:
    def test_what_a_helper_lost_the_lead_does_itself(
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

    def test_a_shard_that_is_given_back_is_the_leads_at_once(self, shard_queue: ShardQueue, opened: Claim) -> None:
        shard_queue.arrive(opened, "a")
        shard_queue.release(opened, "a", 0)

        assert shard_queue.next_shard(opened) == ShardQueueState(0, open=3, out=0, succeeded=0, failed=0)

    def test_only_what_a_helper_has_can_be_given_back(self, shard_queue: ShardQueue, opened: Claim) -> None:
        shard_queue.release(opened, "a", 2)

        assert shard_queue.next_shard(opened) == ShardQueueState(0, open=3, out=0, succeeded=0, failed=0)

    def test_a_heartbeat_hears_that_the_job_is_to_stop(
        self, shard_queue: ShardQueue, opened: Claim, jobs: JobStore
    ) -> None:
        shard_queue.arrive(opened, "a")
        jobs.cancel(opened.job.id)

        assert not shard_queue.renew(opened, "a", 0)


class TestInviting:
    @pytest.fixture
    def led(self, shard_queue: ShardQueue, opened: Claim) -> Claim:
        """The lead has its first shard; three are left."""
        assert shard_queue.next_shard(opened)
        return opened

    @pytest.mark.parametrize(("processes", "invited"), [(0, 0), (1, 0), (2, 1), (3, 2), (4, 3), (50, 3)])
    def test_there_is_one_for_each_shard_left_and_each_process_but_the_leads(
        self, shard_queue: ShardQueue, led: Claim, processes: int, invited: int
    ) -> None:
        assert shard_queue.request_helpers(led, processes) == invited
        assert shard_queue.request_helpers(led, processes) == 0

    def test_a_helper_that_has_come_is_not_sent_for_again(self, shard_queue: ShardQueue, led: Claim) -> None:
        assert shard_queue.request_helpers(led, 3) == 2
        shard_queue.arrive(led, "a")

        assert shard_queue.request_helpers(led, 3) == 0

    def test_a_helper_that_was_lost_is_replaced(self, shard_queue: ShardQueue, led: Claim, redis: Redis) -> None:
        assert shard_queue.request_helpers(led, 2) == 1
        shard_queue.arrive(led, "a")
        lose_all(redis, led)
        shard_queue.next_shard(led)

        assert shard_queue.request_helpers(led, 2) == 1

    def test_an_invitation_that_was_lost_is_replaced(self, shard_queue: ShardQueue, led: Claim, redis: Redis) -> None:
        assert shard_queue.request_helpers(led, 2) == 1
        redis.zadd(keys.helper_requests(led.job.id), {"1": 1})  # its time is over

        assert shard_queue.request_helpers(led, 2) == 1

    def test_nobody_is_sent_for_while_another_batch_waits(
        self, shard_queue: ShardQueue, led: Claim, jobs: JobStore
    ) -> None:
        waits(jobs)

        assert shard_queue.request_helpers(led, 4) == 0


@pytest.mark.parametrize("end", [State.SUCCEEDED, State.FAILED, State.QUEUED])
def test_a_ledger_is_gone_when_its_attempt_is_over(
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


def test_a_ledger_goes_with_its_job(shard_queue: ShardQueue, opened: Claim, jobs: JobStore, redis: Redis) -> None:
    jobs.discard(opened.job.id)

    assert redis.keys("*") == [keys.COUNTERS]
