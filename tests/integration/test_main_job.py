"""The main job: a data set becomes a version, and an archive becomes rows."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from shared.network import Configuration, Network
from tests.support.data.archives import zip_of, zip_of_images
from tests.support.data.images import png
from tests.support.data.npz import easy_arrays, npz
from tests.support.servers.stack import Stack

ARRAYS = easy_arrays(train=300, test=30, seed=11)
IMAGES = ARRAYS["x_test"]
QUICK = {"hidden": [8], "epochs": 4, "batch_size": 10, "optimizer": {"name": "adam", "learning_rate": 0.02}}


@dataclass(frozen=True)
class Trained:
    """The module's training: its request, its job and the published version."""

    dataset: dict[str, Any]
    job: dict[str, Any]
    version: dict[str, Any]


@pytest.fixture(scope="module")
def trained(stack: Stack) -> Trained:
    """A model that was trained on uploaded data."""
    dataset = stack.upload(npz(ARRAYS), name="main-job")
    job = stack.train(model="main-job", dataset="main-job", promote="champion", **QUICK)
    return Trained(dataset, stack.finished(job["id"]), stack.get("/v1/models/main-job/versions/latest"))


@pytest.fixture(scope="module")
def weights(stack: Stack, trained: Trained) -> bytes:
    """The weights, downloaded."""
    response = stack.http.get(trained.version["links"]["weights"])
    assert response.status_code == 200
    return response.content


@pytest.fixture(scope="module")
def probabilities(trained: Trained, weights: bytes) -> Any:
    """Probabilities of the downloaded network for the test images, computed directly from the arrays."""
    network = Network((6, 6), 3, Configuration.from_dict(trained.version["configuration"]))
    with np.load(io.BytesIO(weights), allow_pickle=False) as parameters:
        return network.probabilities(dict(parameters), IMAGES)


def lines(stack: Stack, job: dict[str, Any], what: str) -> list[dict[str, Any]]:
    response = stack.http.get(f"/v1/jobs/{job['id']}/{what}")
    assert response.status_code == 200
    return [json.loads(line) for line in response.text.splitlines()]


class TestTraining:
    def test_a_training_succeeds_and_names_its_version(self, trained: Trained) -> None:
        assert trained.job["state"] == "succeeded"
        assert trained.job["attempt"] == 1
        assert trained.job["result"]["model"] == "main-job"
        assert trained.job["result"]["version"] == trained.version["version"] == 1
        assert trained.job["progress"] == {"done": 4, "total": 4, "unit": "epochs", "eta_seconds": 0.0}
        assert trained.job["created_at"] <= trained.job["started_at"] <= trained.job["finished_at"]
        assert "warnings" not in trained.job

    @pytest.mark.usefixtures("trained")
    def test_a_training_that_learns_nothing_succeeds_with_warnings(self, stack: Stack) -> None:
        settings = QUICK | {"optimizer": {"name": "sgd", "learning_rate": 1e-9}}
        job = stack.finished(stack.train(model="untaught", dataset="main-job", **settings)["id"])

        assert job["state"] == "succeeded"
        findings = job["result"]["diagnosis"]
        assert {"underfits", "no_better_than_chance"} <= {finding["code"] for finding in findings}
        assert job["warnings"] == [finding["message"] for finding in findings]
        log = stack.get(f"/v1/jobs/{job['id']}/events?limit=100")["items"]
        warnings = [event["data"] for event in log if event["type"] == "warning"]
        assert [warning for warning in warnings if "epoch" not in warning] == findings
        assert "no_better_than_chance" in {warning["code"] for warning in warnings if "epoch" in warning}
        version = stack.get("/v1/models/untaught/versions/latest")
        assert version["diagnosis"] == findings
        assert version["baselines"] == {"linear": 1.0, "majority_class": 1 / 3}
        low, high = version["accuracy_interval"]
        assert 0 <= low <= version["metrics"]["test_accuracy"] <= high <= 1

    def test_the_version_is_listed(self, stack: Stack, trained: Trained) -> None:
        assert stack.get("/v1/models/main-job/versions")["items"] == [trained.version]
        assert "main-job" in {model["name"] for model in stack.get("/v1/models")["items"]}

    def test_the_manifest_has_the_data_set_the_job_and_the_metrics(self, trained: Trained) -> None:
        assert trained.version["dataset"] == trained.dataset["id"]
        assert trained.version["job"] == trained.job["id"]
        assert trained.version["aliases"] == ["champion"]
        assert trained.version["metrics"]["test_accuracy"] == trained.job["result"]["test_accuracy"] > 0.9
        assert trained.version["classes"] == ["0", "1", "2"]

    def test_the_weights_have_the_manifests_digest(self, trained: Trained, weights: bytes) -> None:
        digest = hashlib.sha256(weights).hexdigest()

        assert digest == trained.version["weights"]["sha256"] == trained.job["result"]["weights_sha256"]
        assert len(weights) == trained.version["weights"]["bytes"]

    def test_the_downloaded_network_has_the_accuracy_of_the_manifest(
        self, trained: Trained, probabilities: Any
    ) -> None:
        accuracy = np.mean(probabilities.argmax(axis=1) == ARRAYS["y_test"])

        assert accuracy == trained.version["metrics"]["test_accuracy"]


