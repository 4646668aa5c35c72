"""A job is accepted once it is stored and sent, and leaves nothing if one of the two fails."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import OutOfMemoryError

from api.app import create_app
from api.requests.submission import Submission
from shared.errors import TooLarge, TooMany
from shared.jobs import Job, JobStore, Kind, State, keys
from shared.jobs.files import JobFiles
from shared.jobs.task_queue import TaskQueue, celery_app
from shared.runtime import log_context
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from tests.support.data.files import files_below
from tests.support.objects.jobs import a_batch, a_training, claimed, messages
from tests.support.problems import assert_problem


class Recorder(TaskQueue):
    """A task queue that records the job's files and state when it sends; it may raise an error after that."""

    def __init__(self, settings: Settings, redis: Redis, volume: Volume, error: Exception | None = None) -> None:
        super().__init__(celery_app(settings), redis)
        self.redis = redis
        self.volume = volume
        self.error = error
        self.files: list[str] = []
        self.state = ""

    def send(self, kind: Kind, job_id: str) -> None:
        self.files = files_below(self.volume.job(job_id))
        self.state = str(self.redis.hget(keys.job(job_id), "state"))
        if self.error is not None:
            raise self.error
        super().send(kind, job_id)


@pytest.fixture
def recorder(settings: Settings, redis: Redis, volume: Volume) -> Recorder:
    return Recorder(settings, redis, volume)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "volume" / "incoming" / "archive"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"an archive")
    return path


def test_files_and_record_exist_before_the_message_is_sent(
    jobs: JobStore, recorder: Recorder, volume: Volume, redis: Redis, archive: Path
) -> None:
    job, _ = Submission(jobs, recorder, JobFiles(volume)).submit(a_batch(), archive)

    assert recorder.files == ["archive", "specification.json"]
    assert recorder.state == "queued"
    assert len(messages(redis, "inference")) == 1
    assert job == jobs.get(job.id)
    assert not archive.exists()


def test_message_rejected_by_a_full_redis_leaves_no_record(
    settings: Settings, jobs: JobStore, volume: Volume, redis: Redis, archive: Path
) -> None:
    rejected = OperationalError("OOM")
    rejected.__cause__ = OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")
    failing = Recorder(settings, redis, volume, error=rejected)

    with pytest.raises(OperationalError):
        Submission(jobs, failing, JobFiles(volume)).submit(a_batch(), archive)

    assert failing.state == "queued"
    assert list(jobs.newest_first()) == []
    assert files_below(volume.root) == []


def test_message_that_cannot_be_sent_leaves_no_files(
    settings: Settings, jobs: JobStore, volume: Volume, redis: Redis, archive: Path
) -> None:
    failing = Recorder(settings, redis, volume, error=OperationalError("gone"))

    with pytest.raises(OperationalError):
        Submission(jobs, failing, JobFiles(volume)).submit(a_batch(), archive)

    assert failing.state == "queued"
    assert files_below(volume.root) == []  # workers never run a job without files


def test_record_that_cannot_be_written_leaves_no_files(
    recorder: Recorder, volume: Volume, redis: Redis, archive: Path
) -> None:
    class Failing(JobStore):
        def create(self, *_: Any, **__: Any) -> bool:
            raise ConnectionError

    with pytest.raises(ConnectionError):
        Submission(Failing(redis, 30.0), recorder, JobFiles(volume)).submit(a_batch(), archive)

    assert files_below(volume.root) == []
    assert redis.keys("*") == []


def test_failed_write_to_the_volume_leaves_no_record(
    jobs: JobStore, recorder: Recorder, volume: Volume, redis: Redis
) -> None:
    volume.root.mkdir()
    volume.jobs.write_bytes(b"in the way")

    with pytest.raises(OSError, match="directory"):
        Submission(jobs, recorder, JobFiles(volume)).submit(a_training())

    assert redis.keys("*") == []


def test_job_claimed_at_once_is_returned_as_queued(
    settings: Settings, jobs: JobStore, volume: Volume, redis: Redis
) -> None:
    class Quick(TaskQueue):
        def send(self, kind: Kind, job_id: str) -> None:  # noqa: ARG002
            assert jobs.claim(job_id, "a quick worker")

    job, _ = Submission(jobs, Quick(celery_app(settings), redis), JobFiles(volume)).submit(a_training())

    assert job.state is State.QUEUED


