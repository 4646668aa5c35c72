"""The indexes of the jobs by kind, model and label."""

from __future__ import annotations

from itertools import product
from typing import cast

import pytest
from redis import Redis

from shared.jobs import Job, JobStore, Kind, State, keys
from shared.jobs.files import JobFiles, close, rebuild
from shared.jobs.index import JobFilter, labels_of
from shared.storage.volume import Volume
from tests.support.objects.jobs import A_RESULT, a_batch, a_training, claimed

RED, BLUE = {"labels": {"team": "red"}}, {"labels": {"team": "blue", "a:b": "c"}}


@pytest.fixture
def files(volume: Volume) -> JobFiles:
    return JobFiles(volume)


@pytest.fixture
def jobs(redis: Redis, files: JobFiles) -> JobStore:
    return JobStore(redis, files=files)


def submitted(jobs: JobStore, files: JobFiles, job: Job) -> Job:
    files.begin(job)
    jobs.create(job)
    return job


def moved(jobs: JobStore, files: JobFiles, job: Job) -> Job:
    """Return the job after its end, when its record has moved to the volume."""
    submitted(jobs, files, job)
    jobs.finish(claimed(jobs, job.id), State.SUCCEEDED, result=A_RESULT)
    close(jobs, files, job.id)
    return job


def various(jobs: JobStore, files: JobFiles) -> None:
    """Create jobs of several kinds, states, models and labels."""
    for number in range(3):
        for model in ("toy", "toy-2"):
            submitted(jobs, files, a_batch(id=f"{model}-batch-{number}", model=model))
            submitted(jobs, files, a_training(id=f"{model}-red-{number}", model=model, request=RED))
            moved(jobs, files, a_training(id=f"{model}-blue-{number}", model=model, request=BLUE))


def listed(jobs: JobStore, before: str | None = None, **wanted: object) -> list[str]:
    return list(jobs.ids(JobFilter(**wanted), before))  # type: ignore[arg-type]


def index_keys(redis: Redis) -> list[str]:
    return [*redis.scan_iter("glassbox:jobs-*")]


def test_index_selects_what_the_records_say(
    jobs: JobStore, files: JobFiles, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.jobs.store.PAGE", 2)
    various(jobs, files)
    everything = list(jobs.newest_first())
    choices = product(
        (None, State.QUEUED, State.SUCCEEDED, State.FAILED),
        (None, *Kind),
        (None, "toy", "toy-", "", "unknown"),
        (None, "team:red", "a:b:c", "team:", ""),
        (None, "toy-batch-2"),
    )
    for state, kind, model, label, before in choices:
        wanted = JobFilter(state, kind, model, label)
        expected = [
            job.id
            for job in everything
            if state in {None, job.state}
            and kind in {None, job.kind}
            and model in {None, job.model}
            and (label is None or label in labels_of(job.request))
            and (before is None or job.id < before)
        ]
        assert list(jobs.ids(wanted, before)) == expected, (wanted, before)
    assert len(listed(jobs, label="team:blue", model="toy")) == 3
    redis.delete(*index_keys(redis))
    assert len(listed(jobs, label="team:blue", model="toy")) == 3  # without the index


def test_filters_read_no_records(
    jobs: JobStore, files: JobFiles, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    various(jobs, files)
    monkeypatch.setattr(JobStore, "_ids_without_index", None)

    assert (
        listed(jobs, kind=Kind.BATCH, state=State.QUEUED) == sorted(redis.zrange(keys.of_kind(Kind.BATCH), 0, -1))[::-1]
    )


def test_deleted_jobs_leave_nothing_in_the_indexes(jobs: JobStore, files: JobFiles, redis: Redis) -> None:
    various(jobs, files)

    for job_id in list(jobs.ids()):
        jobs.discard(job_id)

    assert index_keys(redis) == []


def test_retried_and_deleted_job_leaves_nothing_in_the_indexes(jobs: JobStore, files: JobFiles, redis: Redis) -> None:
    job = submitted(jobs, files, a_training(request=BLUE))
    jobs.cancel(job.id)
    close(jobs, files, job.id)
    jobs.retry(job.id)
    assert listed(jobs, label="team:blue") == [job.id]

    jobs.discard(job.id)

    assert index_keys(redis) == []


def test_jobs_of_an_older_version_are_added_and_its_deletions_removed(
    jobs: JobStore, files: JobFiles, redis: Redis
) -> None:
    various(jobs, files)
    indexes = {name: redis.zrange(name, 0, -1) for name in index_keys(redis)}
    redis.delete(*indexes)  # as if an older version had created all
    redis.zadd(keys.BY_MODEL, {"toy:gone": 0})
    assert jobs.begins_indexing(anyway=False)
    assert not jobs.begins_indexing(anyway=False)  # another host does it

    assert jobs.complete_index() == 19

    assert {name: redis.zrange(name, 0, -1) for name in index_keys(redis)} == indexes
    redis.delete(keys.INDEXING)
    assert not jobs.begins_indexing(anyway=False)
    assert jobs.begins_indexing(anyway=True)
    jobs.discard("toy-blue-0")
    assert "toy-blue-0" not in listed(jobs, label="team:blue")


def test_rebuilt_records_are_in_the_indexes(jobs: JobStore, files: JobFiles, redis: Redis) -> None:
    various(jobs, files)
    indexes = {name: redis.zrange(name, 0, -1) for name in index_keys(redis)}
    redis.flushdb()

    rebuild(jobs, files)

    assert {name: redis.zrange(name, 0, -1) for name in index_keys(redis)} == indexes


def test_restored_record_that_had_moved_keeps_its_labels(jobs: JobStore, files: JobFiles, redis: Redis) -> None:
    job = moved(jobs, files, a_training(request=BLUE))
    record = cast("dict[str, str]", redis.hgetall(keys.job(job.id)))
    jobs.discard(job.id)

    jobs.recreate(record)

    assert listed(jobs, label="a:b:c") == [job.id]


def test_indexes_need_little_memory(jobs: JobStore, redis: Redis) -> None:
    for _ in range(200):
        jobs.create(a_training(model="m" * 20))

    bytes_used = sum(int(redis.memory_usage(name, samples=0) or 0) for name in index_keys(redis))

    assert bytes_used / 200 < 300
