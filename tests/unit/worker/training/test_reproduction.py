"""The handler of reproduction jobs: it trains a version again and compares the bits."""

from __future__ import annotations

import json
import threading
from typing import Any

import numpy as np
import pytest
from redis import Redis
from threadpoolctl import threadpool_limits

from shared.datasets import DatasetStore
from shared.jobs import Job, Kind, Progress, State
from shared.jobs.specifications import ReproductionSpecification
from shared.network import Training
from shared.registry import ModelVersion, Registry
from shared.registry.checkpoints import Checkpoints
from shared.storage.volume import Volume
from tests.support.data.files import files_below
from tests.support.objects.jobs import a_training, events, move, reproduction_result
from tests.support.objects.models import tiny_network, tiny_parameters
from tests.support.waiting import eventually
from tests.unit.worker.conftest import Bench
from tests.unit.worker.training.test_job import Trainings
from tests.unit.worker.training.test_job import trainings as trainings  # noqa: PLC0414 - a fixture
from worker.training.environment import blas_threads
from worker.training.reproduction import ReproductionHandler, differences


@pytest.fixture
def handler(bench: Bench, volume: Volume, datasets: DatasetStore, registry: Registry) -> ReproductionHandler:
    return ReproductionHandler(volume, datasets, registry, bench.settings)


def a_reproduction(version: ModelVersion) -> Job:
    specification = ReproductionSpecification(model=version.model, version=version.version, dataset=version.dataset)
    return a_training(
        kind=Kind.REPRODUCTION,
        model=version.model,
        progress=Progress(total=version.configuration["epochs"], unit="epochs"),
        specification=specification.model_dump(),
    )


def tamper(volume: Volume, **fields: Any) -> None:
    """Change the manifest of `toy@1` on the disk."""
    path = volume.version("toy", 1) / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.fixture
def version(trainings: Trainings, registry: Registry) -> ModelVersion:
    """A published version of a training."""
    trainings.run()
    return registry.get("toy")


class TestTheSameBits:
    def test_a_version_is_reproduced(self, bench: Bench, handler: ReproductionHandler, version: ModelVersion) -> None:
        job = bench.run(a_reproduction(version), handler)

        assert job.state is State.SUCCEEDED
        assert job.result == {
            "model": "toy",
            "version": 1,
            "reproduced": True,
            "weights_sha256_expected": version.weights.sha256,
            "weights_sha256_got": version.weights.sha256,
            "threads": version.blas_threads,
            "differing_numbers": 0,
            "first_difference": None,
            "environment": {},
        }
        assert job.progress == Progress(done=3, total=3, unit="epochs", eta_seconds=0.0)

    def test_a_reproduction_publishes_nothing_and_leaves_no_checkpoint(
        self, bench: Bench, handler: ReproductionHandler, version: ModelVersion, registry: Registry, volume: Volume
    ) -> None:
        before = files_below(volume.models)

        job = bench.run(a_reproduction(version), handler)

        assert files_below(volume.models) == before
        assert [found.version for found in registry.versions("toy")] == [1]
        assert files_below(volume.job(job.id)) == ["end.json", "events.jsonl", "specification.json"]

    def test_every_epoch_is_an_event(
        self, bench: Bench, handler: ReproductionHandler, version: ModelVersion, redis: Redis
    ) -> None:
        job = bench.run(a_reproduction(version), handler)

        epochs = [data["progress"]["done"] for kind, data in events(redis, job.id) if kind == "epoch"]
        assert epochs == [1, 2, 3]

    @pytest.mark.parametrize("threads", [1, 2])
    def test_a_reproduction_uses_as_many_threads_as_the_training(
        self, bench: Bench, handler: ReproductionHandler, version: ModelVersion, volume: Volume, threads: int
    ) -> None:
        tamper(volume, blas_threads=threads)

        job = bench.run(a_reproduction(version), handler)

        assert reproduction_result(job)["threads"] == threads

    def test_a_version_of_two_threads_is_reproduced_by_a_worker_of_one(
        self, bench: Bench, handler: ReproductionHandler, trainings: Trainings, registry: Registry
    ) -> None:
        with threadpool_limits(2, user_api="blas"):
            trainings.run(hidden=[1024, 512], batch_size=300)  # large enough for the threads to share a product
        version = registry.get("toy")

        job = bench.run(a_reproduction(version), handler)

        assert blas_threads() == 1
        assert (
            (reproduction_result(job)["threads"], reproduction_result(job)["reproduced"])
            == (version.blas_threads, True)
            == (2, True)
        )

    def test_a_reproduction_resumes_from_its_checkpoint(
        self, bench: Bench, handler: ReproductionHandler, version: ModelVersion, volume: Volume
    ) -> None:
        job = a_reproduction(version)
        _, arrays = DatasetStore(volume).load(version.dataset)
        training = Training(tiny_network(), arrays.x_train, arrays.y_train)
        for _ in range(40):
            next(training)
        Checkpoints(volume.checkpoints(job.id)).save(training.state(), 40)

        done = bench.run(job, handler)

        assert reproduction_result(done)["reproduced"] is True
        assert "resumed" in [kind for kind, _ in events(bench.jobs._redis, job.id)]


