"""The fault matrix's rows about the disk: no space left, and bits that flip."""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from redis import Redis

from api.app import create_app
from shared.jobs import Job, State
from shared.jobs.task_queue import Presence
from shared.runtime.settings import Settings
from shared.storage.durable import TEMPORARY
from tests.chaos.work import archive_of
from tests.support.data.files import files_below
from tests.support.objects.bench import AtConfirm, WorkBench
from tests.support.objects.jobs import messages, training_result
from tests.support.objects.models import publish
from tests.support.problems import assert_problem
from worker.maintenance import Maintenance

SMALL = 2 * 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A separate file system with little space."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system to fill")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL},mode=700", "glassbox-test", str(place)]
    if (run := subprocess.run(mount, capture_output=True, text=True, check=False)).returncode:
        pytest.skip(f"no small file system can be mounted here: {run.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def bench(settings: Settings, small_disk: Path) -> WorkBench:
    return WorkBench(settings.model_copy(update={"volume": small_disk / "volume"}))


def fill(disk: Path) -> Path:
    """Use up all the space; return the file whose removal frees it."""
    ballast = disk / "ballast"
    with ballast.open("ab", buffering=0) as file, suppress(OSError):
        for size in (64 * 1024, 1):
            while file.write(b"\0" * size):
                pass
    return ballast


class TestFull:
    def test_an_upload_gets_507_and_leaves_nothing(self, bench: WorkBench, small_disk: Path) -> None:
        publish(bench.registry, "base")
        before = files_below(small_disk)
        client = create_app(bench.settings).test_client()
        archive = archive_of(100)
        while len(archive) <= SMALL:
            archive += archive

        response = client.post("/v1/batch-jobs?model=base", data=io.BytesIO(archive), content_type="application/zip")

        assert_problem(response, 507, "storage_full")
        assert files_below(small_disk) == before
        assert list(bench.jobs.newest_first()) == []

    def test_a_training_that_cannot_be_stored_gets_507_and_is_not_a_job(
        self, bench: WorkBench, small_disk: Path
    ) -> None:
        client = create_app(bench.settings).test_client()
        request = {"model": "toy", "dataset": bench.dataset().id, "epochs": 1}
        fill(small_disk)

        assert_problem(client.post("/v1/training-jobs", json=request), 507, "storage_full")

        assert list(bench.jobs.newest_first()) == []
        assert files_below(bench.volume.jobs) == []

    def test_a_checkpoint_that_finds_no_space_is_retried_later_and_the_previous_one_is_kept(
        self, bench: WorkBench, small_disk: Path
    ) -> None:
        job = bench.a_training(epochs=4)
        bench.shutdown._requested.set()
        bench.run(job, bench.training())
        bench.shutdown._requested.clear()
        kept = files_below(bench.volume.checkpoints(job.id))
        ballast = fill(small_disk)

        backing_off = bench.run(job, bench.training())

        assert (backing_off.state, backing_off.failures, backing_off.crashes) == (State.QUEUED, 0, 0)
        assert files_below(bench.volume.checkpoints(job.id)) == kept
        ballast.unlink()
        assert bench.run(job, bench.training()).state is State.SUCCEEDED

    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_a_publication_that_finds_no_space_is_retried_later_and_leaves_no_version(
        self, bench: WorkBench, small_disk: Path, moment: str
    ) -> None:
        job = bench.a_training(epochs=1)
        registry = AtConfirm(bench.volume, **{moment: lambda: fill(small_disk)})

        backing_off = bench.run(job, bench.training(registry))

        assert (backing_off.state, backing_off.failures, backing_off.crashes) == (State.QUEUED, 0, 0)
        assert bench.registry.models() == []
        assert not [name for name in files_below(bench.volume.root) if TEMPORARY in name]
        assert not [name for name in files_below(bench.volume.models) if name.endswith(".npz")]
        (small_disk / "ballast").unlink()
        assert bench.run(job, bench.training()).state is State.SUCCEEDED
        assert [version.job for version in bench.registry.versions("toy")] == [job.id]


class TestWaitingForSpace:
    @pytest.fixture
    def maintenance(self, bench: WorkBench) -> Maintenance:
        bench.jobs.rebuilt()
        return Maintenance(bench.jobs, bench.files, bench.task_queue, bench.settings)

    @pytest.fixture
    def job(self, bench: WorkBench, small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
        """A training that backs off for an hour after a full disk, so that it starts earlier only if there is space."""
        monkeypatch.setattr("worker.running.runner._backoff", lambda _: 3600.0)
        job = bench.a_training(epochs=2)
        fill(small_disk)
        return bench.run(job, bench.training())

    def test_a_job_that_found_the_disk_full_shows_it_and_starts_when_the_disk_has_space(
        self, bench: WorkBench, maintenance: Maintenance, redis: Redis, small_disk: Path, job: Job
    ) -> None:
        Presence(redis, "host:1", "training", 1).renew()
        client = create_app(bench.settings).test_client()
        waiting = client.get(f"/v1/jobs/{job.id}").get_json()["waiting"]
        assert waiting["code"] == "volume_full"
        assert waiting["detail"].startswith("the volume is full")
        maintenance.tick()
        assert messages(redis, "training") == []

        (small_disk / "ballast").unlink()
        maintenance.tick()

        assert len(messages(redis, "training")) == 1
        assert client.get(f"/v1/jobs/{job.id}").get_json()["waiting"] is None
        assert bench.run(job, bench.training()).state is State.SUCCEEDED

    def test_readyz_reports_a_full_disk_with_its_figures_and_the_remedy(
        self, bench: WorkBench, small_disk: Path
    ) -> None:
        client = create_app(bench.settings).test_client()
        assert client.get("/readyz").status_code == 200
        ballast = fill(small_disk)

        response = client.get("/readyz")

        assert response.status_code == 503
        report = response.get_json()
        assert report["redis"] == "ok"
        assert report["volume"].startswith("the volume is full: 0 bytes of 2.0 MiB free")
        assert "delete versions" in report["volume"]
        assert [reason["code"] for reason in report["reasons"]] == ["volume_full"]
        ballast.unlink()
        assert client.get("/readyz").status_code == 200


class TestFreeingSpace:
    @pytest.fixture
    def client(self, bench: WorkBench, small_disk: Path) -> FlaskClient:
        """A client of a full disk with two versions, an alias, a data set and an ended job."""
        job = bench.a_training(epochs=1)
        assert bench.run(job, bench.training()).state is State.SUCCEEDED
        publish(bench.registry, job="job-2")
        bench.registry.point("toy", "champion", 1)
        client = create_app(bench.settings).test_client()
        fill(small_disk)
        assert_problem(client.put("/v1/models/toy/aliases/other", json={"version": 1}), 507, "storage_full")
        return client

    @pytest.mark.parametrize(
        "path",
        ["/v1/models/toy/versions/1?force=true", "/v1/models/toy?force=true", "/v1/models/toy/aliases/champion"],
    )
    def test_a_version_can_be_deleted_on_a_full_disk(self, client: FlaskClient, bench: WorkBench, path: str) -> None:
        assert client.delete(path).status_code == 204

        assert client.get(path.partition("?")[0]).status_code == 404
        assert not [name for name in files_below(bench.volume.root) if TEMPORARY in name]

    def test_versions_can_be_deleted_one_after_the_other(self, client: FlaskClient, bench: WorkBench) -> None:
        for path in ("toy/aliases/champion", "toy/versions/2", "toy/versions/1"):
            assert client.delete(f"/v1/models/{path}").status_code == 204
        assert [name for name in files_below(bench.volume.models) if name.endswith(".npz")] == []

    def test_data_sets_and_jobs_can_be_deleted_too(self, client: FlaskClient, bench: WorkBench) -> None:
        job = next(bench.jobs.newest_first())
        dataset = job.specification["dataset"]

        assert client.delete(f"/v1/jobs/{job.id}").status_code == 204
        assert client.delete(f"/v1/datasets/{dataset}?force=true").status_code == 204
        assert files_below(bench.volume.job(job.id)) == []

    def test_the_reserve_is_restored_when_the_disk_has_space(
        self, client: FlaskClient, bench: WorkBench, small_disk: Path
    ) -> None:
        whole = bench.volume.reserve.stat().st_size
        assert client.delete("/v1/models/toy/versions/2").status_code == 204
        (small_disk / "ballast").unlink()

        publish(bench.registry, job="job-3")

        assert bench.volume.reserve.stat().st_size == whole


class TestFlippedBits:
    @pytest.fixture
    def bench(self, settings: Settings) -> WorkBench:
        return WorkBench(settings)

    def test_a_checkpoint_with_a_flipped_bit_is_skipped_for_the_previous_one_and_the_log_reports_it(
        self, bench: WorkBench
    ) -> None:
        undisturbed = bench.a_training(epochs=5)
        expected = training_result(bench.run(undisturbed, bench.training()))
        job = bench.a_training(epochs=5)
        loses_its_lease = AtConfirm(bench.volume, before=bench.let_leases_expire)
        assert bench.run(job, bench.training(loses_its_lease)).state is State.QUEUED
        older, newest = files_below(bench.volume.checkpoints(job.id))
        flip_a_bit(bench.volume.checkpoints(job.id) / newest)

        ended = bench.run(job, bench.training())

        assert training_result(ended)["weights_sha256"] == expected["weights_sha256"]
        logged = [(event.type, event.data) for event in bench.jobs.events(job.id)]
        assert ("checkpoint_damaged", {"passed_over": [newest]}) in logged
        assert ("resumed", {"epochs": 4}) in logged
        assert older < newest

    def test_a_model_with_a_flipped_bit_is_refused_and_listed_as_damaged(self, bench: WorkBench) -> None:
        version = publish(bench.registry)
        client = create_app(bench.settings).test_client()
        assert client.get("/v1/models/toy/versions").get_json()["items"][0]["damaged"] is False

        flip_a_bit(bench.volume.version("toy", version.version) / "weights.npz")

        assert_problem(client.get("/v1/models/toy/versions/1/weights"), 500, "version_damaged")
        assert client.get("/v1/models/toy/versions").get_json()["items"][0]["damaged"] is True


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
