"""The helper of a batch that another process coordinates."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from redis import Redis

from shared.errors import StorageFull
from shared.jobs import Claim, Finished, Job, ShardQueueState, State, keys
from shared.jobs.task_queue import HELP, Presence
from shared.registry import Registry
from shared.results.files import ShardFiles
from shared.results.shard import Header, Shard
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from tests.support.data.archives import zip_of_images
from tests.support.data.files import files_below
from tests.support.data.npz import easy_images
from tests.support.objects.batches import Batches, paths
from tests.support.objects.bench import WorkBench
from tests.support.objects.jobs import a_batch, a_training, batch_result, claimed, messages, move
from tests.support.objects.models import publish
from tests.support.waiting import eventually

IMAGES, _ = easy_images(10, seed=3)
ARCHIVE = zip_of_images(IMAGES)
NAMES = [f"{number:05d}.png" for number in range(10)]


@pytest.fixture
def batches(settings: Settings, registry: Registry) -> Batches:
    publish(registry)
    return Batches(WorkBench(settings))


@pytest.fixture
def claim(batches: Batches) -> Claim:
    """A batch of three shards whose coordinator has opened the shard queue."""
    job = batches.submit(ARCHIVE)
    claim = claimed(batches.bench.jobs, job.id, "the coordinator")
    batches.files(job).prepare()
    batches.shard_queue.open(claim, [0, 1, 2])
    return claim


def finished_shards(batches: Batches, claim: Claim) -> list[str]:
    return files_below(batches.bench.volume.shards(claim.job.id))


def before_publishing(monkeypatch: pytest.MonkeyPatch, call: Callable[[int], object]) -> None:
    """Call a function with the number of the first shard before it is written."""
    publish = ShardFiles.publish
    called: list[int] = []

    def watched(self: ShardFiles, number: int, shard: Shard) -> Header:
        if not called:
            called.append(number)
            call(number)
        return publish(self, number, shard)

    monkeypatch.setattr(ShardFiles, "publish", watched)


class TestHelping:
    def test_a_helper_processes_the_open_shards_and_reports_them(self, batches: Batches, claim: Claim) -> None:
        batches.batch_helper().run(claim.job.id)

        assert paths(batches.rows(claim.job)) == NAMES
        assert batches.shard_queue.next_shard(claim) == ShardQueueState(None, open=0, out=0, succeeded=10, failed=0)

    def test_a_helper_stops_when_another_batch_waits(self, batches: Batches, claim: Claim) -> None:
        batches.bench.jobs.create(a_batch())

        batches.batch_helper().run(claim.job.id)

        assert finished_shards(batches, claim) == []
        assert batches.bench.redis.exists(keys.taken_shards(claim.job.id)) == 0

    def test_a_finished_shard_is_counted_and_not_processed_again(self, batches: Batches, claim: Claim) -> None:
        batches.finish(claim.job, 1, ['{"path": "theirs"}\n'], ['{"path": "error"}\n'])

        batches.batch_helper().run(claim.job.id)

        assert paths(batches.rows(claim.job)) == [*NAMES[:4], "theirs", *NAMES[8:]]
        assert batches.shard_queue.next_shard(claim) == ShardQueueState(None, open=0, out=0, succeeded=7, failed=1)

    @pytest.mark.parametrize("state", [State.QUEUED, State.CANCELLING])
    def test_a_request_for_a_job_that_is_not_running_is_a_no_op(
        self, batches: Batches, claim: Claim, state: State
    ) -> None:
        move(batches.bench.jobs, claim.job.id, state)

        batches.batch_helper().run(claim.job.id)

        assert finished_shards(batches, claim) == []

    def test_a_request_for_an_unknown_job_or_a_training_is_a_no_op(self, batches: Batches, redis: Redis) -> None:
        training = a_training()
        batches.bench.jobs.create(training)
        claimed(batches.bench.jobs, training.id)

        for job_id in ("unknown", training.id):
            batches.batch_helper().run(job_id)

        assert redis.exists(*keys.shard_keys("unknown").values(), *keys.shard_keys(training.id).values()) == 0

    def test_a_helper_without_redis_stops(self, batches: Batches, settings: Settings, claim: Claim) -> None:
        gone = WorkBench(settings.model_copy(update={"redis_url": f"unix://{settings.volume}/no.sock"}))

        Batches(gone).batch_helper().run(claim.job.id)

        assert finished_shards(batches, claim) == []


class TestFailing:
    """A helper's failure does not affect the job, and the coordinator gets the shard."""

    def assert_left_to_the_coordinator(self, batches: Batches, claim: Claim, shard: int = 0) -> None:
        job = batches.bench.jobs.get(claim.job.id)
        assert (job.state, job.failures, job.crashes) == (State.RUNNING, 0, 0)
        queue_state = batches.shard_queue.next_shard(claim)
        assert queue_state is not None
        assert (queue_state.shard, queue_state.out) == (shard, 0)

    def test_an_error_leaves_the_shard_to_the_coordinator(self, batches: Batches, claim: Claim, volume: Volume) -> None:
        (volume.version("toy", 1) / "weights.npz").write_bytes(b"damaged")

        batches.batch_helper().run(claim.job.id)

        self.assert_left_to_the_coordinator(batches, claim)

    @pytest.mark.parametrize("error", [StorageFull("storage_full", "no space"), MemoryError(), OSError("stale")])
    def test_a_write_error_leaves_the_shard_to_the_coordinator(
        self, batches: Batches, claim: Claim, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        def fail(_: int) -> None:
            raise error

        before_publishing(monkeypatch, fail)

        batches.batch_helper().run(claim.job.id)

        self.assert_left_to_the_coordinator(batches, claim)
        assert finished_shards(batches, claim) == []

    def test_a_helper_that_is_shut_down_releases_its_shard(self, batches: Batches, claim: Claim) -> None:
        batches.bench.shutdown._requested.set()

        batches.batch_helper().run(claim.job.id)

        self.assert_left_to_the_coordinator(batches, claim)

    def test_a_helper_of_a_cancelled_job_stops_at_its_next_shard(
        self, batches: Batches, claim: Claim, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before_publishing(monkeypatch, lambda _: batches.bench.jobs.cancel(claim.job.id))

        batches.batch_helper().run(claim.job.id)

        assert finished_shards(batches, claim) == ["000000.0.jsonl"]


class TestBeingLate:
    def test_a_shard_finished_meanwhile_is_neither_changed_nor_counted_twice(
        self, batches: Batches, claim: Claim, redis: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def coordinator_takes_over(number: int) -> None:
            redis.zadd(keys.taken_shards(claim.job.id), {f"{number}@a helper": 1})
            queue_state = batches.shard_queue.next_shard(claim)
            assert queue_state is not None
            assert queue_state.shard == number
            batches.finish(claim.job, number, ['{"path": "by the coordinator"}\n'] * 4)

        before_publishing(monkeypatch, coordinator_takes_over)

        batches.batch_helper().run(claim.job.id)

        assert paths(batches.rows(claim.job)) == ["by the coordinator"] * 4 + NAMES[4:]
        assert batches.shard_queue.next_shard(claim) == ShardQueueState(None, open=0, out=0, succeeded=6, failed=0)

    def test_a_deleted_job_is_not_recreated(
        self, batches: Batches, claim: Claim, volume: Volume, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def delete(_: int) -> None:
            batches.bench.jobs.discard(claim.job.id)
            batches.bench.files.remove(claim.job.id)

        before_publishing(monkeypatch, delete)

        batches.batch_helper().run(claim.job.id)

        assert not volume.job(claim.job.id).exists()
        assert set(batches.bench.redis.keys("*")) == {keys.COUNTERS, keys.ALL_EVENTS}

    def test_a_later_attempt_ignores_a_helper_of_the_previous_one(
        self, batches: Batches, claim: Claim, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        later: list[Claim] = []

        def start_another_attempt(_: int) -> None:
            move(batches.bench.jobs, claim.job.id, State.QUEUED)
            later.append(claimed(batches.bench.jobs, claim.job.id, "another coordinator"))
            batches.shard_queue.open(later[0], [0, 1, 2])

        before_publishing(monkeypatch, start_another_attempt)

        batches.batch_helper().run(claim.job.id)

        assert batches.shard_queue.next_shard(later[0]) == ShardQueueState(0, open=2, out=0, succeeded=0, failed=0)


class TestTheCoordinator:
    """The coordinator runs in a thread, and the test is its helper."""

    @pytest.fixture
    def job(self, batches: Batches) -> Job:
        return batches.submit(ARCHIVE)

    def start_coordinator(self, batches: Batches, job: Job) -> threading.Thread:
        """Start the coordinator in a thread, on its own bench: connections are not shared between threads."""
        other = Batches(WorkBench(batches.bench.settings))
        thread = threading.Thread(target=other.run_attempt, args=(job,))
        thread.start()
        return thread

    def test_the_coordinator_waits_for_shards_of_helpers_and_counts_them(
        self, batches: Batches, job: Job, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        taken = take_shard_of_coordinator(batches, monkeypatch)
        thread = self.start_coordinator(batches, job)
        eventually(lambda: taken and len(batches.files(job).survey(3).missing) == 1)
        assert batches.bench.jobs.get(job.id).state is State.RUNNING

        running = Claim(batches.bench.jobs.get(job.id))
        batches.finish(job, taken[0], ['{"path": "a helper\'s"}\n'] * 4)
        batches.shard_queue.exchange(running, "test", Finished(taken[0], 4, 0))
        thread.join()

        ended = batches.bench.jobs.get(job.id)
        assert ended.state is State.SUCCEEDED
        assert batch_result(ended)["succeeded"] == 10

    def test_the_coordinator_processes_the_shard_of_a_lost_helper(
        self, batches: Batches, job: Job, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        taken = take_shard_of_coordinator(batches, monkeypatch)
        thread = self.start_coordinator(batches, job)
        eventually(lambda: taken and len(batches.files(job).survey(3).missing) == 1)

        batches.bench.redis.zadd(keys.taken_shards(job.id), {f"{taken[0]}@test": 1})
        thread.join()

        assert batches.bench.jobs.get(job.id).state is State.SUCCEEDED
        assert paths(batches.rows(job)) == NAMES

    def test_a_waiting_coordinator_is_cancelled(
        self, batches: Batches, job: Job, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        take_shard_of_coordinator(batches, monkeypatch)
        thread = self.start_coordinator(batches, job)
        eventually(lambda: len(batches.files(job).survey(3).missing) == 1)

        batches.bench.jobs.cancel(job.id)
        thread.join()

        assert batches.bench.jobs.get(job.id).state is State.CANCELLED
        assert len(finished_shards(batches, Claim(job))) == 2

    def test_the_coordinator_surveys_the_volume_before_it_ends(
        self, batches: Batches, job: Job, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        taken = take_shard_of_coordinator(batches, monkeypatch)
        thread = self.start_coordinator(batches, job)
        eventually(lambda: taken and len(batches.files(job).survey(3).missing) == 1)

        batches.bench.redis.delete(keys.taken_shards(job.id))  # as if it were finished, though nothing was written
        thread.join()

        assert batches.bench.jobs.get(job.id).state is State.SUCCEEDED
        assert paths(batches.rows(job)) == NAMES

    def test_the_coordinator_requests_a_helper_for_each_further_shard_and_process(
        self, batches: Batches, job: Job, redis: Redis
    ) -> None:
        Presence(redis, "host:1", "inference", 2).renew()
        Presence(redis, "host:2", "inference", 7).renew()

        batches.run_attempt(job)

        assert [message["headers"]["task"] for message in messages(redis, "inference")] == [HELP] * 2

    def test_the_coordinator_requests_no_helper_while_messages_wait(
        self, batches: Batches, job: Job, redis: Redis
    ) -> None:
        Presence(redis, "host:1", "inference", 2).renew()
        batches.bench.task_queue.request_helper("another job")

        batches.run_attempt(job)

        assert len(messages(redis, "inference")) == 1


def take_shard_of_coordinator(batches: Batches, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Take a shard, as a helper, before the coordinator writes its first one."""
    taken: list[int] = []

    def take(_: int) -> None:
        shard = batches.shard_queue.arrive(Claim(next(batches.bench.jobs.newest_first(State.RUNNING))), "test")
        assert shard is not None
        taken.append(shard)

    before_publishing(monkeypatch, take)
    return taken
