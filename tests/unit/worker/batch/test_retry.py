"""A user's retry of a batch processes only the images that failed and the shards that are missing."""

from __future__ import annotations

from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from shared.jobs import Job, State
from shared.jobs.files import rebuild
from shared.registry import Registry
from shared.results.columns import columns_of_lines
from shared.results.selection import each_shard
from shared.results.shard import read_shard
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from tests.support.data.archives import zip_of
from tests.support.data.files import files_below
from tests.support.data.images import png
from tests.support.data.npz import easy_images
from tests.support.objects.batches import Batches, paths
from tests.support.objects.bench import WorkBench
from tests.support.objects.jobs import batch_result
from tests.support.objects.models import publish
from tests.support.programs.forks import dies_before_change

IMAGES, _ = easy_images(10, seed=3)
LARGE = png(np.kron(IMAGES[0], np.ones((4, 4), np.uint8)).astype(np.uint8))
SMALL_PIXELS = 100  # a limit that a large image exceeds

ARCHIVE = {f"{number}.png": png(image) for number, image in enumerate(IMAGES)}
ARCHIVE |= {"1.png": LARGE, "3.png": b"no image", "5.png": LARGE}


@pytest.fixture
def batches(settings: Settings, registry: Registry) -> Batches:
    """Workers that accept large images."""
    publish(registry)
    return Batches(WorkBench(settings))


@pytest.fixture
def strict(settings: Settings) -> Batches:
    """Workers that reject large images, on the same volume."""
    return Batches(WorkBench(settings.model_copy(update={"max_image_pixels": SMALL_PIXELS})))


@pytest.fixture
def with_errors(batches: Batches, strict: Batches) -> Job:
    """A batch with three failed images, two of them because of a limit that no longer applies."""
    job = strict.run(zip_of(ARCHIVE))
    assert job.state is State.COMPLETED_WITH_ERRORS
    assert paths(strict.errors(job)) == ["1.png", "3.png", "5.png"]
    return job


def test_failed_images_are_processed_again_and_merged_in_the_archives_order(batches: Batches, with_errors: Job) -> None:
    job = batches.retry(with_errors)

    assert paths(batches.rows(job)) == ["0.png", "1.png", "2.png", "4.png", *(f"{n}.png" for n in range(5, 10))]
    assert paths(batches.errors(job)) == ["3.png"]
    assert job.state is State.COMPLETED_WITH_ERRORS
    assert (batch_result(job)["succeeded"], batch_result(job)["failed"]) == (9, 1)


def failed_by_columns(batches: Batches, job: Job) -> list[int]:
    """Check that the columns of each shard are those of its rows; return the indices of the entries that failed."""
    found: list[int] = []
    files = batches.files(job).in_order()
    for file, (start, _, stored) in zip(files, each_shard(files, lambda *_: []), strict=True):
        shard = read_shard(file)
        expected = columns_of_lines([shard.rows], shard.errors.splitlines(), ())
        assert [stored.labels[label] for label in stored.label] == [expected.labels[label] for label in expected.label]
        assert np.allclose(stored.confidence, expected.confidence, rtol=1e-6)
        assert stored.codes == expected.codes
        found += [start + position for position in stored.failed or ()]
    return found


def test_columns_are_those_of_the_rows_before_and_after_a_retry(batches: Batches, with_errors: Job) -> None:
    assert failed_by_columns(batches, with_errors) == [1, 3, 5]
    assert failed_by_columns(batches, batches.retry(with_errors)) == [3]


def test_rows_after_a_retry_are_those_of_a_run_without_failures(batches: Batches, with_errors: Job) -> None:
    undisturbed = batches.run(zip_of(ARCHIVE))

    assert batches.rows(batches.retry(with_errors)) == batches.rows(undisturbed)


def test_images_with_a_row_are_not_read_again(batches: Batches, with_errors: Job, volume: Volume) -> None:
    archive = volume.archive(with_errors.id)
    content = archive.read_bytes()
    for number in (0, 2, 4, 6, 7, 8, 9):
        content = content.replace(ARCHIVE[f"{number}.png"], bytes(len(ARCHIVE[f"{number}.png"])))
    archive.write_bytes(content)

    job = batches.retry(with_errors)

    assert len(batches.rows(job)) == 9