@pytest.mark.usefixtures("trained")
class TestBatch:
    def test_rows_are_the_predictions_of_the_network(self, stack: Stack, probabilities: Any) -> None:
        job = stack.finished(stack.classify(zip_of_images(IMAGES), "main-job@champion")["id"])

        rows = lines(stack, job, "results")
        assert job["state"] == "succeeded"
        assert [row["path"] for row in rows] == [f"{number:05d}.png" for number in range(len(IMAGES))]
        assert [row["label"] for row in rows] == [str(label) for label in probabilities.argmax(axis=1)]
        assert np.allclose([row["confidence"] for row in rows], probabilities.max(axis=1), atol=1e-6)
        assert lines(stack, job, "errors") == []
        assert (job["result"]["total"], job["result"]["succeeded"], job["result"]["failed"]) == (30, 30, 0)

    def test_csv_has_the_same_rows(self, stack: Stack) -> None:
        job = stack.finished(stack.classify(zip_of_images(IMAGES), "main-job", top_k=2)["id"])

        table = list(csv.reader(io.StringIO(stack.http.get(f"/v1/jobs/{job['id']}/results?format=csv").text)))

        assert table[0] == ["path", "label", "confidence", "label_2", "confidence_2"]
        for cells, row in zip(table[1:], lines(stack, job, "results"), strict=True):
            first, second = row["top"]
            assert cells[:2] == [row["path"], first["label"]]
            assert float(cells[2]) == first["probability"]
            assert (cells[3], float(cells[4])) == (second["label"], second["probability"])

    def test_unreadable_files_are_errors_and_the_others_are_rows(self, stack: Stack) -> None:
        whole = png(IMAGES[0])
        archive = zip_of(
            {"a.png": whole, "notes.txt": b"text", "__MACOSX/._a.png": b"", "b.png": whole[:-25], "c.png": whole}
        )

        job = stack.finished(stack.classify(archive, "main-job")["id"])

        assert job["state"] == "completed_with_errors"
        assert job["result"]["passed_over"] == 1
        assert [row["path"] for row in lines(stack, job, "results")] == ["a.png", "c.png"]
        assert [(error["path"], error["code"]) for error in lines(stack, job, "errors")] == [
            ("notes.txt", "not_an_image"),
            ("b.png", "image_damaged"),
        ]

    def test_a_batch_without_a_readable_image_fails_and_names_each_file(self, stack: Stack) -> None:
        archive = zip_of({f"{number}.txt": b"text" for number in range(20)})

        job = stack.finished(stack.classify(archive, "main-job")["id"])

        assert job["state"] == "failed"
        assert job["error"]["code"] == "too_many_errors"
        assert [error["path"] for error in lines(stack, job, "errors")] == [f"{number}.txt" for number in range(20)]


def test_the_same_training_of_another_model_gives_the_same_bits(stack: Stack, trained: Trained) -> None:
    job = stack.finished(stack.train(model="main-job-again", dataset=trained.dataset["id"], **QUICK)["id"])

    assert job["result"]["version"] == 1
    first, second = (
        np.load(io.BytesIO(stack.http.get(f"/v1/models/{name}/versions/1/weights").content))
        for name in ("main-job", "main-job-again")
    )
    assert all(np.array_equal(first[name], second[name]) for name in first.files)
