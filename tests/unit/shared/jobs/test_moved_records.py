"""Records of ended jobs: they move to the volume, and Redis keeps what lists and transitions need."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from redis import Redis

from shared.errors import Damaged, NotFound
from shared.jobs import Claim, Job, JobStore, Kind, Progress, State, keys
from shared.jobs.files import JobFiles, close, rebuild
from shared.jobs.index import JobFilter
from shared.storage.volume import Volume
from shared.webhooks.outbox import Outbox
from tests.support.objects.jobs import A_RESULT, a_batch, a_batch_result, a_training, claimed

LARGE: dict[str, Any] = {"labels": {f"{number}": "é" * 100 for number in range(40)}}


@pytest.fixture
def files(volume: Volume) -> JobFiles:
    return JobFiles(volume)


@pytest.fixture
def jobs(redis: Redis, files: JobFiles) -> JobStore:
    return JobStore(redis, files=files)


def submitted(jobs: JobStore, files: JobFiles, job: Job) -> Claim:
    files.begin(job)
    jobs.create(job)
    return claimed(jobs, job.id)


def ended(jobs: JobStore, files: JobFiles, **fields: Any) -> Job:
    """Run a training to its end; return its record, which is still in Redis."""
    claim = submitted(jobs, files, a_training(request=LARGE, specification={"dataset": "d" * 3000}, **fields))
    for epoch in range(1, 20):
        jobs.renew(claim, Progress(done=epoch, total=20, unit="epochs"), {"epoch": epoch}, "epoch")
    assert jobs.finish(claim, State.SUCCEEDED, result=A_RESULT)
    return jobs.get(claim.job.id)


def bytes_in_redis(redis: Redis, job_id: str) -> int:
    """Return the memory of all keys of the job."""
    return sum(int(redis.memory_usage(name, samples=0) or 0) for name in redis.scan_iter(f"*{job_id}*"))


def test_moved_job_is_read_as_before(jobs: JobStore, files: JobFiles, redis: Redis) -> None:
    job = ended(jobs, files)
    events = jobs.events(job.id, limit=100)

    close(jobs, files, job.id)

    assert redis.hget(keys.job(job.id), "request") == "{}"
    assert jobs.get(job.id) == job
    assert list(jobs.newest_first()) == list(jobs.newest_first(State.SUCCEEDED)) == [job]
    assert jobs.events(job.id, limit=100) == events
    assert len(events) == 22
    assert jobs.events(job.id, events[4].id, 3) == jobs.follow(job.id, events[4].id, 0.01, 3) == events[5:8]
    assert jobs.events(job.id, events[-1].id) == []


@pytest.mark.parametrize("kind", [Kind.TRAINING, Kind.BATCH])
def test_moved_job_needs_little_memory(jobs: JobStore, files: JobFiles, redis: Redis, kind: Kind) -> None:
    if kind is Kind.TRAINING:
        job = ended(jobs, files, model="m" * 64, request_id="r" * 128, traceparent="t" * 55)
    else:
        claim = submitted(jobs, files, a_batch(request=LARGE))
        jobs.finish(claim, State.COMPLETED_WITH_ERRORS, result=a_batch_result(9, 1))
        job = jobs.get(claim.job.id)
    before = bytes_in_redis(redis, job.id)

    close(jobs, files, job.id)

    assert before > 7000
    assert bytes_in_redis(redis, job.id) < 800


def test_record_stays_whole_for_the_time_of_the_setting(redis: Redis, files: JobFiles) -> None:
    jobs = JobStore(redis, files=files, record_seconds=60.0)
    job = ended(jobs, files)

    close(jobs, files, job.id)

    assert json.loads(cast("str", redis.hget(keys.job(job.id), "request"))) == LARGE
    assert jobs.unclosed(0) == []
    assert redis.zscore(keys.ENDED, job.id) == cast("int", job.finished_at) + 60_000

    close(JobStore(redis, files=files), files, job.id)

    assert redis.hget(keys.job(job.id), "request") == "{}"
    assert redis.zcard(keys.ENDED) == 0


def test_moved_job_is_retried_with_its_request_and_its_log(jobs: JobStore, files: JobFiles, redis: Redis) -> None:
    claim = submitted(jobs, files, a_training(request=LARGE, specification={"epochs": 9}, timeout_seconds=9.0))
    jobs.finish(claim, State.FAILED, error={"code": "poison", "detail": "no"})
    close(jobs, files, claim.job.id)
    log = jobs.events(claim.job.id)

    jobs.retry(claim.job.id)
    files.reopen(jobs.get(claim.job.id))
    again = claimed(jobs, claim.job.id)

    assert (again.job.request, again.job.specification, again.job.timeout_seconds) == (LARGE, {"epochs": 9}, 9.0)
    assert (again.job.attempt, again.job.retries, again.job.error) == (2, 1, None)
    assert [event.data["state"] for event in jobs.events(claim.job.id)] == [
        *("queued", "running", "failed"),
        *("queued", "running"),
    ]
    assert jobs.events(claim.job.id)[:3] == jobs.events(claim.job.id, limit=3) == log
    assert jobs.follow(claim.job.id, log[1].id, 0.01, 2)[0] == log[2]

    jobs.finish(again, State.SUCCEEDED)
    close(jobs, files, claim.job.id)

    assert len(jobs.events(claim.job.id)) == 6
    assert jobs.get(claim.job.id).state is State.SUCCEEDED
    assert redis.exists(keys.events(claim.job.id)) == 0


def test_job_that_moves_during_its_retry_is_retried_whole(
    jobs: JobStore, files: JobFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = ended(jobs, files)
    read = jobs._moved_fields
    monkeypatch.setattr(jobs, "_moved_fields", lambda job_id: moves_after(read(job_id)))

    def moves_after(fields: dict[str, str]) -> dict[str, str]:
        monkeypatch.undo()
        close(jobs, files, job.id)
        return fields

    with pytest.raises(Exception, match="succeeded and cannot be retried"):
        jobs.retry(job.id)

    failed = submitted(jobs, files, a_training(request=LARGE))
    jobs.finish(failed, State.FAILED)
    job = jobs.get(failed.job.id)
    monkeypatch.setattr(jobs, "_moved_fields", lambda job_id: moves_after(read(job_id)))
    jobs.retry(job.id)

    assert jobs.get(job.id).request == LARGE


def test_event_after_the_end_is_appended_to_the_log_on_the_volume(
    jobs: JobStore, files: JobFiles, redis: Redis
) -> None:
    job = ended(jobs, files, webhook="https://receiver.example/")
    close(jobs, files, job.id)
    outbox = Outbox(redis)

    for delivery in outbox.take(outbox.due(1), 60.0):
        outbox.settle(delivery, {"outcome": "delivered"})
    assert [event.type for event in jobs.events(job.id, limit=100)][-2:] == ["state", "webhook"]
    (unclosed,) = jobs.unclosed(0)
    close(jobs, files, unclosed)

    assert redis.exists(keys.events(job.id)) == 0
    assert [event.type for event in jobs.events(job.id, limit=100)][-2:] == ["state", "webhook"]
    assert jobs.get(job.id) == job


def test_event_that_is_logged_while_the_record_moves_stays(jobs: JobStore, files: JobFiles, redis: Redis) -> None:
    job = ended(jobs, files)
    newest = jobs.log_in_redis(job.id)[-1].id
    redis.xadd(keys.events(job.id), {"type": "webhook", "data": "{}"})

    jobs.closed(job, newest)

    assert jobs.log_in_redis(job.id)[-1].type == "webhook"
    assert jobs.unclosed(0) == [job.id]


def test_job_without_a_folder_stays_in_redis(jobs: JobStore, files: JobFiles, volume: Volume) -> None:
    job = ended(jobs, files)
    files.remove(job.id)

    close(jobs, files, job.id)

    assert jobs.get(job.id) == job
    assert not volume.job(job.id).exists()


def test_moved_job_is_deleted(jobs: JobStore, files: JobFiles, redis: Redis) -> None:
    job = ended(jobs, files)
    close(jobs, files, job.id)

    jobs.delete(job.id)

    assert list(redis.scan_iter(f"*{job.id}*")) == []
    with pytest.raises(NotFound):
        jobs.get(job.id)


def test_moved_job_whose_file_is_missing_is_reported(jobs: JobStore, files: JobFiles, volume: Volume) -> None:
    job, other = ended(jobs, files), ended(jobs, files)
    for each in (job, other):
        close(jobs, files, each.id)
    volume.end(job.id).unlink()

    with pytest.raises(Damaged, match=r"jobs/.*/end\.json"):
        jobs.get(job.id)
    assert list(jobs.newest_first()) == [other]


def test_damaged_line_of_the_log_is_skipped(jobs: JobStore, files: JobFiles, volume: Volume) -> None:
    job = ended(jobs, files)
    close(jobs, files, job.id)
    lines = volume.events(job.id).read_bytes().splitlines()
    volume.events(job.id).write_bytes(b"\n".join([lines[0], b"{", b'["x", "state", {}]', *lines[3:]]))

    assert len(jobs.events(job.id, limit=100)) == len(lines) - 2


def test_records_are_rebuilt_without_their_weight(jobs: JobStore, files: JobFiles, redis: Redis) -> None:
    job = ended(jobs, files)
    close(jobs, files, job.id)
    log = jobs.events(job.id, limit=100)
    redis.flushdb()

    assert rebuild(jobs, files) == 1

    assert bytes_in_redis(redis, job.id) < 800
    assert jobs.get(job.id) == job
    assert jobs.events(job.id, limit=100) == log
    assert jobs.unclosed(0) == []
    assert list(jobs.ended_before(cast("int", job.finished_at) + 1)) == [job.id]
    assert list(jobs.ended_before(cast("int", job.finished_at))) == []


def test_ids_are_filtered_without_reading_records(jobs: JobStore, files: JobFiles) -> None:
    first, second = ended(jobs, files), ended(jobs, files, model="other")
    batch = a_batch()
    jobs.create(batch)
    close(jobs, files, first.id)

    assert list(jobs.ids()) == [batch.id, second.id, first.id]
    assert list(jobs.ids(JobFilter(model="toy"))) == [batch.id, first.id]
    assert list(jobs.ids(JobFilter(kind=Kind.TRAINING))) == [second.id, first.id]
    assert list(jobs.ids(JobFilter(State.SUCCEEDED, model="toy"), before=second.id)) == [first.id]
    assert list(jobs.ids(JobFilter(State.QUEUED, kind=Kind.TRAINING))) == []


def test_long_error_is_shortened(jobs: JobStore, files: JobFiles) -> None:
    claim = submitted(jobs, files, a_training())
    jobs.finish(claim, State.FAILED, error={"code": "internal_error", "detail": "x" * 1_000_000})

    error = jobs.get(claim.job.id).error

    assert error is not None
    assert len(error["detail"]) < 3000