class TestOtherBits:
    def test_another_seed_in_the_manifest_is_found(
        self, bench: Bench, handler: ReproductionHandler, version: ModelVersion, volume: Volume
    ) -> None:
        tamper(volume, configuration=version.configuration | {"seed": 1})

        job = bench.run(a_reproduction(version), handler)

        assert job.state is State.SUCCEEDED
        result = reproduction_result(job)
        assert result["reproduced"] is False
        assert result["weights_sha256_expected"] == version.weights.sha256 != result["weights_sha256_got"]
        assert result["differing_numbers"] > 0
        first = result["first_difference"]
        assert first is not None
        assert (first["parameter"], first["index"]) == ("layer1.weights", [0, 0])
        assert first["expected"] != first["got"]
        assert result["environment"] == {}  # the environment is unchanged: the manifest is wrong

    def test_another_architecture_in_the_manifest_is_found(
        self, bench: Bench, handler: ReproductionHandler, version: ModelVersion, volume: Volume
    ) -> None:
        tamper(volume, configuration=version.configuration | {"hidden": [9]})

        result = reproduction_result(bench.run(a_reproduction(version), handler))

        assert result["first_difference"] == {
            "parameter": "layer1.weights", "index": None, "expected": None, "got": None,
        }  # fmt: skip

    def test_a_changed_environment_is_reported(
        self, bench: Bench, handler: ReproductionHandler, version: ModelVersion, volume: Volume
    ) -> None:
        environment = {**version.environment, "numpy": "1.0"}
        del environment["cpu"]
        tamper(volume, configuration=version.configuration | {"seed": 1}, environment=environment)

        result = reproduction_result(bench.run(a_reproduction(version), handler))

        assert result["environment"] == {
            "numpy": {"then": "1.0", "now": np.__version__},
            "cpu": {"then": None, "now": version.environment["cpu"]},
        }

    def test_a_difference_of_one_bit_is_found(self) -> None:
        published = tiny_parameters()
        trained = {name: array.copy() for name, array in published.items()}
        trained["layer2.weights"][3, 1] = np.nextafter(trained["layer2.weights"][3, 1], np.float32(9))
        trained["layer2.biases"][2] = -0.0
        published = published | {"layer2.biases": np.where(np.arange(3) == 2, 0, trained["layer2.biases"])}

        count, first = differences(published, trained)

        assert count == 2
        assert first == {
            "parameter": "layer2.weights",
            "index": [3, 1],
            "expected": float(published["layer2.weights"][3, 1]),
            "got": float(trained["layer2.weights"][3, 1]),
        }

    def test_the_same_parameters_do_not_differ(self) -> None:
        assert differences(tiny_parameters(), tiny_parameters()) == (0, None)


class TestStopping:
    def test_a_cancellation_ends_the_reproduction_and_leaves_a_checkpoint(
        self, bench: Bench, handler: ReproductionHandler, version: ModelVersion, volume: Volume
    ) -> None:
        job = stopped(bench, handler, version, volume, State.CANCELLING)

        assert job.state is State.CANCELLED
        assert job.progress.done > 0
        assert any(name.startswith("checkpoints/") for name in files_below(volume.job(job.id)))

    def test_a_worker_that_lost_its_lease_does_not_end_the_job(
        self, bench: Bench, handler: ReproductionHandler, version: ModelVersion, volume: Volume
    ) -> None:
        assert stopped(bench, handler, version, volume, State.QUEUED).state is State.QUEUED


def stopped(bench: Bench, handler: ReproductionHandler, version: ModelVersion, volume: Volume, state: State) -> Job:
    """Return the record of a reproduction of several hours whose job is moved to `state` while it runs."""
    tamper(volume, configuration=version.configuration | {"epochs": 100_000, "batch_size": 1})
    job = a_reproduction(version)
    bench.submit(job)
    thread = threading.Thread(target=bench.runner({job.kind: handler}).run, args=(job.id,), daemon=True)
    thread.start()
    try:
        eventually(lambda: bench.jobs.get(job.id).progress.done > 0)
    finally:
        move(bench.jobs, job.id, state)
        thread.join(timeout=20.0)
    assert not thread.is_alive()
    return bench.jobs.get(job.id)


class TestFailing:
    def test_a_version_that_was_deleted_fails_the_job(
        self, bench: Bench, handler: ReproductionHandler, version: ModelVersion, registry: Registry
    ) -> None:
        registry.delete("toy", "1")

        assert code(bench.run(a_reproduction(version), handler)) == "version_deleted"

    def test_damaged_weights_fail_the_job(
        self, bench: Bench, handler: ReproductionHandler, version: ModelVersion, volume: Volume
    ) -> None:
        (volume.version("toy", 1) / "weights.npz").write_bytes(b"something else")

        assert code(bench.run(a_reproduction(version), handler)) == "version_damaged"

    def test_a_configuration_of_a_newer_version_fails_the_job_with_its_field(
        self, bench: Bench, handler: ReproductionHandler, version: ModelVersion, volume: Volume
    ) -> None:
        tamper(volume, configuration=version.configuration | {"lookahead": 2})

        job = bench.run(a_reproduction(version), handler)

        assert code(job) == "specification_unknown"
        assert job.error is not None
        assert "lookahead is not a setting" in job.error["detail"]

    def test_a_training_that_diverges_fails_the_job(
        self, bench: Bench, handler: ReproductionHandler, version: ModelVersion, volume: Volume
    ) -> None:
        tamper(volume, configuration=version.configuration | {"optimizer": {"name": "sgd", "learning_rate": 1e38}})

        assert code(bench.run(a_reproduction(version), handler)) == "training_diverged"

    def test_a_missing_data_set_fails_the_job(
        self, bench: Bench, handler: ReproductionHandler, version: ModelVersion, datasets: DatasetStore
    ) -> None:
        datasets.delete(version.dataset)

        assert code(bench.run(a_reproduction(version), handler)) == "dataset_not_found"


def code(job: Job) -> str:
    assert job.state is State.FAILED
    assert job.error is not None
    return str(job.error["code"])
