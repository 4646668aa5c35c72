"""A batch that leaves its process between two shards to a job that is next."""

from __future__ import annotations

import pytest

from shared.jobs import Job, State, keys
from shared.registry import Registry
from shared.results.files import ShardFiles
from shared.results.shard import Header, Shard
from shared.runtime.settings import Settings
from tests.support.data.archives import zip_of_images
from tests.support.data.files import files_below
from tests.support.data.npz import easy_images
from tests.support.objects.batches import Batches, paths
from tests.support.objects.bench import WorkBench
from tests.support.objects.jobs import batch_result, messages
from tests.support.objects.models import publish

ARCHIVE = zip_of_images(easy_images(12, seed=3)[0])
SHARDS = 4


def test_a_large_batch_leaves_after_a_shard_to_a_small_one_and_later_does_the_other_shards(
    settings: Settings, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(registry)
    batches = Batches(WorkBench(settings.model_copy(update={"shard_images": 3})))
    bench = batches.bench
    small: list[Job] = []
    written: list[int] = []
    publish_shard = ShardFiles.publish

    def submit_then_publish(self: ShardFiles, number: int, shard: Shard) -> Header:
        if not small:
            small.append(batches.submit(ARCHIVE, priority="interactive"))
            bench.redis.zincrby(keys.WAITING, -1000, small[0].id)  # so no idle process is about to claim it
        written.append(number)
        return publish_shard(self, number, shard)

    monkeypatch.setattr(ShardFiles, "publish", submit_then_publish)
    large = batches.submit(ARCHIVE)

    handed_over = batches.run_attempt(large)
    assert (handed_over.state, handed_over.failures, handed_over.crashes) == (State.QUEUED, 0, 0)
    assert len(files_below(bench.volume.shards(large.id))) == 1
    assert len(messages(bench.redis, "inference")) == 1

    batches.run_attempt(large)  # its message, by which the small batch starts
    assert bench.jobs.get(small[0].id).state is State.SUCCEEDED
    assert bench.jobs.get(large.id).state is State.QUEUED

    ended = batches.run_attempt(large)
    assert (ended.state, batch_result(ended)["total"], ended.attempt) == (State.SUCCEEDED, 12, 2)
    assert paths(batches.rows(large)) == [f"{number:05d}.png" for number in range(12)]
    assert len(written) == 2 * SHARDS, "each shard of both batches is done once"
