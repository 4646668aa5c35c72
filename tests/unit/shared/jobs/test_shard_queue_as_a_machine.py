"""Whatever leads and helpers do, die of and do too late, a batch ends when its shards are done, and not before."""

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
    """One batch, its lead, and three helpers, each of which knows an attempt, perhaps one that is over."""

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
        self.lost: set[str] = set()  # the helpers whose lease has ended, which they do not know
        self.others: list[str] = []

    @initialize(shards=st.integers(1, 6))
    def submit(self, shards: int) -> None:
        self.shards = set(range(shards))
        self.store.create(self.job)

    @property
    def state(self) -> State:
        return self.store.get("job").state

    @property
    def out(self) -> dict[str, int]:
        """The shards that helpers hold in time, under the attempt that runs."""
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
        """A worker claims the job and opens the ledger with what the volume lacks."""
        claim = claimed(self.store, "job", f"lead {len(self.attempts)}")
        assert self.shard_queue.open(claim, sorted(self.shards - self.on_the_volume))
        self.attempts.append(claim)
        self.counted = 0

    @precondition(lambda self: self.state is State.RUNNING)
    @rule(dies=st.sampled_from([False, False, False, True]))
    def next_shard(self, dies: bool) -> None:
        """The lead takes a shard, and does it, dies of it, or ends the job because there is none."""
        out = self.out
        lost = self.out_of_time()
        queue_state = self.shard_queue.next_shard(self.attempts[-1])
        assert queue_state is not None
        assert queue_state.succeeded == self.counted
        if queue_state.shard is None:
            assert queue_state.out == len(out)
            if not out:
                assert self.on_the_volume == self.shards
                self.store.finish(self.attempts[-1], State.SUCCEEDED)
            return
        assert queue_state.shard not in out.values()
        assert not lost or queue_state.shard in lost
        if dies:
            self.lead_dies()
        else:
            self.on_the_volume.add(queue_state.shard)

    def out_of_time(self) -> set[int]:
        """The shards whose helper's lease has ended, as the ledger has them."""
        found: Any = self.redis.zrangebyscore(keys.taken_shards("job"), "-inf", self.store.now())
        return {int(member.split("@")[0]) for member in found}

    @precondition(lambda self: self.state is State.RUNNING)
    @rule()
    def lead_dies(self) -> None:
        self.redis.zadd(keys.LEASES, {"job": 1})
        self.store.rescue_expired()

    @precondition(lambda self: self.attempts)
    @rule(helper=HELPERS, data=st.data())
    def arrive(self, helper: str, data: st.DataObject) -> None:
        """A helper that has nothing to do hears of an attempt, late perhaps."""
        if helper in self.holds:
            return
        claim = data.draw(st.sampled_from(self.attempts))
        self.take(helper, claim, self.shard_queue.arrive(claim, helper))

    @rule(helper=HELPERS)
    def finish(self, helper: str) -> None:
        """A helper writes its shard and takes the next; it may have lost its lease and not know."""
        if helper not in self.holds:
            return
        in_time = helper in self.out
        claim, shard = self.holds.pop(helper)
        self.lost.discard(helper)
        self.on_the_volume.add(shard)
        if in_time:
            self.counted += IMAGES
        self.take(helper, claim, self.shard_queue.exchange(claim, helper, Finished(shard, IMAGES, 0)))

    def take(self, helper: str, claim: Claim, shard: int | None) -> None:
        """Check what a helper was given, and let it have it."""
        if shard is None:
            return
        assert (claim, self.state) == (self.attempts[-1], State.RUNNING)
        assert not self.others
        assert shard not in self.out.values()
        self.holds[helper] = claim, shard

    @rule(helper=HELPERS)
    def release(self, helper: str) -> None:
        if helper in self.holds:
            claim, shard = self.holds.pop(helper)
            self.lost.discard(helper)
            self.shard_queue.release(claim, helper, shard)

    @rule(helper=HELPERS, dies=st.booleans())
    def expire(self, helper: str, dies: bool) -> None:
        """A helper's lease ends, because it died, or sleeps and will write when it wakes."""
        if helper in self.out:
            _, shard = self.holds[helper]
            self.redis.zadd(keys.taken_shards("job"), {f"{shard}@{helper}": 1}, xx=True)
            self.lost.add(helper)
        if dies:
            self.holds.pop(helper, None)
            self.lost.discard(helper)

    @rule(helper=HELPERS)
    def heartbeat(self, helper: str) -> None:
        if helper in self.out or helper not in self.holds:
            return
        claim, shard = self.holds[helper]
        if self.shard_queue.renew(claim, helper, shard):  # nobody had taken it over yet
            self.lost.discard(helper)

    @rule()
    def another_batch_waits(self) -> None:
        job = a_batch()
        self.store.create(job)
        self.others.append(job.id)

    @rule()
    def the_other_begins(self) -> None:
        if self.others:
            claimed(self.store, self.others.pop())

    @rule(processes=st.integers(0, 5))
    def request_helpers(self, processes: int) -> None:
        if self.attempts:
            count = self.shard_queue.request_helpers(self.attempts[-1], processes)
            assert count == 0 or (not self.others and self.state is State.RUNNING and count < processes)

    @invariant()
    def a_batch_that_is_over_is_done(self) -> None:
        if self.state.is_terminal:
            assert self.on_the_volume == self.shards
        if self.state is not State.RUNNING:
            assert self.redis.exists(*keys.shard_keys("job").values()) == 0

    def teardown(self) -> None:
        """Whatever has happened: with one process that lives, the batch comes to its end."""
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


def test_whoever_dies_the_batch_ends_when_each_shard_is_done(batch: type[Batch]) -> None:
    run_state_machine_as_test(batch, settings=settings(max_examples=60, stateful_step_count=40))
