"""A restore brings back the models, the data sets, and the jobs: ended, queued and running."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import IO, Any

import pytest

from shared.datasets import DatasetStore
from shared.errors import Conflict, Damaged, Invalid, NotFound
from shared.idempotency import IdempotencyKeys, StoredResponse
from shared.jobs import Job, Kind, State, keys
from shared.jobs.capacity.counters import read_counters
from shared.jobs.files import close
from shared.jobs.task_queue import DISPATCHER, Presence
from shared.webhooks.outbox import Outbox
from tests.support.data.files import files_below
from tests.support.objects.jobs import a_training, claimed, events
from tests.support.objects.models import publish
from tests.unit.worker.backup.conftest import Deployment
from worker.app import job_store
from worker.backup.archive import BackupWriter
from worker.backup.saving import save
from worker.maintenance import Maintenance


def ended(deployment: Deployment) -> Job:
    """Run a training to its end."""
    job = deployment.a_training()
    return deployment.run(job, deployment.training())


def interrupted(deployment: Deployment) -> Job:
    """Submit and claim a job, as if its worker were running it."""
    job = deployment.a_training(epochs=5)
    return claimed(deployment.jobs, job.id).job


def everything(deployment: Deployment) -> list[str]:
    """Return the volume's files, except for those that a backup leaves out: the reserved space and the indices."""
    volume = deployment.volume
    left_out = {volume.reserve.name, volume.version_index("toy").name}
    return (
        [path for path in files_below(volume.root) if Path(path).name not in left_out] if volume.root.exists() else []
    )


