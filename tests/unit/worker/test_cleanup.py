"""The cleanup removes what killed processes have left, and nothing that a live one may still need."""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from redis import Redis

from api.requests.submission import Submission
from shared.errors import NotFound
from shared.jobs import Claim, Job, JobStore, State
from shared.jobs.files import JobFiles, delete, rebuild
from shared.jobs.task_queue import connect
from shared.runtime.settings import Settings
from shared.storage.uploads.folder import folder_names
from shared.storage.uploads.record import UploadRecord
from shared.storage.uploads.store import UploadStore
from shared.storage.volume import Volume
from tests.support.data.files import files_below, left_behind
from tests.support.objects.bench import WorkBench
from tests.support.objects.jobs import a_batch, a_training, claimed, move
from tests.support.objects.models import a_draft, publish, tiny_parameters
from tests.support.programs.forks import DIED, dies_before_change
from tests.support.waiting import eventually
from worker.cleanup import Cleanup, CleanupProcess, volume_now

DAY = 24 * 3600.0
NEVER = 1_000_000


@pytest.fixture
def bench(settings: Settings) -> WorkBench:
    return WorkBench(settings)


def clean_up(bench: WorkBench) -> list[str]:
    """Clean up, and return what was removed."""
    removed = Cleanup(bench.jobs, bench.files, bench.volume, DAY).run()
    return [str(path.relative_to(bench.volume.root)) for path in removed]


def age(folder: Path, seconds: float = 2 * DAY) -> None:
    """Change the times of everything at and below the folder as if it had been written that long ago."""
    then = time.time() - seconds
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (then, then))


LEFTOVERS = [
    "incoming/.tmp-0-upload",
    "incoming/.tmp-0-mnist/mnist.npz",
    "uploads/bob/.tmp-0-new/data",
    "datasets/.tmp-0-new/data.npz",
    "datasets/names/.tmp-0-easy",
    "models/toy/.tmp-0-1",
    "models/toy/by-job/.tmp-0-job",
    "models/toy/states/.tmp-0-7",
    "models/toy/1/.tmp-0-manifest.json",
    "jobs/.tmp-0-removed/archive",
    "jobs/01m/.tmp-0-weights.npz",
    "jobs/01m/checkpoints/.tmp-0-000000000001.checkpoint",
    "jobs/01m/shards/.tmp-0-000000.0.jsonl",
    ".tmp-0-restoring/volume/models/toy/1/weights.npz",
    ".tmp-0-reserve",
]


class TestTemporaryFiles:
    @pytest.mark.parametrize("path", LEFTOVERS)
    def test_old_ones_are_removed_from_every_part_of_the_volume(self, bench: WorkBench, path: str) -> None:
        file = bench.volume.root / path
        others = [bench.volume.specification("01m"), bench.volume.version("toy", 1) / "manifest.json"]
        for each in (file, *others):
            each.parent.mkdir(parents=True, exist_ok=True)
            each.write_text("{}")
        age(bench.volume.root)

        (removed,) = clean_up(bench)

        assert path.startswith(removed)
        assert not file.exists()
        assert all(other.exists() for other in others)
        assert clean_up(bench) == []

    @pytest.mark.parametrize("path", LEFTOVERS)
    def test_recent_ones_are_kept(self, bench: WorkBench, path: str) -> None:
        file = bench.volume.root / path
        file.parent.mkdir(parents=True)
        file.write_bytes(b"")
        age(bench.volume.root)
        age(file, DAY / 2)  # a folder's own time does not change while a file in it is written

        assert clean_up(bench) == []
        assert file.exists()

    @pytest.mark.parametrize("hours", [-1, 1, 48])
    def test_the_clock_of_the_host_does_not_matter(
        self, bench: WorkBench, monkeypatch: pytest.MonkeyPatch, hours: int
    ) -> None:
        file = bench.volume.incoming / ".tmp-0-upload"
        file.parent.mkdir(parents=True)
        file.touch()
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + hours * 3600)

        assert clean_up(bench) == []
        assert volume_now(bench.volume) == pytest.approx(now, abs=60)

    def test_a_folder_that_is_half_removed_is_removed_under_a_name_of_the_same_length(self, bench: WorkBench) -> None:
        bench.files.begin(job := a_training())
        folder = bench.volume.job(job.id)
        assert dies_before_change(2, partial(bench.files.remove, job.id))
        assert not folder.exists()
        for _ in range(3):
            age(bench.volume.root)
            dies_before_change(2, partial(clean_up, bench))
            (left,) = bench.volume.jobs.iterdir()
            assert len(left.name) < 60

        clean_up(bench)

        assert list(bench.volume.jobs.iterdir()) == []


