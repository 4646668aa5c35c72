"""The handler of evaluation jobs: it evaluates a version on a split of a data set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from redis import Redis

from shared.datasets import DatasetStore, Manifest
from shared.datasets.content import Content, Split
from shared.images.inversion import measured
from shared.jobs import Job, Kind, Progress, State
from shared.jobs.specifications import EvaluationSpecification
from shared.jobs.view import job_document
from shared.network import Network
from shared.registry import ModelVersion, Registry
from shared.registry.classifier import ClassifierCache
from shared.registry.evaluations import JobEvaluations
from shared.storage.volume import Volume
from tests.support.data.files import files_below
from tests.support.data.npz import easy_images
from tests.support.objects.jobs import a_batch, evaluation_result, events
from tests.support.objects.models import CLASSES, SIDE, publish, tiny_network, tiny_parameters
from tests.support.waiting import eventually
from tests.unit.worker.conftest import Bench
from worker.evaluation import EvaluationHandler
from worker.running.lease import Lease
from worker.running.runner import JobOutcome

TRAIN, TEST = easy_images(90, seed=1), easy_images(60, seed=2)


def add(datasets: DatasetStore, classes: tuple[str, ...] = CLASSES, numbers: Any = (0, 1, 2)) -> Manifest:
    """Store the images with these classes; numbers: the number of the class of each of `easy_images`'s labels."""
    train, test = (Split(np.array(numbers)[labels], [images]) for images, labels in (TRAIN, TEST))
    return datasets.add(Content((SIDE, SIDE), classes, train, test), "easy", "test")[0]


def an_evaluation(dataset: Manifest, **fields: Any) -> Job:
    specification = EvaluationSpecification(model="toy", version=1, dataset=dataset.id, **fields)
    total = dataset.splits[specification.split]
    return a_batch(
        kind=Kind.EVALUATION,
        progress=Progress(total=total, unit="images"),
        specification=specification.pinned(),
    )


@pytest.fixture(autouse=True)
def version(registry: Registry) -> ModelVersion:
    """`toy@1`, which was trained on the same kind of images."""
    return publish(registry)


@pytest.fixture
def handler(volume: Volume, datasets: DatasetStore, registry: Registry) -> EvaluationHandler:
    return EvaluationHandler(volume, datasets, ClassifierCache(registry))


def test_result_has_the_measures_on_the_test_images(
    bench: Bench, handler: EvaluationHandler, datasets: DatasetStore, volume: Volume
) -> None:
    dataset = add(datasets)

    job = bench.run(an_evaluation(dataset), handler)

    assert job.state is State.SUCCEEDED, job.error
    expected = tiny_network().evaluate(tiny_parameters(), *TEST)
    result = evaluation_result(job)
    assert (result["model"], result["version"], result["dataset"], result["split"]) == ("toy", 1, dataset.id, "test")
    assert (result["samples"], result["accuracy"], result["loss"]) == (60, expected.accuracy, expected.loss)
    assert result["calibration_error"] == expected.calibration.expected_error
    assert result["accuracy_interval"][0] < result["accuracy"] <= result["accuracy_interval"][1]
    assert job.progress == Progress(done=60, total=60, unit="images", eta_seconds=0.0)
    assert files_below(volume.job(job.id)) == [
        "end.json",
        "evaluation/evaluation.json",
        "evaluation/predictions.npz",
        "events.jsonl",
        "specification.json",
    ]
    assert job_document(job)["links"]["version"] == "/v1/models/toy/versions/1"


def test_predictions_of_each_image_are_kept(
    bench: Bench, handler: EvaluationHandler, datasets: DatasetStore, volume: Volume
) -> None:
    job = bench.run(an_evaluation(add(datasets), split="train"), handler)

    evaluations = JobEvaluations(volume)
    found = evaluations.find(job.id)
    assert found is not None
    columns = evaluations.predictions(job.id, found).at(range(90))
    P = tiny_network().probabilities(tiny_parameters(), TRAIN[0])
    assert columns.label.tolist() == TRAIN[1].tolist()
    assert columns.predicted.tolist() == P.argmax(axis=1).tolist()
    assert np.allclose(columns.confidence, P.max(axis=1), rtol=1e-6)
    assert found.evaluation["confusion"] == tiny_network().evaluate(tiny_parameters(), *TRAIN).confusion.tolist()
    assert len(found.evaluation["mistakes"]) == min(24, 90 - round(found.evaluation["accuracy"] * 90))


def test_classes_in_another_order_are_matched_by_name(
    bench: Bench, handler: EvaluationHandler, datasets: DatasetStore
) -> None:
    same = evaluation_result(bench.run(an_evaluation(add(datasets)), handler))
    renumbered = add(datasets, ("2", "0", "1"), (1, 2, 0))

    result = evaluation_result(bench.run(an_evaluation(renumbered), handler))

    assert (result["accuracy"], result["loss"]) == (same["accuracy"], same["loss"])


