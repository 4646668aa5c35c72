"""Trainings of the preset `auto`: the job's events, the version's manifest, and interruptions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from redis import Redis

from shared.datasets import Arrays, DatasetStore, Manifest
from shared.datasets.content import Content, Split
from shared.jobs import Job, JobStore, Kind, Progress, State
from shared.jobs.specifications import ReproductionSpecification, TrainingSpecification
from shared.network import AutoTraining, Facts, Network, Training, candidates
from shared.registry import Registry
from shared.registry.checkpoints import Checkpoints
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from tests.support.data.npz import easy_arrays
from tests.support.objects.jobs import a_training, events, running
from tests.support.objects.models import CLASSES, SIDE, tiny_configuration
from tests.unit.worker.conftest import Bench
from tests.unit.worker.training.test_job import VALIDATION, validated
from worker.running.lease import Cancelled, Lease
from worker.running.shutdown import ShutdownRequest
from worker.training.job import TrainingHandler, begun, resumed, train
from worker.training.reproduction import ReproductionHandler

ARRAYS = easy_arrays(train=300, test=60)
LEARNS_NOTHING, LEARNS, DIVERGES = 1e-9, 0.02, 1e30


def tiny_candidates(**overrides: Any) -> list[Network]:
    """The second one wins, the third diverges."""
    return [
        Network((SIDE, SIDE), len(CLASSES), tiny_configuration(**{"epochs": 30, "optimizer": optimizer, **overrides}))
        for optimizer in (
            {"name": "sgd", "learning_rate": LEARNS_NOTHING},
            {"name": "adam", "learning_rate": LEARNS},
            {"name": "sgd", "learning_rate": DIVERGES},
        )
    ]


def a_job(dataset: str, networks: list[Network]) -> Job:
    configurations = tuple(network.configuration.to_dict() for network in networks)
    specification = TrainingSpecification(
        model="toy", dataset=dataset, configuration=configurations[0], candidates=configurations
    )
    return a_training(specification=specification.pinned(), progress=Progress(total=30, unit="epochs"))


@pytest.fixture
def dataset(datasets: DatasetStore, monkeypatch: pytest.MonkeyPatch) -> Manifest:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")  # as a worker sets it for itself
    train_images, test_images = (Split(ARRAYS[f"y_{part}"], [ARRAYS[f"x_{part}"]]) for part in ("train", "test"))
    manifest, _ = datasets.add(Content((SIDE, SIDE), CLASSES, train_images, test_images), "easy", "test")
    return manifest


@pytest.fixture
def handler(bench: Bench, volume: Volume, datasets: DatasetStore, registry: Registry) -> TrainingHandler:
    return TrainingHandler(volume, datasets, registry, bench.settings)


class TestJobs:
    def test_version_has_the_winners_configuration_and_the_selection(
        self, bench: Bench, handler: TrainingHandler, dataset: Manifest, registry: Registry
    ) -> None:
        job = bench.run(a_job(dataset.id, tiny_candidates()), handler)

        assert job.state is State.SUCCEEDED
        version = registry.get("toy")
        assert version.configuration == tiny_candidates()[1].configuration.to_dict()
        assert job.progress == Progress(done=30, total=30, unit="epochs", eta_seconds=0.0)
        selection = version.selection
        assert selection is not None
        assert selection["winner"] == 1
        assert [each["settings"]["optimizer.learning_rate"] for each in selection["candidates"]] == [
            LEARNS_NOTHING, LEARNS, DIVERGES,
        ]  # fmt: skip
        assert [[trial["candidate"] for trial in rung["trials"]] for rung in selection["rungs"]] == [[0, 1, 2]]
        assert selection["rungs"][0]["trials"][2]["validation_loss"] is None
        assert selection["cost"] <= selection["budget"]

    def test_version_has_the_bits_of_the_winners_training(
        self, bench: Bench, handler: TrainingHandler, dataset: Manifest, registry: Registry
    ) -> None:
        bench.run(a_job(dataset.id, tiny_candidates()), handler)
        alone = Training(tiny_candidates()[1], ARRAYS["x_train"], ARRAYS["y_train"])
        for _ in alone:
            pass

        loaded = registry.load(registry.get("toy"))

        for name, array in alone.parameters.items():
            assert np.array_equal(loaded[name], array)

    def test_version_is_reproduced_from_its_manifest(
        self, bench: Bench, handler: TrainingHandler, dataset: Manifest, registry: Registry, volume: Volume,
        datasets: DatasetStore,
    ) -> None:  # fmt: skip
        bench.run(a_job(dataset.id, tiny_candidates()), handler)
        specification = ReproductionSpecification(model="toy", version=1, dataset=dataset.id)
        again = a_training(kind=Kind.REPRODUCTION, id="again", specification=specification.pinned())

        job = bench.run(again, ReproductionHandler(volume, datasets, registry, bench.settings))

        assert job.result is not None
        assert job.result["reproduced"] is True  # type: ignore[typeddict-item]

    def test_version_of_a_data_set_with_a_validation_split_is_reproduced(
        self, bench: Bench, handler: TrainingHandler, registry: Registry, volume: Volume, datasets: DatasetStore,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")  # as a worker sets it for itself
        split = validated(datasets)
        networks = tiny_candidates(early_stopping={"patience": 3})
        bench.run(a_job(split.id, networks), handler)
        specification = ReproductionSpecification(model="toy", version=1, dataset=split.id)
        again = a_training(kind=Kind.REPRODUCTION, id="again", specification=specification.pinned())

        job = bench.run(again, ReproductionHandler(volume, datasets, registry, bench.settings))

        version = registry.get("toy")
        assert version.selection is not None
        assert version.selection["validation_images"] == len(VALIDATION[1])
        assert all(report["validation_loss"] is not None for report in version.history)
        assert job.result is not None
        assert job.result["reproduced"] is True  # type: ignore[typeddict-item]
        assert job.metrics["validation_accuracy"] == version.metrics["validation_accuracy"]

    def test_plan_trials_and_winner_are_events(
        self, bench: Bench, handler: TrainingHandler, dataset: Manifest, redis: Redis
    ) -> None:
        job = bench.run(a_job(dataset.id, tiny_candidates()), handler)

        logged = [(kind, data) for kind, data in events(redis, job.id) if kind in {"selection", "trial", "selected"}]
        assert [kind for kind, _ in logged] == ["selection", *["trial"] * 3, "selected"]
        plan, *trials, selected = (data for _, data in logged)
        assert plan["cost"] <= plan["budget"]
        assert (plan["candidates"], plan["trials"]) == (3, 3)
        assert 0 < plan["share"] <= 1 / 3
        assert [(trial["rung"], trial["candidate"]) for trial in trials] == [(0, 0), (0, 1), (0, 2)]
        assert (selected["winner"], selected["settings"]["optimizer.learning_rate"]) == (1, LEARNS)

    def test_winner_without_hidden_layers_is_an_event(
        self, bench: Bench, handler: TrainingHandler, dataset: Manifest, redis: Redis
    ) -> None:
        networks = [tiny_candidates(hidden=hidden)[1] for hidden in ([], [1])]
        job = bench.run(a_job(dataset.id, networks), handler)

        (selected,) = (data for kind, data in events(redis, job.id) if kind == "selected")
        assert selected == {"winner": 0, "settings": {"hidden": None}}

    def test_candidates_of_the_preset_train_to_a_good_version(
        self, bench: Bench, handler: TrainingHandler, dataset: Manifest, registry: Registry
    ) -> None:
        job = bench.run(a_job(dataset.id, candidates(Facts((SIDE, SIDE), 3, 300), {"epochs": 15})), handler)

        assert job.state is State.SUCCEEDED
        assert registry.get("toy").metrics["test_accuracy"] > 0.95

    def test_job_fails_if_all_candidates_diverge(
        self, bench: Bench, handler: TrainingHandler, dataset: Manifest, registry: Registry
    ) -> None:
        networks = tiny_candidates(optimizer={"name": "sgd", "learning_rate": DIVERGES})
        job = bench.run(a_job(dataset.id, networks[:2]), handler)

        assert job.error is not None
        assert job.error["code"] == "training_diverged"
        assert registry.models() == []


class InterruptingLease(Lease):
    """A lease that is cancelled at some mini-batches, and stores the reports instead of sending them."""

    def __init__(self, stops: set[int], *arguments: Any) -> None:
        super().__init__(*arguments)
        self.stops = stops
        self.checks = 0
        self.reports: list[tuple[Progress, Any, str]] = []
        self.logged: list[str] = []

    def check(self) -> None:
        self.checks += 1
        if self.checks in self.stops:
            raise Cancelled

    def log(self, event: str, data: Mapping[str, Any]) -> None:  # noqa: ARG002
        self.logged.append(event)

    def report(self, progress: Progress, metrics: Any = None, event: str = "progress", diagnosis: Any = ()) -> None:  # noqa: ARG002
        self.reports.append((progress, metrics, event))


@pytest.mark.parametrize("seed", range(4))
def test_interrupted_job_resumes_to_the_same_bits(jobs: JobStore, tmp_path: Path, seed: int) -> None:
    arrays = Arrays(**ARRAYS)
    networks = tiny_candidates(seed=seed)
    expected = AutoTraining(networks, arrays.x_train, arrays.y_train)
    for _ in expected:
        pass
    stops = set(np.random.default_rng(seed).integers(1, 800, 6).tolist())
    lease = InterruptingLease(stops, jobs, running(jobs), Settings(), ShutdownRequest())
    checkpoints = Checkpoints(tmp_path)
    begin = partial(begun, networks, arrays, selects=True)

    for _ in range(len(stops)):
        with pytest.raises(Cancelled):
            train(resumed(begin, checkpoints, lease), lease, checkpoints, Settings())
    training = resumed(begin, checkpoints, lease)
    train(training, lease, checkpoints, Settings())

    assert isinstance(training, AutoTraining)
    assert training.selection == expected.selection
    assert lease.logged.count("checkpoint_refused") == 0
    assert lease.logged.count("trial") == len(expected.trials)
    assert lease.logged.count("selected") == 1
    for name, array in expected.parameters.items():
        assert training.parameters[name].tobytes() == array.tobytes()


def test_race_reports_progress_without_epochs_and_metrics(jobs: JobStore, tmp_path: Path) -> None:
    arrays = Arrays(**ARRAYS)
    training = AutoTraining(tiny_candidates(), arrays.x_train, arrays.y_train)
    lease = InterruptingLease(set(), jobs, running(jobs), Settings(), ShutdownRequest())

    train(training, lease, Checkpoints(tmp_path), Settings())

    progress, metrics, event = lease.reports[0]
    assert (progress.done, progress.total, metrics, event) == (0, 30, None, "progress")
    assert progress.eta_seconds is not None
    assert [report[0].done for report in lease.reports if report[2] == "epoch"] == list(range(1, 31))