class TestFullQueues:
    @pytest.fixture
    def submission(self, settings: Settings, jobs: JobStore, volume: Volume, redis: Redis) -> Submission:
        """A submission that allows two queued jobs of each kind."""
        task_queue = TaskQueue(celery_app(settings), redis)
        return Submission(jobs, task_queue, JobFiles(volume), max_queued_jobs=2)

    def test_job_beyond_the_limit_is_rejected_with_a_time_to_retry(
        self, submission: Submission, volume: Volume
    ) -> None:
        for _ in range(2):
            submission.submit(a_training())
        before = files_below(volume.root)

        with pytest.raises(TooMany) as caught:
            submission.submit(a_training())

        assert caught.value.code == "queue_full"
        assert caught.value.retry_after > 0
        assert files_below(volume.root) == before

    def test_each_kind_has_its_own_queue(self, submission: Submission) -> None:
        for _ in range(2):
            submission.submit(a_training())

        submission.reject_if_full(Kind.BATCH)

    def test_claimed_job_frees_a_place_in_the_queue(self, submission: Submission, jobs: JobStore) -> None:
        first, _ = submission.submit(a_training())
        submission.submit(a_training())
        claimed(jobs, first.id)

        submission.submit(a_training())

    def test_limit_of_0_allows_any_number_of_jobs(self, jobs: JobStore, recorder: Recorder, volume: Volume) -> None:
        unlimited = Submission(jobs, recorder, JobFiles(volume))

        for _ in range(5):
            unlimited.submit(a_training())

    def test_default_limit_is_a_thousand_jobs(self, limits: Settings) -> None:
        assert limits.max_queued_jobs == 1000


def test_retry_counts_against_the_limit_of_the_queue(settings: Settings, jobs: JobStore) -> None:
    ended, waiting = a_training(), a_training()
    jobs.create(ended)
    jobs.cancel(ended.id)
    jobs.create(waiting)
    client = create_app(settings.model_copy(update={"max_queued_jobs": 1})).test_client()

    response = client.post(f"/v1/jobs/{ended.id}/retry")

    assert_problem(response, 429, "queue_full")
    assert int(response.headers["Retry-After"]) > 0
    assert jobs.get(ended.id).state is State.CANCELLED
    assert_problem(client.post(f"/v1/jobs/{waiting.id}/retry"), 409, "wrong_state")


def test_upload_for_a_full_queue_is_rejected_before_it_is_read(settings: Settings, jobs: JobStore) -> None:
    jobs.create(a_batch())
    client = create_app(settings.model_copy(update={"max_queued_jobs": 1})).test_client()
    body = io.BytesIO(b"x" * 1000)

    response = client.post("/v1/batch-jobs?model=toy", input_stream=body, content_length=1000)

    assert_problem(response, 429, "queue_full")
    assert int(response.headers["Retry-After"]) > 0
    assert body.tell() == 0


def test_a_key_with_its_most_jobs_is_rejected_before_its_upload(settings: Settings, jobs: JobStore) -> None:
    client = create_app(settings.model_copy(update={"max_jobs_per_key": 2})).test_client()
    claimed(jobs, _created(jobs, a_training()).id)
    _created(jobs, a_batch(key="another"))
    waits = _created(jobs, a_batch())

    response = client.post("/v1/batch-jobs?model=toy", data=b"not even an archive")

    problem = assert_problem(response, 429, "job_quota_exceeded")
    assert "2 or more queued and running jobs" in problem["detail"]
    assert "at most 2 (GLASSBOX_MAX_JOBS_PER_KEY)" in problem["detail"]
    assert int(response.headers["Retry-After"]) > 0
    jobs.cancel(waits.id)
    assert_problem(client.post("/v1/batch-jobs?model=toy", data=b"not an archive"), 404, "model_not_found")


def test_a_key_whose_archives_take_too_much_is_rejected_until_a_batch_is_deleted(
    jobs: JobStore, recorder: Recorder, volume: Volume, archive: Path
) -> None:
    content = archive.read_bytes()
    submission = Submission(jobs, recorder, JobFiles(volume), max_archive_bytes_per_key=len(content) + 5)
    first, _ = submission.submit(a_batch(), archive)
    archive.write_bytes(content)

    with pytest.raises(TooLarge, match=r"GLASSBOX_MAX_ARCHIVE_BYTES_PER_KEY") as refused:
        submission.submit(a_batch(), archive)
    assert refused.value.code == "archive_quota_exceeded"
    with log_context.bound(key="another"):
        submission.submit(a_batch(), archive)
    archive.write_bytes(content)
    jobs.cancel(first.id)
    jobs.delete(first.id)
    submission.submit(a_batch(), archive)


