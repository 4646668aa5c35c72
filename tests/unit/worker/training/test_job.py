"""The handler of training jobs: it turns a data set into a published version."""

from __future__ import annotations

import base64
import io
import json
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from redis import Redis

import worker.training.job
from shared.datasets import DatasetStore, Manifest
from shared.datasets.content import Content, Split
from shared.datasets.manifest import ColourCheck
from shared.images.inversion import measured
from shared.images.thumbnails import data_uri
from shared.jobs import Job, JobStore, Progress, State, keys
from shared.jobs.outcome import LiveFinding
from shared.jobs.specifications import TrainingSpecification
from shared.jobs.view import job_document
from shared.network import Network, Training
from shared.network.assessment.intervals import wilson
from shared.registry import Registry
from shared.registry.checkpoints import Checkpoints
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from tests.support.data.files import files_below
from tests.support.data.npz import easy_arrays, easy_images
from tests.support.objects.jobs import a_training, events, move, running, training_result
from tests.support.objects.models import CLASSES, SIDE, tiny_configuration, tiny_network
from tests.support.waiting import eventually
from tests.unit.worker.conftest import Bench
from worker.running.lease import Lease
from worker.running.shutdown import ShutdownRequest
from worker.running.stall import StallWatch
from worker.training.job import TrainingHandler, train
from worker.training.promotion import Promotion

ARRAYS = easy_arrays(train=300, test=60)


@dataclass(frozen=True)
class Trainings:
    """Runs trainings on a small data set."""

    bench: Bench
    dataset: Manifest
    handler: TrainingHandler

    def new_job(self, promote: str | None = None, **overrides: Any) -> Job:
        configuration = tiny_configuration(**overrides)
        specification = TrainingSpecification(
            model="toy", dataset=self.dataset.id, configuration=configuration.to_dict(), promote=promote
        )
        progress = Progress(total=configuration.epochs, unit="epochs")
        return a_training(specification=specification.pinned(), progress=progress)

    def run(self, **options: Any) -> Job:
        return self.bench.run(self.new_job(**options), self.handler)


