"""The jobs' files on the volume."""

from __future__ import annotations

from functools import partial
from itertools import count
from pathlib import Path

import pytest

from shared.archives.index import ArchiveIndex, ImageArray, Kind
from shared.jobs import JobStore, State
from shared.jobs.files import JobFiles, close, rebuild
from shared.storage.volume import Volume
from tests.support.data.files import files_below
from tests.support.objects.jobs import a_batch, a_training, claimed
from tests.support.programs.forks import dies_before_change

INDEX = ArchiveIndex(Kind.ARRAY, array=ImageArray(0, 7, 2, 2))


@pytest.fixture
def files(volume: Volume) -> JobFiles:
    return JobFiles(volume)


@pytest.fixture
def archive(volume: Volume) -> Path:
    path = volume.incoming / "upload"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PK")
    return path


def test_a_volume_without_jobs_has_none(files: JobFiles) -> None:
    assert list(files) == []


def test_a_job_is_stored_as_it_was_submitted(files: JobFiles) -> None:
    job = a_training(request={"dataset": "digits"}, specification={"epochs": 3}, timeout_seconds=9.5)
    files.begin(job)

    assert list(files) == [job]
    assert files.has(job.id)
    assert not files.has("another")


def test_an_archive_moves_to_its_job_with_its_index(files: JobFiles, volume: Volume, archive: Path) -> None:
    job = a_batch()
    files.begin(job, archive, INDEX)

    assert volume.archive(job.id).read_bytes() == b"PK"
    assert not archive.exists()
    assert len(ArchiveIndex.load(volume.archive_index(job.id))) == 7


def test_a_job_with_a_specification_has_its_archive_and_index_after_any_crash(tmp_path: Path) -> None:
    for change in count(1):
        volume, job = Volume(tmp_path / str(change)), a_batch()
        files = JobFiles(volume)
        upload = tmp_path / f"upload-{change}"
        upload.write_bytes(b"PK")
        died = dies_before_change(change, partial(files.begin, job, upload, INDEX))
        if files.has(job.id):
            assert volume.archive(job.id).exists()
            assert len(ArchiveIndex.load(volume.archive_index(job.id))) == 7
        if not died:
            break
    assert change > 6


def test_an_ended_job_is_read_as_it_ended(files: JobFiles) -> None:
    job = a_training()
    files.begin(job)
    ended = job.model_copy(update={"state": State.FAILED, "error": {"code": "poison"}, "attempt": 3})
    files.end(ended)

    assert list(files) == [ended]


def test_a_retried_job_is_read_as_it_was_submitted(files: JobFiles) -> None:
    job = a_training()
    files.begin(job)
    files.end(job.model_copy(update={"state": State.FAILED}))

    files.reopen(job)
    files.reopen(job)

    assert list(files) == [job]


def test_the_end_of_a_deleted_job_writes_no_file(files: JobFiles, volume: Volume) -> None:
    job = a_training(state=State.CANCELLED)
    files.end(job)

    assert files_below(volume.root) == []


def test_a_removed_job_leaves_no_files(files: JobFiles, volume: Volume, archive: Path) -> None:
    job = a_batch()
    files.begin(job, archive)
    files.end(job.model_copy(update={"state": State.CANCELLED}))

    files.remove(job.id)
    files.remove(job.id)

    assert files_below(volume.jobs) == []
    assert list(files) == []


@pytest.mark.parametrize("content", [b"", b"{", b'{"id": 3}', b"\xff"])
def test_an_unreadable_file_is_skipped(files: JobFiles, volume: Volume, content: bytes) -> None:
    torn_end, torn, whole = a_training(), a_training(), a_training()
    for job in (torn_end, torn, whole):
        files.begin(job)
    volume.end(torn_end.id).write_bytes(content)
    volume.specification(torn.id).write_bytes(content)

    assert {job.id for job in files} == {torn_end.id, whole.id}


def test_folders_and_files_that_are_not_jobs_are_skipped(files: JobFiles, volume: Volume) -> None:
    job = a_training()
    files.begin(job)
    (volume.jobs / ".tmp-1234-something").mkdir()
    (volume.jobs / "empty").mkdir()
    (volume.jobs / "a-file").touch()

    assert list(files) == [job]


def test_only_an_ended_job_is_closed(files: JobFiles, jobs: JobStore, volume: Volume) -> None:
    job = a_training()
    files.begin(job)
    jobs.create(job)
    claim = claimed(jobs, job.id)
    close(jobs, files, job.id)
    assert not volume.end(job.id).exists()

    jobs.finish(claim, State.SUCCEEDED)
    close(jobs, files, job.id)

    assert list(files) == [jobs.get(job.id)]
    assert jobs.unclosed(0) == []


def test_records_are_rebuilt_once(files: JobFiles, jobs: JobStore) -> None:
    for job in (a_training(), a_batch(), a_training(state=State.CANCELLED, created_at=5, finished_at=9)):
        files.begin(job)

    assert rebuild(jobs, files) == 3
    assert rebuild(jobs, files) == 0
    assert [jobs.count(state) for state in (State.QUEUED, State.CANCELLED)] == [2, 1]
