"""`POST /v1/evaluation-jobs`, and `/evaluation` and `/predictions` of such a job."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from redis import Redis

from shared.datasets import DatasetStore, Manifest
from shared.datasets.content import Content, Split
from shared.jobs import Job, JobStore, Kind
from shared.jobs.files import JobFiles
from shared.registry import ModelVersion, Registry
from shared.registry.evaluations import EvaluationDraft, JobEvaluations
from shared.storage.volume import Volume
from tests.support.data.npz import easy_images
from tests.support.objects.jobs import a_batch, a_training, messages
from tests.support.objects.models import CLASSES, SIDE, a_prediction_for_each, publish, tiny_network, tiny_parameters
from tests.support.problems import assert_problem, pointers

PATH = "/v1/evaluation-jobs"
IMAGES, LABELS = easy_images(30, seed=4)


@pytest.fixture(autouse=True)
def version(registry: Registry) -> ModelVersion:
    """`toy@1`, the champion."""
    version = publish(registry)
    registry.point("toy", "champion", 1)
    return version


@pytest.fixture
def dataset(datasets: DatasetStore) -> Manifest:
    """The data set `easy`."""
    return add(datasets)


def add(
    datasets: DatasetStore, classes: tuple[str, ...] = CLASSES, side: int = SIDE, name: str = "easy", channels: int = 1
) -> Manifest:
    images, labels = easy_images(30, side=side, seed=4)
    shape = (side, side) if channels == 1 else (side, side, channels)
    if channels > 1:
        images = np.repeat(images[..., np.newaxis], channels, axis=-1)
    split = Split(labels % len(classes), [images])
    return datasets.add(Content(shape, classes, split, split), name, "test")[0]


class TestSubmission:
    @pytest.mark.parametrize("reference", ["toy", "toy@1", "toy@champion"])
    def test_evaluation_is_accepted_in_the_inference_queue(
        self, client: FlaskClient, redis: Redis, jobs: JobStore, dataset: Manifest, reference: str
    ) -> None:
        response = client.post(PATH, json={"model": reference, "dataset": "easy", "labels": {"team": "a"}})

        assert response.status_code == 202
        job: Any = response.json
        assert (job["kind"], job["state"]) == ("evaluation", "queued")
        assert job["request"] == {"model": reference, "dataset": "easy", "labels": {"team": "a"}, "split": "test"}
        assert job["progress"] == {"done": 0, "total": 30, "unit": "images", "eta_seconds": None}
        assert response.headers["Location"] == job["links"]["self"]
        assert jobs.get(job["id"]).specification == {"model": "toy", "version": 1, "dataset": dataset.id}
        assert len(messages(redis, "inference")) == 1
        assert [item["id"] for item in client.get("/v1/jobs?kind=evaluation").get_json()["items"]] == [job["id"]]

    @pytest.mark.usefixtures("dataset")
    def test_evaluation_can_be_cancelled_and_retried(self, client: FlaskClient) -> None:
        job: Any = client.post(PATH, json={"model": "toy", "dataset": "easy"}).json

        assert client.post(f"/v1/jobs/{job['id']}/cancel").get_json()["state"] == "cancelled"
        assert client.post(f"/v1/jobs/{job['id']}/retry").get_json()["state"] == "queued"

    @pytest.mark.usefixtures("dataset")
    def test_repeated_idempotency_key_creates_one_job(self, client: FlaskClient, jobs: JobStore) -> None:
        request = {"model": "toy", "dataset": "easy"}
        first, second = (client.post(PATH, json=request, headers={"Idempotency-Key": "once"}) for _ in range(2))

        assert first.json == second.json
        assert [job.id for job in jobs.newest_first()] == [first.get_json()["id"]]

    def test_data_set_of_an_active_evaluation_is_not_deleted(self, client: FlaskClient, dataset: Manifest) -> None:
        client.post(PATH, json={"model": "toy", "dataset": "easy"})

        assert_problem(client.delete(f"/v1/datasets/{dataset.id}"), 409, "dataset_in_use")

    @pytest.mark.parametrize("classes", [("2", "1", "0"), ("1", "2")])
    def test_classes_in_another_order_and_fewer_classes_are_accepted(
        self, client: FlaskClient, datasets: DatasetStore, classes: tuple[str, ...]
    ) -> None:
        add(datasets, classes)

        assert client.post(PATH, json={"model": "toy", "dataset": "easy"}).status_code == 202

    def test_unknown_classes_are_rejected_with_the_difference(
        self, client: FlaskClient, datasets: DatasetStore, jobs: JobStore
    ) -> None:
        add(datasets, ("0", "<b>", "1"))

        problem = assert_problem(client.post(PATH, json={"model": "toy", "dataset": "easy"}), 422, "classes_differ")

        assert 'toy@1 lacks the class "<b>" of the data set' in problem["detail"]
        assert 'the data set lacks the class "2" of toy@1' in problem["detail"]
        assert pointers(problem) == ["#/dataset"]
        assert list(jobs.newest_first()) == []

    def test_many_unknown_classes_are_cut(self, client: FlaskClient, datasets: DatasetStore) -> None:
        add(datasets, tuple(f"c{number}" for number in range(25)))

        problem = assert_problem(client.post(PATH, json={"model": "toy", "dataset": "easy"}), 422, "classes_differ")

        assert '"c9" and 15 more' in problem["detail"]

    @pytest.mark.parametrize(("side", "channels", "words"), [(8, 1, "8 × 8,"), (6, 3, "6 × 6 in colour,")])
    def test_images_of_another_shape_are_rejected(
        self, client: FlaskClient, datasets: DatasetStore, side: int, channels: int, words: str
    ) -> None:
        add(datasets, side=side, channels=channels)

        problem = assert_problem(client.post(PATH, json={"model": "toy", "dataset": "easy"}), 422, "image_shape")

        assert words in problem["detail"]
        assert "image_shape=6x6 and channels=1" in problem["detail"]

    @pytest.mark.usefixtures("dataset")
    @pytest.mark.parametrize(
        ("fields", "status", "code"),
        [
            ({"model": "unknown"}, 404, "model_not_found"),
            ({"model": "toy@9"}, 404, "version_not_found"),
            ({"model": "toy@"}, 422, "invalid_reference"),
            ({"dataset": "unknown"}, 404, "dataset_not_found"),
            ({"split": "validation"}, 422, "validation_failed"),
            ({"split": "all"}, 422, "validation_failed"),
            ({"labels": {"a": "x" * 1025}}, 422, "validation_failed"),
            ({"webhook": "file:///etc"}, 422, "validation_failed"),
            ({"batch_size": 3}, 422, "validation_failed"),
        ],
    )
    def test_invalid_requests_are_rejected(
        self, client: FlaskClient, fields: dict[str, Any], status: int, code: str
    ) -> None:
        assert_problem(client.post(PATH, json={"model": "toy", "dataset": "easy", **fields}), status, code)

    @pytest.mark.usefixtures("dataset")
    def test_damaged_version_is_rejected(self, client: FlaskClient, volume: Volume) -> None:
        (volume.version("toy", 1) / "weights.npz").write_bytes(b"something else")

        assert_problem(client.post(PATH, json={"model": "toy", "dataset": "easy"}), 500, "version_damaged")


def finished(volume: Volume, jobs: JobStore, dataset: str = "sha256:" + "0" * 64, **fields: Any) -> Job:
    """Return an evaluation job that has published its evaluation."""
    job = a_batch(kind=Kind.EVALUATION)
    JobFiles(volume).begin(job)
    jobs.create(job)
    evaluation, predictions = tiny_network().evaluate_each(tiny_parameters(), IMAGES, LABELS)
    draft = EvaluationDraft(
        **{
            "model": "toy",
            "version": 1,
            "dataset": dataset,
            "split": "test",
            "classes": CLASSES,
            "accuracy_interval": (0.5, 1.0),
            "evaluation": {**evaluation.to_dict(), "mistakes": []},
            **fields,
        }
    )
    JobEvaluations(volume).publish(job.id, draft, predictions)
    return job


class TestFindings:
    def test_evaluation_is_that_of_the_split(self, client: FlaskClient, volume: Volume, jobs: JobStore) -> None:
        job = finished(volume, jobs, split="train")

        found: Any = client.get(f"/v1/jobs/{job.id}/evaluation").json

        expected = tiny_network().evaluate(tiny_parameters(), IMAGES, LABELS)
        assert (found["model"], found["version"], found["split"], found["history"]) == ("toy", 1, "train", [])
        assert found["confusion_matrix"] == expected.confusion.tolist()
        assert found["accuracy_interval"] == [0.5, 1.0]
        assert [each["label"] for each in found["classes"]] == list(CLASSES)

    def test_predictions_are_filtered_as_those_of_a_version(
        self, client: FlaskClient, volume: Volume, jobs: JobStore
    ) -> None:
        job = finished(volume, jobs)

        found: Any = client.get(f"/v1/jobs/{job.id}/predictions?label=1&limit=2").json

        assert [item["index"] for item in found["items"]] == [1, 4]
        assert found["total"] == 10

    def test_two_jobs_and_a_version_are_compared_on_the_same_images(
        self, client: FlaskClient, volume: Volume, jobs: JobStore, registry: Registry
    ) -> None:
        job, other = finished(volume, jobs), finished(volume, jobs)
        wrong = a_prediction_for_each(*((label, (label + 1) % 3, 0.5) for label in LABELS.tolist()))
        publish(registry, job="job-2", predictions=wrong)
        right = round(30 * tiny_network().evaluate(tiny_parameters(), IMAGES, LABELS).accuracy)

        same: Any = client.get(f"/v1/jobs/{job.id}/predictions/compare?with={other.id}").json
        better: Any = client.get(f"/v1/jobs/{job.id}/predictions/compare?with=toy@2&cell=only_this_right").json

        assert same["counts"]["both_right"] == right
        assert (better["counts"]["only_this_right"], better["total"], better["other"]) == (right, right, "toy@2")
        assert better["p_value"] < 0.001

    @pytest.mark.parametrize("fields", [{"dataset": "sha256:" + "1" * 64}, {"split": "train"}])
    def test_predictions_for_other_images_are_not_compared(
        self, client: FlaskClient, volume: Volume, jobs: JobStore, fields: dict[str, str]
    ) -> None:
        job, other = finished(volume, jobs), finished(volume, jobs, **fields)

        assert_problem(client.get(f"/v1/jobs/{job.id}/predictions/compare?with={other.id}"), 409, "datasets_differ")

    @pytest.mark.parametrize("path", ["evaluation", "predictions", "predictions/compare?with=x"])
    def test_job_without_an_evaluation_is_not_found(self, client: FlaskClient, jobs: JobStore, path: str) -> None:
        waiting, training = a_batch(kind=Kind.EVALUATION), a_training()
        for job in (waiting, training):
            jobs.create(job)

        problem = assert_problem(client.get(f"/v1/jobs/{waiting.id}/{path}"), 404, "evaluation_not_found")
        assert "is queued" in problem["detail"]
        assert_problem(client.get(f"/v1/jobs/{training.id}/{path}"), 409, "not_an_evaluation")
        assert_problem(client.get(f"/v1/jobs/unknown/{path}"), 404, "job_not_found")

    def test_evaluation_has_a_history_without_epochs(self, client: FlaskClient, volume: Volume, jobs: JobStore) -> None:
        response = client.get(f"/v1/jobs/{finished(volume, jobs).id}/history")

        assert (response.status_code, response.get_json()["items"]) == (200, [])

    @pytest.mark.parametrize("name", ["evaluation.json", "predictions.npz"])
    def test_damaged_files_are_refused(self, client: FlaskClient, volume: Volume, jobs: JobStore, name: str) -> None:
        job = finished(volume, jobs)
        (volume.evaluation(job.id) / name).write_bytes(b"{}")

        problem = assert_problem(client.get(f"/v1/jobs/{job.id}/predictions"), 500, "evaluation_damaged")

        assert name in problem["detail"]