class TestRestoring:
    def test_a_model_with_its_aliases_is_restored_bit_for_bit(self, here: Deployment, there: Deployment) -> None:
        job = ended(here)
        here.registry.point("toy", "champion", 1)

        there.restore(here.save())

        version = there.registry.resolve("toy@champion")
        assert (version.job, version.version) == (job.id, 1)
        assert version == here.registry.get("toy")
        assert there.registry.load(version).keys() == here.registry.load(version).keys()

    def test_every_file_is_the_same(self, here: Deployment, there: Deployment) -> None:
        ended(here)

        there.restore(here.save())

        saved = everything(here)
        assert saved
        assert everything(there) == saved
        assert all((there.volume.root / f).read_bytes() == (here.volume.root / f).read_bytes() for f in saved)

    def test_an_ended_job_is_restored_with_its_log(self, here: Deployment, there: Deployment) -> None:
        job = ended(here)

        there.restore(here.save())

        assert there.jobs.get(job.id) == here.jobs.get(job.id)
        assert events(there.redis, job.id) == events(here.redis, job.id)

    def test_a_job_whose_record_is_on_the_volume_is_restored_with_its_log(
        self, here: Deployment, there: Deployment
    ) -> None:
        job = ended(here)
        moving = job_store(here.settings)
        close(moving, here.files, job.id)
        log = moving.events(job.id, limit=100)
        assert here.redis.exists(keys.events(job.id)) == 0

        there.restore(here.save())

        restored = job_store(there.settings)
        assert list(restored.newest_first()) == [job]
        assert restored.events(job.id, limit=100) == log

    def test_a_job_that_was_retried_while_its_backup_was_made_is_queued(
        self, here: Deployment, there: Deployment
    ) -> None:
        job = ended(here)
        close(job_store(here.settings), here.files, job.id)
        here.volume.end(job.id).unlink()

        there.restore(here.save())

        assert job_store(there.settings).get(job.id).state is State.QUEUED

    def test_a_running_job_is_queued_and_sent_at_once(self, here: Deployment, there: Deployment) -> None:
        job = interrupted(here)

        restored = there.restore(here.save())

        assert (restored.jobs, restored.waiting) == (1, 1)
        again = there.jobs.get(job.id)
        assert (again.state, again.owner, again.attempt, again.crashes) == (State.QUEUED, None, 1, 0)
        Maintenance(there.jobs, there.files, there.task_queue, there.settings).tick()
        assert there.task_queue.waiting(Kind.TRAINING) == 1

    def test_a_running_job_reaches_the_same_result(self, here: Deployment, there: Deployment) -> None:
        job = interrupted(here)
        there.restore(here.save())

        outcome = there.run(job, there.training())

        assert outcome.state is State.SUCCEEDED
        assert there.registry.get("toy").version == 1

    def test_a_cancelling_job_is_cancelled(self, here: Deployment, there: Deployment) -> None:
        job = interrupted(here)
        here.jobs.cancel(job.id)

        there.restore(here.save())

        assert there.jobs.get(job.id).state is State.CANCELLED

    def test_a_job_that_published_after_its_record_was_read_does_not_publish_again(
        self, here: Deployment, there: Deployment
    ) -> None:
        job = interrupted(here)
        publish(here.registry, job=job.id)  # as its worker does while the backup reads the volume
        there.restore(here.save())

        outcome = there.run(job, there.training())

        assert outcome.state is State.SUCCEEDED
        assert [version.version for version in there.registry.versions("toy")] == [1]

    def test_a_job_accepted_after_the_records_were_read_gets_a_record(
        self, here: Deployment, there: Deployment
    ) -> None:
        late = a_training()
        here.files.begin(late)

        there.restore(here.save())

        assert there.jobs.get(late.id).state is State.QUEUED

    def test_a_job_deleted_after_the_records_were_read_stays_deleted(self, here: Deployment, there: Deployment) -> None:
        job = ended(here)
        here.files.remove(job.id)

        there.restore(here.save())

        with pytest.raises(NotFound):
            there.jobs.get(job.id)

    def test_a_job_whose_deletion_was_interrupted_stays_deleted(self, here: Deployment, there: Deployment) -> None:
        job = ended(here)
        here.files.mark_deleted(job.id)

        there.restore(here.save())

        with pytest.raises(NotFound):
            there.jobs.get(job.id)
        assert list(there.files) == []

    @pytest.mark.parametrize("is_known", [True, False], ids=["with-record", "accepted-after-the-records-were-read"])
    def test_a_job_deleted_after_a_part_of_it_was_saved_stays_deleted(
        self, here: Deployment, there: Deployment, monkeypatch: pytest.MonkeyPatch, is_known: bool
    ) -> None:
        job = ended(here)
        if not is_known:
            here.volume.end(job.id).unlink()
        add = BackupWriter.add_file

        def deleted_after(writer: BackupWriter, name: str, file: IO[bytes]) -> None:
            if name == f"volume/jobs/{job.id}/specification.json":
                add(writer, name, file)
                here.jobs.discard(job.id)
                here.files.remove(job.id)
            else:
                add(writer, name, file)

        if not is_known:
            here.jobs.discard(job.id)
        monkeypatch.setattr(BackupWriter, "add_file", deleted_after)

        there.restore(here.save())

        with pytest.raises(NotFound):
            there.jobs.get(job.id)
        assert not there.volume.job(job.id).exists()

    def test_a_job_that_was_never_accepted_gets_no_record(self, here: Deployment, there: Deployment) -> None:
        here.files.prepare(a_training())

        there.restore(here.save())

        assert list(there.jobs.newest_first()) == []

    def test_a_data_set_deleted_after_a_part_of_it_was_saved_stays_deleted(
        self, here: Deployment, there: Deployment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dataset = here.dataset()
        add = BackupWriter.add_file

        def deleted_after(writer: BackupWriter, name: str, file: IO[bytes]) -> None:
            add(writer, name, file)
            if name.startswith(f"volume/datasets/{dataset.digest}/"):
                DatasetStore(here.volume).delete(dataset.id)

        monkeypatch.setattr(BackupWriter, "add_file", deleted_after)

        there.restore(here.save())

        assert DatasetStore(there.volume).all() == []

    def test_an_outcome_missing_on_the_volume_is_written_there(self, here: Deployment, there: Deployment) -> None:
        job = ended(here)
        here.volume.end(job.id).unlink()

        there.restore(here.save())

        assert [known.state for known in there.files] == [State.SUCCEEDED]

    def test_the_counters_are_restored(self, here: Deployment, there: Deployment) -> None:
        ended(here)
        here.a_training()

        there.restore(here.save())

        assert read_counters(there.redis) == read_counters(here.redis)

    def test_a_pending_webhook_delivery_is_due(self, here: Deployment, there: Deployment) -> None:
        job = here.submit(a_training(webhook="https://receiver.example/"))
        here.jobs.cancel(job.id)

        there.restore(here.save())

        outbox = Outbox(there.redis)
        assert [delivery.job.id for delivery in outbox.take(outbox.due(10), 60.0)] == [job.id]

    def test_a_repeated_request_gets_the_same_response(self, here: Deployment, there: Deployment) -> None:
        stored = StoredResponse("f", 1, 202, "/v1/jobs/1", "{}")
        before, after = (IdempotencyKeys(each.redis, 3600.0, 300.0) for each in (here, there))
        held = before.begin("a user", "key")
        assert not isinstance(held, StoredResponse)
        before.finish(held, stored)

        there.restore(here.save())

        assert after.begin("a user", "key") == stored


class Watched(io.BytesIO):
    """A stream that calls a function before it writes the block with this number, if that block exists."""

    def __init__(self, block: int, call: Callable[[], object]) -> None:
        super().__init__()
        self._left = block
        self._call = call
        self.called = False

    def write(self, content: Any) -> int:
        if self._left == 0:
            self._call()
            self.called = True
        self._left -= 1
        return super().write(content)


def test_a_job_may_end_at_any_moment_of_the_backup(here: Deployment, there: Deployment) -> None:
    for moment in count():
        others = [ended(here).id for _ in range(3)]
        job = here.a_training()
        backup = Watched(moment, partial(here.run, job, here.training()))
        save(here.redis, here.volume, backup)

        there.restore(backup.getvalue(), force=True)
        if not there.jobs.get(job.id).state.is_terminal:
            there.run(job, there.training())

        assert there.jobs.get(job.id).state is State.SUCCEEDED
        assert [version.job for version in there.registry.versions("toy")] == [job.id, *others[::-1]]
        there.registry.load(there.registry.get("toy"))
        if not backup.called:
            break
        here.clear()
    assert moment > 6  # the stream gets many blocks


class TestWhatIsNotSaved:
    def test_a_backup_has_no_secret(self, here: Deployment) -> None:
        here.volume.root.mkdir()
        here.volume.webhook_secret.write_text("whsec_c2VjcmV0")

        assert b"whsec_" not in here.save()

    def test_a_backup_has_no_unfinished_upload_or_temporary_file(self, here: Deployment) -> None:
        job = ended(here)
        for path in (here.volume.incoming / "upload", here.volume.job(job.id) / ".tmp-1-end.json"):
            path.parent.mkdir(exist_ok=True)
            path.write_text("half")

        assert b"half" not in here.save()

    def test_a_backup_has_no_job_without_a_specification(self, here: Deployment, there: Deployment) -> None:
        here.volume.job("01abc").mkdir(parents=True)
        here.volume.archive("01abc").write_bytes(b"PK")

        there.restore(here.save())

        assert everything(there) == []


class TestRefusing:
    def test_a_deployment_that_is_not_empty_is_unchanged(self, here: Deployment, there: Deployment) -> None:
        job = ended(there)
        before = everything(there)

        with pytest.raises(Conflict, match="FORCE=1") as refused:
            there.restore(here.save())

        assert refused.value.code == "not_empty"
        assert everything(there) == before
        assert there.jobs.get(job.id).state is State.SUCCEEDED

    def test_force_replaces_a_deployment_that_is_not_empty(self, here: Deployment, there: Deployment) -> None:
        here.registry.point("toy", "champion", ended(here).result["version"])  # type: ignore[index]
        old = ended(there)
        publish(there.registry, "another")

        there.restore(here.save(), force=True)

        assert everything(there) == everything(here)
        assert there.registry.models() == ["toy"]
        with pytest.raises(NotFound):
            there.jobs.get(old.id)

    @pytest.mark.parametrize("force", [False, True])
    def test_a_damaged_backup_changes_nothing(self, here: Deployment, there: Deployment, *, force: bool) -> None:
        ended(here)
        if force:
            ended(there)
        before = everything(there)
        backup = here.save()

        for wrong in (backup[: len(backup) // 2], backup.replace(b"weights", b"weighty"), b"something else"):
            with pytest.raises((Damaged, Invalid)):
                there.restore(wrong, force=force)

        assert everything(there) == before
        assert len(list(there.jobs.newest_first())) == int(force)

    @pytest.mark.parametrize("queue", ["training", "inference", DISPATCHER])
    def test_nothing_is_restored_while_a_worker_is_online(
        self, here: Deployment, there: Deployment, queue: str
    ) -> None:
        Presence(there.redis, "host:1", queue, 1).renew()

        with pytest.raises(Conflict) as refused:
            there.restore(here.save())
        assert refused.value.code == "workers_online"

    def test_the_temporary_files_of_a_killed_restore_are_removed(self, here: Deployment, there: Deployment) -> None:
        left: Path = there.volume.root / ".tmp-1234-restoring" / "volume"
        left.mkdir(parents=True)

        there.restore(here.save())

        assert everything(there) == []
        assert not left.exists()
