"""The order in which queued jobs start, and when a running batch leaves its process to one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, cast

import pytest
from redis import Redis

from shared.jobs import Claim, Finished, Job, JobStore, Kind, ShardQueue, State, keys
from tests.support.objects.jobs import a_batch, a_training, claimed, events


@pytest.fixture
def submit(jobs: JobStore) -> Callable[..., Job]:
    """Create a queued batch of an API key."""

    def submit(key: str | None = None, make: Callable[..., Job] = a_batch, **fields: Any) -> Job:
        job = make(key=key, **fields)
        jobs.create(job)
        return job

    return submit


@pytest.fixture
def shard_queue(redis: Redis) -> ShardQueue:
    return ShardQueue(redis)


def next_claim(jobs: JobStore, job: Job) -> Claim:
    """Claim what a process runs that receives the job's message."""
    claim = jobs.claim_next(job.id, "a worker")
    assert claim is not None
    return claim


def work(redis: Redis, claim: Claim, seconds: float) -> None:
    """Let the claimed job use its process for some time, without waiting."""
    redis.hincrby(keys.job(claim.job.id), "charged_at", -int(1000 * seconds))


def has_waited(redis: Redis, job: Job) -> None:
    """Let the queued job have waited for a second, so that no idle process is about to claim it."""
    redis.zincrby(keys.WAITING, -1000, job.id)


class TestStarting:
    def test_interactive_jobs_start_before_the_others(self, jobs: JobStore, submit: Callable[..., Job]) -> None:
        first, second = submit(), submit(priority="interactive")

        assert [next_claim(jobs, first).job.id for _ in range(2)] == [second.id, first.id]

    def test_one_batch_starts_after_nine_interactive_jobs_in_a_row(
        self, jobs: JobStore, submit: Callable[..., Job]
    ) -> None:
        batch = submit()
        for _ in range(12):
            submit(priority="interactive")

        started = [next_claim(jobs, batch).job.priority for _ in range(12)]

        assert started == [*9 * ["interactive"], "batch", *2 * ["interactive"]]

    def test_jobs_of_one_key_and_priority_start_in_their_order(
        self, jobs: JobStore, submit: Callable[..., Job]
    ) -> None:
        submitted = [submit("a", a_training) for _ in range(4)]

        assert [next_claim(jobs, submitted[-1]).job.id for _ in range(4)] == [job.id for job in submitted]

    def test_a_key_with_many_trainings_does_not_delay_anothers_only_one(
        self, jobs: JobStore, redis: Redis, submit: Callable[..., Job]
    ) -> None:
        many = [submit("a", a_training) for _ in range(3)]
        running = next_claim(jobs, many[0])
        one = submit("b", a_training)
        work(redis, running, 60)
        jobs.finish(running, State.SUCCEEDED)

        assert next_claim(jobs, many[1]).job.id == one.id

    def test_keys_that_always_have_jobs_get_equal_time(
        self, jobs: JobStore, redis: Redis, submit: Callable[..., Job]
    ) -> None:
        """The trainings of one key are three times as long, so the other starts three times as many."""
        seconds = {"a": 3, "b": 1}
        used: Counter[str] = Counter()
        first, *_ = [submit(each, a_training) for each in seconds for _ in range(2)]
        for _ in range(24):
            claim = next_claim(jobs, first)
            key = claim.job.key
            assert key is not None
            work(redis, claim, seconds[key])
            jobs.finish(claim, State.SUCCEEDED)
            used[key] += seconds[key]
            submit(key, a_training)

        assert abs(used["a"] - used["b"]) <= 4

    def test_a_key_saves_up_no_share_while_it_has_no_jobs(
        self, jobs: JobStore, redis: Redis, submit: Callable[..., Job]
    ) -> None:
        for _ in range(3):
            submit("a", a_training)
            claim = next_claim(jobs, submit("a", a_training))
            work(redis, claim, 1000)
            jobs.finish(claim, State.SUCCEEDED)
        late = [submit("b", a_training) for _ in range(2)]

        started = []
        for _ in range(4):
            claim = next_claim(jobs, late[0])
            started.append(claim.job.key)
            work(redis, claim, 10)
            jobs.finish(claim, State.SUCCEEDED)

        assert Counter(started) == {"a": 2, "b": 2}

    def test_a_job_that_backs_off_is_not_in_the_line_until_its_message_comes(
        self, jobs: JobStore, submit: Callable[..., Job]
    ) -> None:
        backs_off = submit(priority="interactive")
        jobs.release(claimed(jobs, backs_off.id), after_seconds=60)
        other = submit()

        assert next_claim(jobs, other).job.id == other.id
        assert jobs.claim_next(other.id, "a worker") is None
        assert next_claim(jobs, backs_off).job.id == backs_off.id

    def test_a_job_that_an_older_version_created_starts_by_its_message(
        self, jobs: JobStore, redis: Redis, submit: Callable[..., Job]
    ) -> None:
        old = submit()
        redis.delete(keys.line("inference"))

        assert next_claim(jobs, old).job.id == old.id

    def test_a_job_that_an_older_version_claimed_is_skipped(
        self, jobs: JobStore, redis: Redis, submit: Callable[..., Job]
    ) -> None:
        claimed_by_it, other = submit(), submit()
        line = cast("list[str]", redis.zrange(keys.line("inference"), 0, -1))
        claimed(jobs, claimed_by_it.id)
        redis.zadd(keys.line("inference"), dict.fromkeys(line, 0))

        assert next_claim(jobs, other).job.id == other.id
        assert redis.zcard(keys.line("inference")) == 0

    def test_a_message_of_a_deleted_job_starts_another_of_its_queue(
        self, jobs: JobStore, submit: Callable[..., Job]
    ) -> None:
        job = submit()
        submit(make=a_training)

        claim = jobs.claim_next("deleted", "a worker", Kind.EVALUATION)
        assert claim is not None
        assert claim.job.id == job.id
        assert jobs.claim_next("deleted", "a worker", Kind.EVALUATION) is None

    def test_nothing_of_deleted_jobs_is_kept(self, jobs: JobStore, redis: Redis, submit: Callable[..., Job]) -> None:
        job = submit("a")
        claim = next_claim(jobs, job)
        work(redis, claim, 5)
        jobs.release(claim, hands_over=True)
        jobs.cancel(job.id)
        jobs.delete(job.id)

        assert redis.exists(keys.line("inference")) == 0
        assert 0 < redis.pttl(keys.shares("inference")) <= 3600 * 1000