def test_a_shard_without_errors_is_unchanged(batches: Batches, with_errors: Job, volume: Volume) -> None:
    batches.retry(with_errors)

    assert files_below(volume.shards(with_errors.id)) == [
        "000000.0.jsonl", "000000.1.jsonl", "000001.0.jsonl", "000001.1.jsonl", "000002.0.jsonl"
    ]  # fmt: skip


def test_images_that_fail_again_can_be_retried_again(batches: Batches, strict: Batches, with_errors: Job) -> None:
    again = strict.retry(with_errors)
    assert paths(strict.errors(again)) == ["1.png", "3.png", "5.png"]

    job = batches.retry(again)

    assert paths(batches.errors(job)) == ["3.png"]
    assert len(batches.rows(job)) == 9


def test_earlier_rows_can_be_read_until_newer_ones_exist(batches: Batches, with_errors: Job) -> None:
    before = batches.rows(with_errors)
    batches.bench.jobs.retry(with_errors.id)

    job = batches.bench.jobs.get(with_errors.id)

    assert (job.state, batches.rows(job)) == (State.QUEUED, before)


def test_a_late_worker_of_the_attempt_before_the_retry_changes_nothing(
    batches: Batches, strict: Batches, with_errors: Job
) -> None:
    job = batches.retry(with_errors)
    rows = batches.rows(job)

    strict.finish(with_errors, 0, ['{"path": "late"}\n'])

    assert batches.rows(job) == rows


def test_missing_shards_are_processed(batches: Batches, with_errors: Job, volume: Volume) -> None:
    volume.shard(with_errors.id, 2, 0).unlink()

    assert len(batches.rows(batches.retry(with_errors))) == 9


def test_a_retry_survives_the_loss_of_the_records(batches: Batches, with_errors: Job) -> None:
    batches.bench.jobs.retry(with_errors.id)
    batches.bench.files.reopen(batches.bench.jobs.get(with_errors.id))
    batches.bench.redis.flushdb()
    assert rebuild(batches.bench.jobs, batches.bench.files) == 1

    job = batches.run_attempt(batches.bench.jobs.get(with_errors.id))

    assert paths(batches.errors(job)) == ["3.png"]


def test_a_shard_that_does_not_match_its_archive_is_processed_again(
    batches: Batches, with_errors: Job, volume: Volume
) -> None:
    path = volume.shard(with_errors.id, 0, 0)
    path.write_bytes(path.read_bytes().replace(b'"3.png"', b'"x.png"'))

    job = batches.retry(with_errors)

    assert len(batches.rows(job)) == 9
    assert paths(batches.errors(job)) == ["3.png"]


def test_a_worker_killed_before_any_change_of_the_retry_leaves_a_job_that_ends_with_the_same_rows(
    settings: Settings, tmp_path: Path
) -> None:
    expected = None
    for change in count(1):
        batches = Batches(WorkBench(settings.model_copy(update={"volume": tmp_path / str(change)})))
        publish(batches.bench.registry)
        strict = Batches(WorkBench(batches.bench.settings.model_copy(update={"max_image_pixels": SMALL_PIXELS})))
        job = strict.run(zip_of(ARCHIVE))
        batches.bench.jobs.retry(job.id)
        died = dies_before_change(change, partial(one_attempt, batches.bench.settings, job))

        if died:
            batches.bench.let_leases_expire()
            batches.run_attempt(job)

        ended = batches.bench.jobs.get(job.id)
        assert ended.state is State.COMPLETED_WITH_ERRORS
        expected = expected or batches.rows(ended)
        assert batches.rows(ended) == expected
        assert paths(batches.errors(ended)) == ["3.png"]
        if not died:
            break
    assert change > 5


def one_attempt(settings: Settings, job: Job) -> None:
    batches = Batches(WorkBench(settings))
    batches.bench.run(job, batches.handler, owner="a worker that dies")