class TestOverlappingRequests:
    """Two requests pass the check before the upload; the second finds the quota used when its record is created."""

    @pytest.fixture
    def submission(
        self, jobs: JobStore, recorder: Recorder, volume: Volume, monkeypatch: pytest.MonkeyPatch
    ) -> Submission:
        monkeypatch.setattr(JobStore, "count_of_key", lambda *_: 0)
        monkeypatch.setattr(JobStore, "archive_bytes_of_key", lambda *_: 0)
        return Submission(jobs, recorder, JobFiles(volume), max_jobs_per_key=2, max_archive_bytes_per_key=15)

    def test_no_more_jobs_are_accepted_than_a_key_may_have(
        self, submission: Submission, jobs: JobStore, volume: Volume
    ) -> None:
        with log_context.bound(key="another"):
            submission.submit(a_training())
        first, second = (submission.submit(a_training())[0] for _ in range(2))
        before = files_below(volume.root)

        with pytest.raises(TooMany, match="GLASSBOX_MAX_JOBS_PER_KEY"):
            submission.submit(a_training())
        assert files_below(volume.root) == before
        assert jobs.waiting(Kind.TRAINING) == 3

        jobs.cancel(first.id)
        submission.submit(a_training())
        with pytest.raises(TooMany, match="GLASSBOX_MAX_JOBS_PER_KEY"):
            submission.retry(jobs.get(first.id))
        jobs.cancel(second.id)
        submission.retry(jobs.get(first.id))
        assert jobs.get(first.id).state is State.QUEUED

    def test_no_more_bytes_of_archives_are_accepted_than_a_key_may_have(
        self, submission: Submission, jobs: JobStore, redis: Redis, archive: Path
    ) -> None:
        first, _ = submission.submit(a_batch(), archive)
        archive.write_bytes(b"10 bytes, ")

        with pytest.raises(TooLarge, match="GLASSBOX_MAX_ARCHIVE_BYTES_PER_KEY"):
            submission.submit(a_batch(), archive)
        assert [job.id for job in jobs.newest_first()] == [first.id]
        assert redis.hgetall(keys.ARCHIVE_BYTES) == {"_": "10"}


def test_all_archives_of_a_batch_count_towards_the_quota(
    jobs: JobStore, recorder: Recorder, volume: Volume, tmp_path: Path
) -> None:
    folder = tmp_path / "volume" / "incoming" / "archives"
    folder.mkdir(parents=True)
    for number in range(2):
        (folder / str(number)).write_bytes(b"x" * 6_000)
    submission = Submission(jobs, recorder, JobFiles(volume), max_archive_bytes_per_key=10_000)

    with pytest.raises(TooLarge, match="with this one"):
        submission.submit(a_batch(), folder)
    (folder / "1").unlink()
    assert submission.submit(a_batch(), folder)[0].archive_bytes == 6_000


def test_the_bytes_of_archives_that_an_older_version_deleted_are_not_counted(jobs: JobStore, redis: Redis) -> None:
    _created(jobs, a_batch(archive_bytes=7))
    redis.hincrby(keys.ARCHIVE_BYTES, "_", 100)

    jobs.recount_archive_bytes()

    assert jobs.archive_bytes_of_key(None) == 7


def test_an_archive_that_comes_while_the_bytes_are_counted_again_is_counted(
    jobs: JobStore, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    _created(jobs, a_batch(archive_bytes=7))
    fields = JobStore._fields

    def read_then_create(self: JobStore, ids: Iterable[str], *names: str) -> list[list[str | None]]:
        found = fields(self, ids, *names)
        _created(jobs, a_batch(archive_bytes=5))
        return found

    monkeypatch.setattr(JobStore, "_fields", read_then_create)
    jobs.recount_archive_bytes()

    assert redis.hgetall(keys.ARCHIVE_BYTES) == {"_": "12"}


def _created(jobs: JobStore, job: Job) -> Job:
    jobs.create(job)
    return job