@pytest.fixture
def trainings(
    bench: Bench, volume: Volume, datasets: DatasetStore, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> Trainings:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")  # as a worker sets it for itself
    train, test = (Split(ARRAYS[f"y_{part}"], [ARRAYS[f"x_{part}"]]) for part in ("train", "test"))
    manifest, _ = datasets.add(Content((SIDE, SIDE), CLASSES, train, test), "easy", "test")
    return Trainings(bench, manifest, TrainingHandler(volume, datasets, registry, bench.settings))


VALIDATION = easy_images(40, seed=8)


def validated(datasets: DatasetStore) -> Manifest:
    """Return the data set with a validation split."""
    train, test = (Split(ARRAYS[f"y_{part}"], [ARRAYS[f"x_{part}"]]) for part in ("train", "test"))
    validation = Split(VALIDATION[1], [VALIDATION[0]])
    return datasets.add(Content((SIDE, SIDE), CLASSES, train, test, validation), "validated", "test")[0]


class TestPublishing:
    def test_a_training_ends_in_a_version(self, trainings: Trainings, registry: Registry) -> None:
        job = trainings.run()

        assert job.state is State.SUCCEEDED
        version = registry.get("toy")
        assert job.result == {
            "model": "toy",
            "version": 1,
            "test_accuracy": version.metrics["test_accuracy"],
            "weights_sha256": version.weights.sha256,
            "accuracy_interval": list(version.accuracy_interval or ()),
            "baselines": {"linear": 1.0, "majority_class": 1 / 3},
            "diagnosis": [],
        }
        assert job.progress == Progress(done=3, total=3, unit="epochs", eta_seconds=0.0)
        assert job.metrics == version.metrics

    def test_each_training_ends_in_the_next_version(self, trainings: Trainings) -> None:
        results = [trainings.run(seed=seed).result for seed in range(3)]

        assert [result["version"] for result in results if result] == [1, 2, 3]

    def test_the_manifest_has_the_provenance(self, trainings: Trainings, registry: Registry) -> None:
        job = trainings.run(seed=7)

        version = registry.get("toy")
        assert (version.job, version.dataset, version.seed) == (job.id, trainings.dataset.id, 7)
        assert version.configuration == tiny_configuration(seed=7).to_dict()
        assert version.image_shape == (SIDE, SIDE)
        assert version.classes == CLASSES
        assert version.parameters == tiny_network().parameter_count
        assert version.blas_threads == 1

    def test_the_manifest_describes_the_brightness_of_the_training_images(
        self, trainings: Trainings, registry: Registry
    ) -> None:
        trainings.run()

        assert registry.get("toy").brightness == measured(ARRAYS["x_train"])

    def test_the_published_weights_are_those_of_the_network_bit_for_bit(
        self, trainings: Trainings, registry: Registry
    ) -> None:
        trainings.run()
        training = Training(tiny_network(), ARRAYS["x_train"], ARRAYS["y_train"])
        for _ in training:
            pass

        loaded = registry.load(registry.get("toy"))

        for name, array in training.parameters.items():
            assert np.array_equal(loaded[name], array)

    def test_the_metrics_are_those_of_the_test_images(self, trainings: Trainings, registry: Registry) -> None:
        trainings.run()
        version = registry.get("toy")

        evaluation = tiny_network().evaluate(registry.load(version), ARRAYS["x_test"], ARRAYS["y_test"])

        assert version.metrics["test_accuracy"] == evaluation.accuracy > 0.9
        assert version.metrics["test_loss"] == evaluation.loss
        assert version.metrics["training_seconds"] >= 0
        assert version.metrics["images_per_second"] > 0
        assert version.metrics["memory_bytes"] > 1e6
        assert version.metrics.keys() >= {"cores", "load_seconds", "evaluation_seconds"}
        assert version.metrics["test_calibration_error"] == evaluation.calibration.expected_error

    def test_the_history_has_every_epoch(self, trainings: Trainings, registry: Registry) -> None:
        trainings.run(epochs=4)

        history = registry.get("toy").history
        assert [entry["epoch"] for entry in history] == [1, 2, 3, 4]
        assert history[-1]["train_loss"] < history[0]["train_loss"]
        assert registry.get("toy").metrics["train_loss"] == history[-1]["train_loss"]

    def test_a_validation_split_is_measured_in_every_epoch_and_not_trained_on(
        self, trainings: Trainings, registry: Registry, datasets: DatasetStore
    ) -> None:
        trainings = replace(trainings, dataset=validated(datasets))
        trainings.run()
        plain = Training(tiny_network(), ARRAYS["x_train"], ARRAYS["y_train"])
        for _ in plain:
            pass

        version = registry.get("toy")

        published = registry.load(version)
        for name, array in plain.parameters.items():
            assert np.array_equal(published[name], array)
        expected = tiny_network().evaluate(published, *VALIDATION)
        last = version.history[-1]
        assert (last["validation_loss"], last["validation_accuracy"]) == (expected.loss, expected.accuracy)
        assert version.metrics["validation_accuracy"] == expected.accuracy

    def test_a_share_for_validation_fails_a_job_on_a_data_set_with_a_validation_split(
        self, trainings: Trainings, datasets: DatasetStore
    ) -> None:
        """An older release accepts such a job."""
        job = replace(trainings, dataset=validated(datasets)).run(validation_fraction=0.2)

        assert job.state is State.FAILED
        assert job.error is not None
        assert job.error["code"] == "specification_unknown"
        assert "validation_fraction must be 0" in job.error["detail"]

    def test_the_most_confident_errors_have_thumbnails(self, trainings: Trainings, registry: Registry) -> None:
        trainings.run(epochs=1, optimizer={"name": "sgd", "learning_rate": 1e-9})  # the network learns nothing
        version = registry.get("toy")

        mistakes = version.evaluation["mistakes"]

        P = tiny_network().probabilities(registry.load(version), ARRAYS["x_test"])
        assert 0 < len(mistakes) == min(24, int(np.count_nonzero(P.argmax(axis=1) != ARRAYS["y_test"])))
        assert mistakes[0]["label"] == ARRAYS["y_test"][mistakes[0]["index"]] != mistakes[0]["predicted"]
        assert mistakes[0]["image"] == data_uri(ARRAYS["x_test"][mistakes[0]["index"]])

    def test_a_version_keeps_the_prediction_for_each_test_image(self, trainings: Trainings, registry: Registry) -> None:
        trainings.run()
        version = registry.get("toy")

        stored = registry.predictions(version)

        assert stored is not None
        columns = stored.at(range(len(stored)))
        P = tiny_network().probabilities(registry.load(version), ARRAYS["x_test"])
        assert columns.label.tolist() == ARRAYS["y_test"].tolist()
        assert columns.predicted.tolist() == P.argmax(axis=1).tolist()
        assert np.allclose(columns.confidence, P.max(axis=1), rtol=1e-6)
        assert np.mean(columns.is_right) == version.evaluation["accuracy"]

    def test_a_training_on_images_in_colour_ends_in_a_version_in_colour(
        self, trainings: Trainings, datasets: DatasetStore, registry: Registry
    ) -> None:
        rng = np.random.default_rng(6)
        labels = np.arange(360) % 3
        images = rng.integers(0, 256, (360, SIDE, SIDE, 3), np.uint8)
        images[np.arange(360), :, :, labels] //= 3  # the classes differ in their hue, some images have another label
        given = np.where(rng.random(360) < 0.2, rng.permutation(labels), labels)
        train, test = (Split(given[part], [images[part]]) for part in (slice(300), slice(300, None)))
        manifest, _ = datasets.add(Content((SIDE, SIDE, 3), CLASSES, train, test), "hues", "test")

        job = replace(trainings, dataset=manifest).run()

        assert job.state is State.SUCCEEDED, job.error
        version = registry.get("toy")
        mistakes = version.evaluation["mistakes"]
        assert version.image_shape == (SIDE, SIDE, 3)
        assert version.metrics["test_accuracy"] > 0.7
        assert mistakes[0]["image"] == data_uri(images[300 + mistakes[0]["index"]])
        content = base64.b64decode(mistakes[0]["image"].removeprefix("data:image/png;base64,"))
        assert np.asarray(Image.open(io.BytesIO(content))).shape == (SIDE, SIDE, 3)

    def test_the_same_seed_gives_the_same_weights(self, trainings: Trainings, registry: Registry) -> None:
        for seed in (1, 1, 2):
            trainings.run(seed=seed)

        newest, again, first = (registry.load(version) for version in registry.versions("toy"))
        assert all(np.array_equal(first[name], again[name]) for name in first)
        assert not all(np.array_equal(first[name], newest[name]) for name in first)

    def test_only_a_training_with_promote_moves_the_alias(self, trainings: Trainings, registry: Registry) -> None:
        trainings.run(promote="champion")
        trainings.run()

        assert registry.aliases("toy") == {"champion": 1}
        assert str(registry.alias("toy", "champion").moved_by).startswith("job ")

    def test_a_training_says_that_it_left_an_alias_which_was_moved_meanwhile(
        self, trainings: Trainings, registry: Registry, volume: Volume, redis: Redis
    ) -> None:
        trainings.run(promote="champion")
        trainings.run()
        job = trainings.new_job(promote="champion")
        trainings.bench.files.begin(job)
        Promotion(job, "champion", registry, volume).begin()
        registry.point("toy", "champion", 2)

        ended = trainings.bench.run(job, trainings.handler)

        assert ended.state is State.SUCCEEDED
        assert registry.aliases("toy") == {"champion": 2}
        (warning,) = job_document(ended)["warnings"]
        assert "'champion' was pointed to version 2 while this job ran" in warning
        assert "alias_not_moved" in [data.get("code") for kind, data in events(redis, job.id) if kind == "warning"]

    def test_no_checkpoint_is_left_in_the_jobs_folder(self, trainings: Trainings, volume: Volume) -> None:
        job = trainings.run()

        assert files_below(volume.job(job.id)) == ["end.json", "events.jsonl", "specification.json"]


class TestReporting:
    def test_every_epoch_is_an_event_with_its_metrics(self, trainings: Trainings, redis: Redis) -> None:
        job = trainings.run(epochs=5)

        epochs = [data for kind, data in events(redis, job.id) if kind == "epoch"]
        assert [epoch["progress"]["done"] for epoch in epochs] == [1, 2, 3, 4, 5]
        assert [epoch["metrics"]["epoch"] for epoch in epochs] == [1, 2, 3, 4, 5]
        assert {epoch["progress"]["total"] for epoch in epochs} == {5}
        assert all(0 <= epoch["metrics"]["train_accuracy"] <= 1 for epoch in epochs)
        assert epochs[-1]["progress"]["eta_seconds"] == 0.0

    def test_the_event_of_an_epoch_has_its_whole_report(
        self, trainings: Trainings, redis: Redis, registry: Registry
    ) -> None:
        job = trainings.run(epochs=3, hidden=[4, 4], validation_fraction=0.25)

        epochs = [data["metrics"] for kind, data in events(redis, job.id) if kind == "epoch"]
        history = registry.get("toy").history
        assert len(history[0]["dead_units"]) == 2
        assert len(history[0]["layer_gradient_norms"]) == 3
        for sent, stored in zip(epochs, history, strict=True):
            assert all(sent[name] == pytest.approx(stored[name], abs=1e-6) for name in stored)
            assert sent.keys() - stored.keys() == {"images_per_second", "cores", "memory_bytes"}
            assert sent["images_per_second"] > 0
            assert sent["memory_bytes"] > 2**20

    def test_an_epoch_of_a_network_without_hidden_layers_has_no_dead_units(
        self, trainings: Trainings, redis: Redis
    ) -> None:
        job = trainings.run(epochs=1, hidden=[])

        (epoch,) = [data["metrics"] for kind, data in events(redis, job.id) if kind == "epoch"]
        assert epoch["learning_rate"] > 0
        assert "dead_units" not in epoch

    def test_progress_is_also_reported_within_an_epoch(self, jobs: JobStore, tmp_path: Path) -> None:
        training = Training(tiny_network(), ARRAYS["x_train"], ARRAYS["y_train"])
        lease = RecordingLease(jobs, running(jobs), Settings(), ShutdownRequest())

        train(training, lease, Checkpoints(tmp_path), Settings())

        assert lease.events[0] == "progress"
        assert lease.events.count("epoch") == tiny_configuration().epochs


class TestAssessment:
    def test_a_training_that_diverges_quietly_succeeds_and_warns(
        self, trainings: Trainings, registry: Registry, redis: Redis
    ) -> None:
        job = trainings.run(hidden=[4, 4], optimizer={"name": "adam", "learning_rate": 50.0}, epochs=4)

        assert job.state is State.SUCCEEDED
        version = registry.get("toy")
        assert version.diagnosis is not None
        codes = [finding["code"] for finding in version.diagnosis]
        assert codes[:2] == ["diverged", "no_better_than_chance"]
        assert list(training_result(job).get("diagnosis") or ()) == list(version.diagnosis)
        assert job_document(job)["warnings"] == [finding["message"] for finding in version.diagnosis]
        warnings = [data for kind, data in events(redis, job.id) if kind == "warning"]
        live = [data for data in warnings if "epoch" in data]
        assert [data for data in warnings if data not in live] == list(version.diagnosis)
        assert len({data["code"] for data in live}) == len(live) > 0
        assert warnings[: len(live)] == live
        epochs = {data["metrics"]["epoch"]: data for kind, data in events(redis, job.id) if kind == "epoch"}
        assert "diagnosis" not in epochs[live[0]["epoch"] - 1]
        assert live[0]["code"] in epochs[live[0]["epoch"]]["diagnosis"]

    def test_a_data_set_that_dropped_the_colours_of_its_classes_is_found(
        self, trainings: Trainings, datasets: DatasetStore, registry: Registry
    ) -> None:
        gray = np.full((40, SIDE, SIDE), 90, np.uint8)
        split = Split(np.arange(40) % 3, [gray])
        check = ColourCheck(correct=12, images=12, classes=3)
        content = Content((SIDE, SIDE), CLASSES, split, split, colour_dropped=True, colour_check=check)
        dataset, _ = datasets.add(content, "dropped", "test")

        Trainings(trainings.bench, dataset, trainings.handler).run()

        assert "colour_dropped" in {finding["code"] for finding in registry.get("toy").diagnosis or ()}

    def test_the_manifest_has_the_interval_and_the_baselines(self, trainings: Trainings, registry: Registry) -> None:
        trainings.run()

        version = registry.get("toy")
        assert version.accuracy_interval == wilson(round(version.metrics["test_accuracy"] * 60), 60)
        assert version.baselines == {"linear": 1.0, "majority_class": 1 / 3}
        assert version.diagnosis == ()

    def test_a_training_without_findings_has_no_warnings(self, trainings: Trainings, redis: Redis) -> None:
        job = trainings.run()

        assert "warnings" not in job_document(job)
        assert not [kind for kind, _ in events(redis, job.id) if kind == "warning"]

    def test_the_result_of_a_version_of_an_older_release_has_no_diagnosis(
        self, trainings: Trainings, jobs: JobStore, volume: Volume
    ) -> None:
        job = trainings.new_job()
        trainings.bench.run(job, trainings.handler)
        jobs.discard(job.id)
        manifest = volume.version("toy", 1) / "manifest.json"
        content = json.loads(manifest.read_bytes())
        for field in ("accuracy_interval", "baselines", "diagnosis"):
            del content[field]
        manifest.write_text(json.dumps(content))

        again = trainings.bench.run(job, trainings.handler)

        assert again.state is State.SUCCEEDED
        assert training_result(again).get("diagnosis") is None
        assert "warnings" not in job_document(again)


class RecordingLease(Lease):
    """A lease that stores the reports instead of sending them."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.events: list[str] = []

    def report(
        self,
        progress: Progress,  # noqa: ARG002
        metrics: Mapping[str, Any] | None = None,  # noqa: ARG002
        event: str = "progress",
        diagnosis: Sequence[LiveFinding] = (),  # noqa: ARG002
    ) -> None:
        self.events.append(event)


class TestResuming:
    def test_a_job_that_has_published_does_not_train_again(
        self, trainings: Trainings, registry: Registry, jobs: JobStore, volume: Volume
    ) -> None:
        """The worker crashed between the publication and the end of the job."""
        job = trainings.new_job()
        first = trainings.bench.run(job, trainings.handler)
        jobs.discard(job.id)
        volume.dataset(trainings.dataset.digest).rename(volume.root / "gone")

        again = trainings.bench.run(job, trainings.handler)

        assert again.result == first.result
        assert again.metrics == first.metrics
        assert len(registry.versions("toy")) == 1

    def test_a_job_that_has_published_still_moves_the_alias(
        self, trainings: Trainings, registry: Registry, jobs: JobStore
    ) -> None:
        job = trainings.new_job(promote="champion")
        trainings.bench.run(job, trainings.handler)
        jobs.discard(job.id)
        registry.remove_alias("toy", "champion")

        trainings.bench.run(job, trainings.handler)

        assert registry.aliases("toy") == {"champion": 1}


class TestStoppingAfterTraining:
    """A graceful shutdown after the last mini-batch."""

    @pytest.mark.parametrize("phase", ["evaluate", "stored_mistakes", "assess"])
    def test_a_shutdown_after_the_training_saves_it_and_the_next_attempt_only_evaluates(
        self, trainings: Trainings, volume: Volume, monkeypatch: pytest.MonkeyPatch, phase: str
    ) -> None:
        job = trainings.new_job()
        trainings.bench.submit(job)
        runner = trainings.bench.runner({job.kind: trainings.handler})
        original = getattr(Network, phase) if phase == "evaluate" else getattr(worker.training.job, phase)

        def interrupted(*arguments: Any) -> Any:
            runner._shutdown._requested.set()
            return original(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(Network if phase == "evaluate" else worker.training.job, phase, interrupted)
            runner.run(job.id)
        assert trainings.bench.jobs.get(job.id).state is State.QUEUED
        state, _ = Checkpoints(volume.checkpoints(job.id)).load()
        assert state is not None
        assert len(state["history"]) == tiny_configuration().epochs

        runner._shutdown._requested.clear()
        runner.run(job.id)

        ended = trainings.bench.jobs.get(job.id)
        assert (ended.state, ended.attempt, ended.crashes) == (State.SUCCEEDED, 2, 0)

    def test_a_saved_checkpoint_is_progress(self, trainings: Trainings, redis: Redis) -> None:
        job = trainings.run()

        steps = -(-len(ARRAYS["y_train"]) // tiny_configuration().batch_size) * tiny_configuration().epochs
        assert 0 < int(redis.hget(keys.job(job.id), "reached") or 0) <= steps


class TestSteps:
    """The stall detection sees a step in each phase of a training."""

    def test_every_phase_of_a_training_reports_steps(
        self, trainings: Trainings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        phases: dict[str, int] = {}
        step = StallWatch.step

        def counted(watch: StallWatch) -> None:
            frame, names = sys._getframe(), set()
            while frame.f_back is not None:
                frame = frame.f_back
                names.add(frame.f_code.co_name)
            for name in names:
                phases[name] = phases.get(name, 0) + 1
            step(watch)

        monkeypatch.setattr(StallWatch, "step", counted)
        trainings.run(standardize=True, validation_fraction=0.2)

        expected = {
            "sha256_of",
            "measure",
            "evaluate_each",
            "linear_baseline",
            "copies",
            "_end_epoch",
        }
        assert expected <= phases.keys()


class TestFailing:
    @pytest.mark.filterwarnings("ignore::RuntimeWarning")
    def test_a_training_that_diverges_fails_with_advice(self, trainings: Trainings, registry: Registry) -> None:
        job = trainings.run(optimizer={"name": "sgd", "learning_rate": 1e30}, epochs=50)

        assert job.state is State.FAILED
        assert job.error is not None
        assert job.error["code"] == "training_diverged"
        assert "learning rate" in job.error["detail"]
        assert registry.models() == []

    def test_a_training_beyond_the_trainers_memory_fails_at_once_with_advice(
        self, trainings: Trainings, volume: Volume, datasets: DatasetStore, registry: Registry
    ) -> None:
        small = trainings.bench.settings.model_copy(update={"trainer_memory_bytes": 50_000_000})
        handler = TrainingHandler(volume, datasets, registry, small)

        job = trainings.bench.run(trainings.new_job(), handler)

        assert (job.state, job.attempt) == (State.FAILED, 1)
        assert job.error is not None
        assert job.error["code"] == "training_too_large"
        assert "GLASSBOX_TRAINER_MEMORY_BYTES" in job.error["detail"]

    def test_a_damaged_data_set_fails_the_job(self, trainings: Trainings, volume: Volume, registry: Registry) -> None:
        path = volume.dataset(trainings.dataset.digest) / "data.npz"
        path.write_bytes(path.read_bytes()[:-1])

        job = trainings.run()

        assert job.error is not None
        assert job.error["code"] == "dataset_damaged"
        assert registry.models() == []

    def test_a_missing_data_set_fails_the_job(self, trainings: Trainings, volume: Volume) -> None:
        (volume.dataset(trainings.dataset.digest)).rename(volume.root / "gone")

        job = trainings.run()

        assert job.error is not None
        assert job.error["code"] == "dataset_not_found"


class TestStopping:
    def test_a_cancellation_ends_the_training_within_an_epoch_and_publishes_nothing(
        self, trainings: Trainings, registry: Registry
    ) -> None:
        job = stopped(trainings, State.CANCELLING)

        assert job.state is State.CANCELLED
        assert job.progress.done > 0
        assert registry.models() == []

    def test_a_worker_that_lost_its_lease_publishes_nothing(self, trainings: Trainings, registry: Registry) -> None:
        job = stopped(trainings, State.QUEUED)

        assert job.state is State.QUEUED
        assert registry.models() == []


def stopped(trainings: Trainings, state: State) -> Job:
    """Return the record of a training of several hours whose job is moved to `state` while it runs."""
    jobs = trainings.bench.jobs
    job = trainings.new_job(epochs=100_000, batch_size=1)
    trainings.bench.submit(job)
    thread = threading.Thread(
        target=trainings.bench.runner({job.kind: trainings.handler}).run, args=(job.id,), daemon=True
    )
    thread.start()
    try:
        eventually(lambda: jobs.get(job.id).progress.done > 0)
    finally:
        move(jobs, job.id, state)
        thread.join(timeout=20.0)
    assert not thread.is_alive()
    return jobs.get(job.id)