def submit(settings: Settings, job: Job, upload: Path) -> None:
    bench = WorkBench(settings)
    Submission(bench.jobs, bench.task_queue, bench.files).submit(job, upload)


class TestJobs:
    def test_a_job_whose_api_is_killed_before_it_has_a_record_is_removed_and_never_runs(
        self, settings: Settings, tmp_path: Path
    ) -> None:
        outcomes = set()
        for change in count(1):
            bench = WorkBench(settings.model_copy(update={"volume": tmp_path / str(change)}))
            bench.redis.flushdb()
            bench.volume.incoming.mkdir(parents=True)
            upload, job = bench.volume.incoming / "upload", a_batch()
            upload.write_bytes(b"PK")
            if not dies_before_change(change, partial(submit, bench.settings, job, upload)):
                break
            has_record = bench.jobs.state(job.id) is not None
            outcomes.add((has_record, bench.files.has(job.id)))
            assert has_record or not bench.files.has(job.id)
            assert clean_up(bench) == []
            age(bench.volume.root)
            clean_up(bench)
            assert bench.volume.job(job.id).exists() is has_record

            bench.redis.flushdb()
            rebuild(bench.jobs, bench.files)
            assert (bench.jobs.state(job.id) is not None) is bench.files.has(job.id)
        assert outcomes == {(False, False), (True, False)}

    def test_a_job_with_a_record_that_was_not_accepted_fails(self, bench: WorkBench) -> None:
        job = a_training()
        bench.files.prepare(job)
        bench.jobs.create(job)

        ended = bench.run(job, bench.training())

        assert (ended.state, ended.error and ended.error["code"]) == (State.FAILED, "not_accepted")

    def test_a_job_that_is_accepted_while_it_is_removed_is_kept(
        self, bench: WorkBench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The cleanup was stopped for long, after it had looked at the folder."""
        job = a_training()
        bench.files.prepare(job)
        age(bench.volume.root)
        state = JobStore.state

        def accepted_meanwhile(jobs: JobStore, job_id: str) -> str | None:
            before = state(jobs, job_id)
            bench.jobs.create(job)
            bench.files.accept(job.id)
            return before

        monkeypatch.setattr(JobStore, "state", accepted_meanwhile)

        assert clean_up(bench) == []
        assert bench.files.has(job.id)

    def test_folders_that_a_stopped_worker_creates_for_a_deleted_job_are_removed(self, bench: WorkBench) -> None:
        checkpoint = bench.volume.checkpoints("01m8h") / "000000000001.checkpoint"
        checkpoint.parent.mkdir(parents=True)
        checkpoint.touch()
        assert clean_up(bench) == []
        age(bench.volume.root)

        assert clean_up(bench) == ["jobs/01m8h"]

    @pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.SUCCEEDED, State.FAILED])
    def test_an_accepted_job_is_kept_in_every_state(self, bench: WorkBench, state: State) -> None:
        job = bench.submit(a_training())
        move(bench.jobs, job.id, state)
        age(bench.volume.root)

        assert clean_up(bench) == []
        assert bench.files.has(job.id)

    def test_an_accepted_job_without_a_record_is_kept_for_the_rebuild(self, bench: WorkBench) -> None:
        job = bench.submit(a_training())
        bench.redis.flushdb()
        age(bench.volume.root)

        assert clean_up(bench) == []
        assert rebuild(bench.jobs, bench.files) == 1
        assert bench.jobs.get(job.id).state is State.QUEUED


def delete_in_process(settings: Settings, job_id: str) -> None:
    bench = WorkBench(settings)
    delete(bench.jobs, bench.files, job_id)


class TestDeletions:
    def test_a_deletion_that_is_killed_at_any_step_is_completed_or_has_not_begun(
        self, settings: Settings, tmp_path: Path
    ) -> None:
        marked = 0
        for change in count(1):
            bench = WorkBench(settings.model_copy(update={"volume": tmp_path / str(change)}))
            bench.redis.flushdb()
            job = bench.submit(a_training())
            bench.jobs.cancel(job.id)
            bench.files.end(bench.jobs.get(job.id))
            if not dies_before_change(change, partial(delete_in_process, bench.settings, job.id)):
                break
            begun = bench.files.is_deleted(job.id) or not bench.files.has(job.id)
            marked += bench.files.is_deleted(job.id)
            assert begun or bench.jobs.get(job.id).state is State.CANCELLED
            age(bench.volume.root)

            clean_up(bench)

            assert (bench.jobs.state(job.id) is None) is begun
            assert (left_behind(bench.volume) == []) is begun
        assert change > 3
        assert marked

    def test_a_job_whose_deletion_was_interrupted_is_not_rebuilt(self, settings: Settings, tmp_path: Path) -> None:
        for change in count(1):
            bench = WorkBench(settings.model_copy(update={"volume": tmp_path / str(change)}))
            bench.redis.flushdb()
            job = bench.submit(a_training())
            bench.jobs.cancel(job.id)
            died = dies_before_change(change, partial(delete_in_process, bench.settings, job.id))
            has_record = bench.jobs.state(job.id) is not None
            bench.redis.flushdb()

            rebuild(bench.jobs, bench.files)

            assert has_record or bench.jobs.state(job.id) is None
            if not died:
                break
        assert change > 3

    def test_a_job_that_is_retried_after_an_interrupted_deletion_is_kept(self, bench: WorkBench) -> None:
        job = bench.submit(a_training())
        bench.jobs.cancel(job.id)
        bench.files.mark_deleted(job.id)
        bench.jobs.retry(job.id)
        bench.files.reopen(bench.jobs.get(job.id))
        age(bench.volume.root)

        assert clean_up(bench) == []
        bench.redis.flushdb()
        assert rebuild(bench.jobs, bench.files) == 1

    def test_the_mark_of_a_job_that_has_not_ended_is_removed(self, bench: WorkBench) -> None:
        job = bench.submit(a_training())
        bench.files.mark_deleted(job.id)
        age(bench.volume.root)

        clean_up(bench)

        assert not bench.files.is_deleted(job.id)
        assert bench.jobs.get(job.id).state is State.QUEUED

    def test_a_repeated_request_with_the_id_of_a_deleted_job_is_accepted(self, bench: WorkBench) -> None:
        job = bench.submit(a_training())
        bench.files.mark_deleted(job.id)
        bench.jobs.discard(job.id)

        Submission(bench.jobs, bench.task_queue, bench.files).submit(job)

        bench.redis.flushdb()
        assert rebuild(bench.jobs, bench.files) == 1

    def test_names_without_a_data_set_are_removed(self, bench: WorkBench) -> None:
        dataset = bench.dataset()
        orphan = bench.volume.dataset_names / "orphan"
        orphan.write_text("0" * 64)
        assert clean_up(bench) == []
        age(bench.volume.root)

        assert clean_up(bench) == ["datasets/names/orphan"]
        assert files_below(bench.volume.dataset_names) == [dataset.name]

    def test_the_weights_of_a_version_whose_deletion_was_interrupted_are_removed(self, bench: WorkBench) -> None:
        publish(bench.registry)
        weights = bench.volume.version("toy", 1) / "weights.npz"
        kept = weights.read_bytes()
        bench.registry.delete("toy", "1")
        weights.write_bytes(kept)

        assert clean_up(bench) == ["models/toy/1/weights.npz"]
        with pytest.raises(NotFound):
            bench.registry.get("toy", "1")


class TestPublications:
    @pytest.fixture
    def abandoned(self, bench: WorkBench) -> Claim:
        """The claim of a worker that was killed before its commit."""
        job = bench.a_training()
        claim = claimed(bench.jobs, job.id)
        draft, scratch = a_draft(job=job.id), bench.volume.job(job.id)

        def killed_before_its_commit() -> None:
            bench.registry.publish(draft, tiny_parameters(), scratch, lambda: os._exit(DIED))

        assert dies_before_change(NEVER, killed_before_its_commit)
        return claim

    def test_the_weights_of_an_unpublished_version_are_removed_once_its_job_has_ended(
        self, bench: WorkBench, abandoned: Claim
    ) -> None:
        age(bench.volume.root)
        clean_up(bench)
        assert files_below(bench.volume.models) == ["toy/1/manifest.json", "toy/1/weights.npz"]
        assert bench.jobs.finish(abandoned, State.FAILED)

        assert clean_up(bench) == ["models/toy/1/weights.npz"]
        assert publish(bench.registry, job="another").version == 2

    def test_the_weights_of_a_recent_version_are_kept(self, bench: WorkBench, abandoned: Claim) -> None:
        assert bench.jobs.finish(abandoned, State.FAILED)

        assert clean_up(bench) == []

    def test_published_versions_are_kept(self, bench: WorkBench) -> None:
        version = publish(bench.registry, job=bench.a_training().id)
        age(bench.volume.root)

        assert clean_up(bench) == []
        assert bench.registry.load(version)


class TestWithoutRedis:
    def test_temporary_files_are_removed(self, bench: WorkBench, tmp_path: Path) -> None:
        left = bench.volume.incoming / ".tmp-0-upload"
        left.parent.mkdir(parents=True)
        left.touch()
        bench.files.prepare(a_training())
        age(bench.volume.root)
        nowhere = JobStore(connect(bench.settings.model_copy(update={"redis_url": f"unix://{tmp_path}/no.sock"})))

        removed = Cleanup(nowhere, bench.files, bench.volume, DAY).run()

        assert removed == [left]


class TestProcess:
    def test_the_cleanup_runs_in_a_process_of_its_own(
        self, settings: Settings, redis: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        volume = Volume(settings.volume)
        left = volume.incoming / ".tmp-0-upload"
        left.parent.mkdir(parents=True)
        left.touch()
        age(volume.root)
        for name in ("redis_url", "volume"):
            monkeypatch.setenv(f"GLASSBOX_{name.upper()}", str(getattr(settings, name)))
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        process, another = (CleanupProcess(JobStore(redis), settings) for _ in range(2))

        process.tick()
        another.tick()

        assert another._process is None  # the next cleanup is due in an hour
        assert eventually(lambda: not left.exists(), within=60.0)
        process.stop()


def test_job_files_of_an_older_release_are_accepted_jobs(volume: Volume, jobs: JobStore) -> None:
    files, job = JobFiles(volume), a_training()
    files.begin(job)
    assert files_below(volume.job(job.id)) == ["specification.json"]

    assert rebuild(jobs, files) == 1


def test_expired_uploads_lose_their_bytes_first_and_later_their_records(bench: WorkBench, settings: Settings) -> None:
    store = UploadStore(bench.volume, settings)
    for upload_id in ("01k8z4y6w9m3n5p7q1r2s4t6v8", "01k8z4y6w9m3n5p7q1r2s4t6v9"):
        store.create("bob", UploadRecord(id=upload_id, length=10))
    old = bench.volume.upload("bob", "01k8z4y6w9m3n5p7q1r2s4t6v8")
    (old / "data").write_bytes(b"12345")
    cleanup = Cleanup(bench.jobs, bench.files, bench.volume, DAY, upload_expiry=DAY)

    age(old, 1.5 * DAY)
    assert cleanup.run() == [old / "data"]
    age(old, 2.5 * DAY)
    assert cleanup.run() == [old]
    assert folder_names(bench.volume.uploads_of("bob")) == ["01k8z4y6w9m3n5p7q1r2s4t6v9"]