class TestHandingOver:
    @pytest.fixture
    def running(self, jobs: JobStore, shard_queue: ShardQueue, submit: Callable[..., Job]) -> Claim:
        """A batch of the key `a` that its coordinator works on."""
        claim = next_claim(jobs, submit("a"))
        assert shard_queue.open(claim, range(10))
        assert shard_queue.next_shard(claim)
        return claim

    def hands_over(self, shard_queue: ShardQueue, running: Claim) -> bool:
        queue_state = shard_queue.next_shard(running, turn_seconds=2.0)
        assert queue_state is not None
        assert queue_state.hands_over == (queue_state.shard is None)
        return queue_state.hands_over

    def test_a_batch_leaves_its_process_to_an_interactive_job_at_once(
        self, shard_queue: ShardQueue, redis: Redis, running: Claim, submit: Callable[..., Job]
    ) -> None:
        assert not self.hands_over(shard_queue, running)
        has_waited(redis, submit("a", priority="interactive"))

        assert self.hands_over(shard_queue, running)
        assert not self.hands_over(shard_queue, running), "one process at a time leaves"

    @pytest.mark.parametrize(("key", "worked", "expected"), [("b", 1, False), ("b", 5, True), ("a", 5, True)])
    def test_a_batch_leaves_its_process_to_another_batch_after_its_turn(
        self,
        shard_queue: ShardQueue,
        redis: Redis,
        running: Claim,
        submit: Callable[..., Job],
        key: str,
        worked: int,
        expected: bool,
    ) -> None:
        has_waited(redis, submit(key))
        work(redis, running, worked)

        assert self.hands_over(shard_queue, running) == expected

    def test_a_batch_keeps_its_process_while_helpers_can_leave(
        self, shard_queue: ShardQueue, redis: Redis, running: Claim, submit: Callable[..., Job]
    ) -> None:
        shard_queue.arrive(running, "a helper")
        has_waited(redis, submit("b", priority="interactive"))

        assert not self.hands_over(shard_queue, running)
        assert shard_queue.exchange(running, "a helper", Finished(1, 9, 1)) is None
        assert self.hands_over(shard_queue, running)

    @pytest.mark.parametrize(("priority", "expected"), [("interactive", True), ("batch", False)])
    def test_an_interactive_job_does_not_wait_until_the_lease_of_a_lost_helper_expires(
        self,
        shard_queue: ShardQueue,
        redis: Redis,
        running: Claim,
        submit: Callable[..., Job],
        priority: str,
        expected: bool,
    ) -> None:
        shard_queue.arrive(running, "a helper that is killed")
        work(redis, running, 60)
        redis.zincrby(keys.WAITING, -5000, submit("b", priority=priority).id)

        assert self.hands_over(shard_queue, running) == expected

    def test_an_interactive_batch_keeps_its_process_and_its_helpers(
        self, jobs: JobStore, shard_queue: ShardQueue, redis: Redis, submit: Callable[..., Job]
    ) -> None:
        claim = next_claim(jobs, submit("a", priority="interactive"))
        shard_queue.open(claim, range(10))
        has_waited(redis, submit("b"))
        work(redis, claim, 60)

        assert not self.hands_over(shard_queue, claim)
        assert shard_queue.arrive(claim, "a helper") == 1

    def test_a_job_that_was_handed_over_waits_without_loss_and_without_its_time_limit(
        self, jobs: JobStore, redis: Redis, submit: Callable[..., Job]
    ) -> None:
        claim = next_claim(jobs, submit("a", timeout_seconds=100))
        job_id = claim.job.id
        jobs.release(claim, hands_over=True)
        assert [job.id for job in jobs.due()] == [job_id], "if its process dies now, maintenance sends its message"
        redis.hincrby(keys.job(job_id), "handed_over_at", -50_000)
        redis.hincrby(keys.job(job_id), "started_at", -50_000)

        again = next_claim(jobs, claim.job)

        assert events(redis, job_id)[-2][1].items() >= {"state": "queued", "handed_over": True}.items()
        assert (again.job.crashes, again.job.failures, again.job.attempt) == (0, 0, 2)
        assert again.seconds_left == pytest.approx(100, abs=5)
        assert claim.slowdown(50.0) == 1
        assert again.slowdown(50.0) == pytest.approx(2, abs=0.2), "it has waited as long as it worked"

    def test_a_helper_goes_to_the_batch_of_a_key_that_has_used_less(
        self, jobs: JobStore, shard_queue: ShardQueue, running: Claim, submit: Callable[..., Job]
    ) -> None:
        other = next_claim(jobs, submit("b"))
        shard_queue.open(other, range(4))
        first = shard_queue.arrive(running, "a helper")
        assert first is not None
        second = shard_queue.exchange(running, "a helper", Finished(first, 9, 1, seconds=0.5))
        assert second is not None

        assert shard_queue.exchange(running, "a helper", Finished(second, 9, 1, seconds=5.0)) is None
        assert shard_queue.other_batch(running) == other.job.id
        assert shard_queue.arrive(other, "a helper") == 0
        assert shard_queue.other_batch(other) is None


