"""`GET /v1/models/{name}/versions/{ref}/evaluation`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from flask.testing import FlaskClient

from shared.network import EpochReport
from shared.registry import Registry
from tests.support.data.npz import easy_images
from tests.support.objects.models import publish, tiny_network, tiny_parameters
from tests.support.problems import assert_problem

PATH = "/v1/models/toy/versions/1/evaluation"


@pytest.fixture
def evaluation(client: FlaskClient, registry: Registry) -> Any:
    """The API's evaluation of a version with ninety test images."""
    measured = tiny_network().evaluate(tiny_parameters(), *easy_images(90, seed=1))
    report = EpochReport(epoch=1, train_loss=0.5, train_accuracy=0.9, seconds=0.1)
    mistake = {"index": 17, "label": 0, "predicted": 2, "confidence": 0.75, "image": "data:image/png;base64,AAAA"}
    publish(registry, evaluation=measured.to_dict() | {"mistakes": [mistake]}, history=(asdict(report),))
    return client.get(PATH).json


def test_confusion_matrix_counts_each_image_once(evaluation: Any) -> None:
    matrix = evaluation["confusion_matrix"]

    assert [sum(row) for row in matrix] == [30, 30, 30]
    assert sum(matrix[label][label] for label in range(3)) == round(evaluation["accuracy"] * 90)
    assert evaluation["samples"] == 90


def test_each_class_has_its_precision_and_recall(evaluation: Any) -> None:
    matrix = evaluation["confusion_matrix"]

    assert [measures["label"] for measures in evaluation["classes"]] == ["0", "1", "2"]
    for label, measures in enumerate(evaluation["classes"]):
        assert measures["recall"] == pytest.approx(matrix[label][label] / 30)
        assert measures["precision"] == pytest.approx(matrix[label][label] / sum(row[label] for row in matrix))
        assert measures["support"] == 30


def test_evaluation_has_calibration_and_history(evaluation: Any) -> None:
    assert sum(bar["count"] for bar in evaluation["calibration"]["bins"]) == 90
    assert 0 <= evaluation["calibration"]["expected_error"] <= 1
    assert [epoch["train_loss"] for epoch in evaluation["history"]] == [0.5]
    assert evaluation["top_accuracy"]["1"] == evaluation["accuracy"]


def test_mistakes_name_the_classes(evaluation: Any) -> None:
    assert evaluation["mistakes"] == [
        {"index": 17, "label": "0", "predicted": "2", "confidence": 0.75, "image": "data:image/png;base64,AAAA"}
    ]


def test_version_of_an_old_release_has_no_mistakes(client: FlaskClient, registry: Registry) -> None:
    measured = tiny_network().evaluate(tiny_parameters(), *easy_images(90, seed=1))
    publish(registry, evaluation=measured.to_dict())

    assert client.get(PATH).get_json()["mistakes"] == []


def test_version_without_an_evaluation_is_not_found(client: FlaskClient, registry: Registry) -> None:
    publish(registry)

    assert_problem(client.get(PATH), 404, "evaluation_not_found")


def test_unknown_model_or_version_is_not_found(client: FlaskClient, registry: Registry) -> None:
    assert_problem(client.get(PATH), 404, "model_not_found")
    publish(registry, evaluation={"samples": 1})
    assert_problem(client.get("/v1/models/toy/versions/2/evaluation"), 404, "version_not_found")