def test_attempt_after_a_crash_returns_the_evaluation_of_the_first_one(
    bench: Bench, handler: EvaluationHandler, datasets: DatasetStore, volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = an_evaluation(add(datasets))
    bench.submit(job)
    publish_only(bench, handler, job)

    def never(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(Network, "evaluate_each", never)
    bench.runner({job.kind: handler}).run(job.id)

    assert bench.jobs.get(job.id).state is State.SUCCEEDED
    assert files_below(volume.evaluation(job.id)) == ["evaluation.json", "predictions.npz"]


@pytest.mark.parametrize("name", ["evaluation.json", "predictions.npz"])
def test_damaged_evaluation_of_an_earlier_attempt_is_made_again(
    bench: Bench, handler: EvaluationHandler, datasets: DatasetStore, volume: Volume, name: str
) -> None:
    job = an_evaluation(add(datasets))
    bench.submit(job)
    publish_only(bench, handler, job)
    (volume.evaluation(job.id) / name).write_bytes(b"{}")

    bench.runner({job.kind: handler}).run(job.id)

    assert evaluation_result(bench.jobs.get(job.id))["samples"] == 60
    assert JobEvaluations(volume).intact(job.id) is not None


def publish_only(bench: Bench, handler: EvaluationHandler, job: Job) -> None:
    """Let an attempt publish its evaluation and then end as if its worker had been shut down."""
    published: list[JobOutcome] = []

    def handle(job: Job, lease: Lease) -> JobOutcome:
        published.append(handler(job, lease))
        raise OSError("the volume hangs")

    bench.runner({job.kind: handle}, tries=2).run(job.id)
    assert published
    assert bench.jobs.get(job.id).state is State.QUEUED


def test_cancelled_evaluation_leaves_nothing(
    bench: Bench, handler: EvaluationHandler, datasets: DatasetStore, volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = an_evaluation(add(datasets))
    evaluate_each = Network.evaluate_each

    def cancelled(network: Network, parameters: Any, images: Any, labels: Any, check: Any) -> Any:
        bench.jobs.cancel(job.id)

        return evaluate_each(network, parameters, images, labels, lambda: eventually(check))

    monkeypatch.setattr(Network, "evaluate_each", cancelled)

    assert bench.run(job, handler).state is State.CANCELLED
    assert not volume.evaluation(job.id).exists()
    assert files_below(volume.job(job.id)) == ["end.json", "events.jsonl", "specification.json"]


def test_progress_is_reported_while_it_runs(
    bench: Bench, handler: EvaluationHandler, datasets: DatasetStore, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.evaluation.REPORT_SECONDS", 0.0)

    job = bench.run(an_evaluation(add(datasets), split="train"), handler)

    reports = [data["progress"] for kind, data in events(redis, job.id) if kind == "progress"]
    assert all(report["total"] == 90 and report["unit"] == "images" for report in reports)
    assert reports[-1]["done"] == 90


def test_inverted_images_are_counted_with_a_warning(
    bench: Bench, datasets: DatasetStore, registry: Registry, volume: Volume
) -> None:
    publish(registry, "dark", "job-2", brightness=measured(TRAIN[0]))
    train, test = (Split(labels, [255 - images]) for images, labels in (TRAIN, TEST))
    dataset, _ = datasets.add(Content((SIDE, SIDE), CLASSES, train, test), "inverted", "test")
    handler = EvaluationHandler(volume, datasets, ClassifierCache(registry))
    job = an_evaluation(dataset)
    job = job.model_copy(update={"specification": {**job.specification, "model": "dark"}})

    ended = bench.run(job, handler)

    count = evaluation_result(ended)["look_inverted"]
    assert count is not None
    assert 50 <= count <= 60
    assert job_document(ended)["warnings"][0].startswith(f"{count} of 60 images look inverted")


@pytest.mark.parametrize(
    ("missing", "code"),
    [("version", "version_deleted"), ("dataset", "dataset_not_found"), ("weights", "version_damaged")],
)
def test_missing_input_fails_the_job(
    bench: Bench,
    handler: EvaluationHandler,
    datasets: DatasetStore,
    registry: Registry,
    volume: Volume,
    missing: str,
    code: str,
) -> None:
    job = an_evaluation(add(datasets))
    if missing == "version":
        registry.delete("toy", "1")
    elif missing == "dataset":
        datasets.delete("easy")
    else:
        (volume.version("toy", 1) / "weights.npz").write_bytes(b"something else")

    ended = bench.run(job, handler)

    assert (ended.state, ended.error and ended.error["code"]) == (State.FAILED, code)


def test_specification_of_a_newer_release_fails_the_job(
    bench: Bench, handler: EvaluationHandler, datasets: DatasetStore
) -> None:
    job = an_evaluation(add(datasets))
    newer = job.model_copy(update={"specification": {**job.specification, "invert": "always"}})

    ended = bench.run(newer, handler)

    assert (ended.state, ended.error and ended.error["code"]) == (State.FAILED, "specification_unknown")