class TestLimitOfProcesses:
    """`GLASSBOX_MAX_PROCESSES_PER_KEY`."""

    @pytest.fixture
    def jobs(self, redis: Redis) -> JobStore:
        return JobStore(redis, max_processes_per_key=1)

    def test_a_key_with_its_most_processes_waits_and_another_starts(
        self, jobs: JobStore, submit: Callable[..., Job]
    ) -> None:
        first, held_back, other = submit("a"), submit("a", priority="interactive"), submit("b")
        running = claimed(jobs, first.id)

        assert next_claim(jobs, held_back).job.id == other.id
        assert jobs.claim_next(held_back.id, "a worker") is None
        assert jobs.held_back(Kind.BATCH) is None
        jobs.finish(running, State.SUCCEEDED)
        assert jobs.held_back(Kind.BATCH) == held_back.id

    def test_a_batch_gets_no_more_helpers(self, jobs: JobStore, redis: Redis, submit: Callable[..., Job]) -> None:
        queue = ShardQueue(redis, max_processes_per_key=2)
        claim = claimed(jobs, submit("a").id)
        queue.open(claim, range(10))

        assert queue.request_helpers(claim, processes=8) == 1
        assert queue.arrive(claim, "first") == 0
        assert queue.arrive(claim, "second") is None
        assert queue.exchange(claim, "first", Finished(0, 9, 1)) == 1

    def test_a_helper_does_not_go_to_a_batch_whose_key_has_its_most_processes(
        self, jobs: JobStore, redis: Redis, submit: Callable[..., Job]
    ) -> None:
        queue = ShardQueue(redis, max_processes_per_key=2)
        own, other = claimed(jobs, submit("a").id), claimed(jobs, submit("b").id)
        for claim in (own, other):
            queue.open(claim, range(10))
        assert queue.arrive(other, "its helper") == 0
        work(redis, own, 60)
        assert queue.next_shard(own)

        assert queue.arrive(own, "a helper") == 1
        queue.release(other, "its helper", 0)
        assert queue.next_shard(other)
        assert queue.exchange(own, "a helper", Finished(1, 9, 1)) is None
        assert queue.other_batch(own) == other.job.id

    def test_a_batch_gets_helpers_while_only_jobs_wait_whose_keys_have_their_most_processes(
        self, jobs: JobStore, redis: Redis, submit: Callable[..., Job]
    ) -> None:
        queue = ShardQueue(redis, max_processes_per_key=2)
        claim = claimed(jobs, submit("b").id)
        queue.open(claim, range(10))
        for _ in range(2):
            claimed(jobs, submit("a").id)
        held_back = submit("a")
        assert queue.request_helpers(claim, processes=8) == 1
        assert queue.arrive(claim, "a helper") == 0
        jobs.cancel(held_back.id)

        submit("c")
        assert queue.exchange(claim, "a helper", Finished(0, 9, 1)) is None
        assert queue.request_helpers(claim, processes=8) == 0


def test_the_jobs_of_a_key_are_counted(jobs: JobStore, submit: Callable[..., Job]) -> None:
    claimed(jobs, submit("a").id)
    submit("a", a_training)
    submit("a", priority="interactive")
    submit("aa")
    submit()
    jobs.cancel(submit("a").id)

    assert [jobs.count_of_key(key) for key in ("a", "aa", None, "c")] == [3, 1, 1, 0]
