"""A batch ends exactly when its shards are done, whatever its coordinators and helpers do, even late or dying."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from shared.jobs import Claim, Finished, JobStore, ShardQueue, State, keys
from tests.support.objects.jobs import a_batch, claimed

HELPERS = st.sampled_from(["a", "b", "c"])
IMAGES = 10  # of each shard


class Batch(RuleBasedStateMachine):
    """One batch, its coordinator, and three helpers, each with an attempt that may be over."""

    redis: Redis

    def __init__(self) -> None:
        super().__init__()
        self.redis.flushdb()
        self.store = JobStore(self.redis, max_crashes=1000)
        self.shard_queue = ShardQueue(self.redis)
        self.job = a_batch(id="job")
        self.attempts: list[Claim] = []
        self.on_the_volume: set[int] = set()
        self.counted = 0  # images that this attempt's helpers have reported in time
        self.holds: dict[str, tuple[Claim, int]] = {}  # what each helper works on, in time or not
        self.lost: set[str] = set()  # the helpers whose lease has expired; they have not detected it
        self.others: list[str] = []

    @initialize(shards=st.integers(1, 6))
    def submit(self, shards: int) -> None:
        self.shards = set(range(shards))
        self.store.create(self.job)

    @property
    def state(self) -> State:
        return self.store.get("job").state

    @property
    def held_in_time(self) -> dict[str, int]:
        """The shards that helpers hold under a valid lease of the current attempt."""
        if self.state is not State.RUNNING:
            return {}
        return {
            helper: shard
            for helper, (claim, shard) in self.holds.items()
            if claim is self.attempts[-1] and helper not in self.lost
        }

    @precondition(lambda self: self.state is State.QUEUED)
    @rule()
    def begin(self) -> None:
        """A worker claims the job and opens the queue with the shards that the volume lacks."""
        claim = claimed(self.store, "job", f"coordinator {len(self.attempts)}")
        assert self.shard_queue.open(claim, sorted(self.shards - self.on_the_volume))
        self.attempts.append(claim)
        self.counted = 0

    @precondition(lambda self: self.state is State.RUNNING)
    @rule(dies=st.sampled_from([False, False, False, True]))
    def next_shard(self, dies: bool) -> None:
        """The coordinator takes a shard; then it finishes it, dies, or ends the job because no shard is left."""
        held_in_time = self.held_in_time
        lost = self.expired_shards()
        queue_state = self.shard_queue.next_shard(self.attempts[-1])
        assert queue_state is not None
        assert queue_state.succeeded == self.counted
        if queue_state.shard is None:
            assert queue_state.out == len(held_in_time)
            if not held_in_time:
                assert self.on_the_volume == self.shards
                self.store.finish(self.attempts[-1], State.SUCCEEDED)
            return
        assert queue_state.shard not in held_in_time.values()
        assert not lost or queue_state.shard in lost
        if dies:
            self.coordinator_dies()
        else:
            self.on_the_volume.add(queue_state.shard)

    def expired_shards(self) -> set[int]:
        """The shards in the queue whose helper's lease has expired."""
        found: Any = self.redis.zrangebyscore(keys.taken_shards("job"), "-inf", self.store.now())
        return {int(member.split("@")[0]) for member in found}

    @precondition(lambda self: self.state is State.RUNNING)
    @rule()
    def coordinator_dies(self) -> None:
        self.redis.zadd(keys.LEASES, {"job": 1})
        self.store.rescue_expired()

    @precondition(lambda self: self.attempts)
    @rule(helper=HELPERS, data=st.data())
    def arrive(self, helper: str, data: st.DataObject) -> None:
        """An idle helper receives the request of an attempt, which may be over."""
        if helper in self.holds:
            return
        claim = data.draw(st.sampled_from(self.attempts))
        self.take(helper, claim, self.shard_queue.arrive(claim, helper))

    @rule(helper=HELPERS)
    def finish(self, helper: str) -> None:
        """A helper writes its shard and takes the next one, even if it has lost its lease."""
        if helper not in self.holds:
            return
        in_time = helper in self.held_in_time
        claim, shard = self.holds.pop(helper)
        self.lost.discard(helper)
        self.on_the_volume.add(shard)
        if in_time:
            self.counted += IMAGES
        self.take(helper, claim, self.shard_queue.exchange(claim, helper, Finished(shard, IMAGES, 0)))

    def take(self, helper: str, claim: Claim, shard: int | None) -> None:
        """Check the shard that a helper received, and store that the helper holds it."""
        if shard is None:
            return
        assert (claim, self.state) == (self.attempts[-1], State.RUNNING)
        assert not self.others
        assert shard not in self.held_in_time.values()
        self.holds[helper] = claim, shard

    @rule(helper=HELPERS)
    def release(self, helper: str) -> None:
        if helper in self.holds:
            claim, shard = self.holds.pop(helper)
            self.lost.discard(helper)
            self.shard_queue.release(claim, helper, shard)

    @rule(helper=HELPERS, dies=st.booleans())
    def expire(self, helper: str, dies: bool) -> None:
        """A helper's lease expires, because the helper died, or is suspended and will write later."""
        if helper in self.held_in_time:
            _, shard = self.holds[helper]
            self.redis.zadd(keys.taken_shards("job"), {f"{shard}@{helper}": 1}, xx=True)
            self.lost.add(helper)
        if dies:
            self.holds.pop(helper, None)
            self.lost.discard(helper)

    @rule(helper=HELPERS)
    def heartbeat(self, helper: str) -> None:
        if helper in self.held_in_time or helper not in self.holds:
            return
        claim, shard = self.holds[helper]
        if self.shard_queue.renew(claim, helper, shard):  # the coordinator had not taken the shard over yet
            self.lost.discard(helper)

    @rule()
    def another_batch_waits(self) -> None:
        job = a_batch()
        self.store.create(job)
        self.others.append(job.id)

    @rule()
    def other_batch_begins(self) -> None:
        if self.others:
            claimed(self.store, self.others.pop())

    @rule(processes=st.integers(0, 5))
    def request_helpers(self, processes: int) -> None:
        if self.attempts:
            count = self.shard_queue.request_helpers(self.attempts[-1], processes)
            assert count == 0 or (not self.others and self.state is State.RUNNING and count < processes)

    @invariant()
    def an_ended_batch_is_complete(self) -> None:
        if self.state.is_terminal:
            assert self.on_the_volume == self.shards
        if self.state is not State.RUNNING:
            assert self.redis.exists(*keys.shard_keys("job").values()) == 0

    def teardown(self) -> None:
        """Check that the batch ends if one process stays alive, whatever happened before."""
        if not self.attempts and self.state is not State.QUEUED:
            return
        for helper in ("a", "b", "c"):
            self.expire(helper, dies=True)
        for _ in range(20):
            if self.state is State.QUEUED:
                self.begin()
            if self.state is State.RUNNING:
                self.next_shard(dies=False)
        assert self.state is State.SUCCEEDED


@pytest.fixture
def batch(redis: Redis) -> Iterator[type[Batch]]:
    Batch.redis = redis
    yield Batch
    del Batch.redis


def test_a_batch_ends_when_each_shard_is_done_whichever_process_dies(batch: type[Batch]) -> None:
    run_state_machine_as_test(batch, settings=settings(max_examples=60, stateful_step_count=40))
