"""The SDK on a real service, from the upload to the rows."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import glassbox
import numpy as np
import pytest
from glassbox import (
    AddFromJob,
    BatchResult,
    Client,
    EvaluationResult,
    JobFailed,
    NotFound,
    Relabel,
    Remove,
    StillRunning,
    TrainingResult,
)

from tests.support.data.images import png
from tests.support.data.npz import easy_arrays, easy_images, npz
from tests.support.servers.stack import Stack


@pytest.fixture
def client(stack: Stack) -> Iterator[Client]:
    with Client(f"http://127.0.0.1:{stack.port}") as client:
        yield client


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("user")
    (folder / "sdk.npz").write_bytes(npz(easy_arrays(seed=41)))
    images, labels = easy_images(12, seed=42)
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            archive.writestr(f"{number:02d}-{label}.png", png(image))
    return folder


def test_five_lines_train_and_classify(client: Client, folder: Path) -> None:
    trained = client.train(folder / "sdk.npz", model="sdk", epochs=20, promote="champion").wait()
    job = client.classify(folder / "images.zip", model="sdk@champion", top_k=2).wait()
    rows = list(job.rows())

    assert isinstance(trained.result, TrainingResult)
    assert isinstance(job.result, BatchResult)
    assert job.result.succeeded == len(rows) == 12
    assert all(row.path.endswith(f"-{row.label}.png") for row in rows)
    assert [len(row.top) for row in rows] == [2] * 12
    assert list(job.errors()) == []
    histograms = client.jobs.weight_histograms(trained.id, bins=3)
    assert histograms.epochs == 20
    assert [len(one.counts) for one in histograms.tensors] == [3] * len(histograms.tensors)


def test_predictions_are_listed_and_compared_image_by_image(client: Client, folder: Path) -> None:
    client.train(folder / "sdk.npz", model="sdk-images", epochs=1).wait()
    evaluation = client.models.evaluation("sdk-images")

    images = list(client.models.predictions("sdk-images", order="least_confident"))
    counts = client.models.compare("sdk-images", "sdk-images@1").counts

    right = round(evaluation.accuracy * evaluation.samples)
    assert len(images) == evaluation.samples
    assert sum(image.label == image.predicted for image in images) == right
    assert (counts.both_right, counts.both_wrong) == (right, evaluation.samples - right)
    assert len(list(client.models.compared_images("sdk-images", "sdk-images@1", "both_right"))) == right


def test_a_version_is_evaluated_on_another_data_set_and_compared(client: Client, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other.npz").write_bytes(npz(easy_arrays(seed=44)))
    other = client.train(tmp_path / "other.npz", model="sdk-other", epochs=1).wait()
    version = client.train(folder / "sdk.npz", model="sdk-evaluated", epochs=1).wait()
    dataset = client.models.version("sdk-other").dataset

    job = client.evaluate("sdk-evaluated", dataset, labels={"why": "test"}).wait()
    comparison = client.jobs.compare(job.id, "sdk-other@1")

    assert isinstance(job.result, EvaluationResult)
    assert isinstance(other.result, TrainingResult)
    assert isinstance(version.result, TrainingResult)
    evaluation = job.evaluation()
    assert (evaluation.accuracy, evaluation.dataset, evaluation.split) == (job.result.accuracy, dataset, "test")
    counts, samples = comparison.counts, comparison.samples
    assert counts.both_right + counts.only_this_right == round(job.result.accuracy * samples)
    assert counts.both_right + counts.only_other_right == round(other.result.test_accuracy * samples)
    wrong = list(client.jobs.predictions(job.id, wrong=True))
    assert len(wrong) == counts.both_wrong + counts.only_other_right
    differing = list(client.jobs.compared_images(job.id, "sdk-other@1", "only_other_right"))
    assert len(differing) == counts.only_other_right
    own = client.evaluate("sdk-evaluated", version.request["dataset"]).wait()
    assert isinstance(own.result, EvaluationResult)
    assert own.result.loss == client.models.evaluation("sdk-evaluated").loss


def test_events_arrive_live_and_in_order(client: Client, folder: Path) -> None:
    job = client.train(folder / "sdk.npz", model="sdk-events", epochs=5)
    events = list(job.events())
    assert [event.data["state"] for event in events if event.type == "state"] == ["queued", "running", "succeeded"]
    assert [event.data["metrics"]["epoch"] for event in events if event.type == "epoch"] == [1, 2, 3, 4, 5]
    assert [event.id for event in job.events(after=events[2].id)] == [event.id for event in events[3:]]


def test_wait_leaves_the_job_running_after_its_timeout_and_raises_after_a_cancellation(
    client: Client, folder: Path
) -> None:
    job = client.train(folder / "sdk.npz", model="sdk-slow", epochs=100_000, batch_size=1, hidden=[256, 128])
    with pytest.raises(StillRunning):
        job.wait(timeout=0.5)
    assert job.refresh().state in {"queued", "running"}
    job.cancel()
    with pytest.raises(JobFailed) as caught:
        job.wait(timeout=60)
    assert caught.value.job.state == "cancelled"
    job.delete()
    with pytest.raises(NotFound):
        job.refresh()


def test_downloaded_weights_are_those_of_the_server(client: Client, folder: Path) -> None:
    client.train(folder / "sdk.npz", model="sdk-weights", epochs=1).wait()
    version = client.models.version("sdk-weights")
    path = client.models.download("sdk-weights", folder / "weights.npz")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == version.weights.sha256
    assert path.stat().st_size == version.weights.bytes


def test_files_bytes_and_numbers_have_the_same_predictions(client: Client, folder: Path) -> None:
    client.train(folder / "sdk.npz", model="sdk-predict", epochs=20).wait()
    images, labels = easy_images(2, seed=43)
    (folder / "one.png").write_bytes(png(images[0]))
    by_files = client.predict(folder / "one.png", png(images[1]), model="sdk-predict")
    by_numbers = client.predict_numbers(images, model="sdk-predict")
    assert by_files == by_numbers
    assert [prediction.label for prediction in by_files.predictions] == list(map(str, labels))
    assert client.predict_numbers(images.reshape(2, 36).astype(np.float64) / 255, model="sdk-predict") == by_numbers


def test_lists_are_complete_and_bounded_by_their_limit(client: Client, folder: Path) -> None:
    for _ in range(3):
        client.train(folder / "sdk.npz", model="sdk-lists", epochs=1).wait()
    assert [version.version for version in client.models.versions("sdk-lists")] == [3, 2, 1]
    assert len(list(client.jobs.list(model="sdk-lists", limit=2))) == 2
    assert "sdk-lists" in {model.name for model in client.models.list()}
    assert "sdk" in {dataset.name for dataset in client.datasets.list()}


def test_the_server_reports_its_version_and_workers(client: Client) -> None:
    assert client.server_version() == glassbox.__version__
    assert client.ready().workers.keys() == {"training", "inference"}


def test_the_server_reports_its_state(client: Client) -> None:
    system = client.system()
    assert system.redis.fault is None
    assert system.volume.free
    assert system.queues is not None
    assert [queue.queue for queue in system.queues] == ["training", "inference"]
    assert all(queue.processes == queue.busy + queue.free > 0 for queue in system.queues)


def test_the_server_describes_its_presets_and_what_the_client_may_do(client: Client) -> None:
    assert [preset.name for preset in client.presets()] == ["accurate", "article", "auto", "fast"]
    assert client.access() == glassbox.Access(key_required=False, key=None, scopes=("read", "submit", "manage"))


def test_data_sets_are_derived_from_a_batch_and_a_folder(client: Client, folder: Path) -> None:
    client.train(folder / "sdk.npz", model="sdk-derive", epochs=1).wait()
    job = client.classify(folder / "images.zip", model="sdk-derive")
    images, _ = easy_images(3, seed=44)
    (folder / "more" / "2").mkdir(parents=True)
    for number, image in enumerate(images):
        (folder / "more" / "2" / f"{number}.png").write_bytes(png(image))
    source = client.datasets.get("sdk")

    derived = source.derive([AddFromJob(job.id, 0, "0"), Remove("train", 1)], path=folder / "more", name="sdk-more")
    relabelled = client.datasets.derive(
        "sdk-more", [Relabel("test", 0, "1" if easy_arrays(seed=41)["y_test"][0] != 1 else "0")], name="sdk-again"
    )

    assert derived.provenance is not None
    assert (derived.provenance.derived_from, derived.provenance.jobs) == (source.id, {job.id: 1})
    assert (derived.provenance.uploaded, derived.provenance.removed) == (3, 1)
    assert derived.splits["train"] == source.splits["train"] + 3
    assert relabelled.id != derived.id
