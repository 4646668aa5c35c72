"""`GET /v1/models/{name}/versions/{ref}/predictions`, and `/compare`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from shared.datasets.paths import write_paths
from shared.registry import ModelVersion, Registry
from shared.registry.predictions import stored
from shared.registry.predictions.stored import PREDICTIONS
from shared.storage.volume import Volume
from tests.support.objects.models import a_prediction_for_each, publish
from tests.support.problems import assert_problem, parameters

PATH = "/v1/models/toy/versions/1/predictions"
NAMES = ("cat", "<b>", "ü\u202e")
IMAGES = [(0, 0, 0.9), (0, 1, 0.6), (1, 1, 1.0), (0, 1, 0.8), (2, 2, 0.6), (1, 0, 0.35)]
OTHER = [(0, 1, 0.5), (0, 0, 0.7), (1, 1, 0.9), (0, 1, 0.8), (2, 2, 0.6), (1, 1, 0.4)]


@pytest.fixture(autouse=True)
def version(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> ModelVersion:
    """`toy@1` with six test images, whose predictions are read in blocks of four."""
    monkeypatch.setattr(stored, "BLOCK", 4)
    return publish(registry, classes=NAMES, predictions=a_prediction_for_each(*IMAGES))


@pytest.fixture
def other(registry: Registry) -> ModelVersion:
    """`toy@2`, the champion, on the same images; in float64."""
    version = publish(registry, job="job-2", classes=NAMES, predictions=a_prediction_for_each(*OTHER, dtype=float))  # type: ignore[arg-type]
    registry.point("toy", "champion", 2)
    return version


def pages(client: FlaskClient, path: str, **query: Any) -> list[dict[str, Any]]:
    """Return all pages of at most two items."""
    found: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        response = client.get(path, query_string={"limit": 2, **query, **after})
        assert response.status_code == 200, response.text
        found.append(response.get_json())
        if found[-1]["next"] is None:
            return found
        assert len(found[-1]["items"]) == 2
        after = {"after": found[-1]["next"]}


def indices(found: list[dict[str, Any]]) -> list[int]:
    return [item["index"] for page in found for item in page["items"]]


def test_items_name_the_classes_and_the_paths(client: FlaskClient, volume: Volume, version: ModelVersion) -> None:
    folder = volume.dataset(version.dataset.removeprefix("sha256:"))
    folder.mkdir(parents=True)
    write_paths(folder, {"test": ["test/cat/<1>.png", "", "test/ü\u202e.png", "", "", ""]})
    page = client.get(f"{PATH}?limit=3").get_json()

    assert page["items"] == [
        {"index": 0, "label": "cat", "predicted": "cat", "confidence": 0.9, "path": "test/cat/<1>.png"},
        {"index": 1, "label": "cat", "predicted": "<b>", "confidence": 0.6, "path": None},
        {"index": 2, "label": "<b>", "predicted": "<b>", "confidence": 1.0, "path": "test/ü\u202e.png"},
    ]
    assert page["total"] == 6


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [0, 1, 2, 3, 4, 5]),
        ({"order": "least_confident"}, [5, 1, 4, 3, 0, 2]),
        ({"order": "most_confident"}, [2, 0, 3, 1, 4, 5]),
        ({"label": "cat", "predicted": "<b>", "order": "most_confident"}, [3, 1]),
        ({"wrong": "true"}, [1, 3, 5]),
        ({"wrong": "false", "order": "least_confident"}, [4, 0, 2]),
        ({"label": "ü\u202e"}, [4]),
        ({"label": "ü\u202e", "wrong": "true"}, []),
        ({"above": 0.6, "below": 0.9}, [1, 3, 4]),
    ],
)
def test_predictions_are_filtered_and_ordered_over_all_pages(
    client: FlaskClient, query: dict[str, Any], expected: list[int]
) -> None:
    found = pages(client, PATH, **query)

    assert indices(found) == expected
    assert {page["total"] for page in found} == {len(expected)}


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"label": "dog"}, "label"),
        ({"predicted": ""}, "predicted"),
        ({"order": "random"}, "order"),
        ({"wrong": "perhaps"}, "wrong"),
        ({"limit": 501}, "limit"),
        ({"after": "l000"}, "after"),
        ({"after": f"l{0:016x}", "order": "most_confident"}, "after"),
        ({"cell": "both_right"}, "cell"),
    ],
)
def test_invalid_queries_are_rejected(client: FlaskClient, query: dict[str, Any], parameter: str) -> None:
    problem = assert_problem(client.get(PATH, query_string=query), 422, "validation_failed")

    assert parameters(problem) == [parameter]


def test_version_of_an_older_release_has_no_predictions(client: FlaskClient, registry: Registry) -> None:
    publish(registry, "old", "job-9")

    assert_problem(client.get("/v1/models/old/versions/1/predictions"), 404, "predictions_not_found")


def test_deleted_version_is_not_found(client: FlaskClient, registry: Registry) -> None:
    registry.delete("toy", "1")

    assert_problem(client.get(PATH), 404, "version_deleted")


@pytest.mark.parametrize("damage", ["changed", "cut short", "missing"])
def test_changed_file_is_refused(client: FlaskClient, volume: Volume, damage: str) -> None:
    path = volume.version("toy", 1) / PREDICTIONS
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(content[:-1] if damage == "cut short" else content[:-1] + b"\1")

    problem = assert_problem(client.get(PATH), 500, "version_damaged")

    assert "predictions.npz of toy@1" in problem["detail"]


@pytest.mark.usefixtures("other")
class TestComparison:
    @pytest.mark.parametrize("reference", ["2", "champion", "toy@2", "toy@champion"])
    def test_counts_and_p_value(self, client: FlaskClient, reference: str) -> None:
        found = client.get(f"{PATH}/compare", query_string={"with": reference}).get_json()

        assert found["counts"] == {"both_right": 2, "only_this_right": 1, "only_other_right": 2, "both_wrong": 1}
        assert (found["samples"], found["total"], found["p_value"]) == (6, 6, 1.0)

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({}, [0, 1, 2, 3, 4, 5]),
            ({"cell": "both_right"}, [2, 4]),
            ({"cell": "only_this_right"}, [0]),
            ({"cell": "only_other_right", "order": "most_confident"}, [1, 5]),
            ({"cell": "both_wrong"}, [3]),
            ({"cell": "only_other_right", "label": "cat"}, [1]),
        ],
    )
    def test_images_of_a_cell_are_listed_in_pages(
        self, client: FlaskClient, query: dict[str, Any], expected: list[int]
    ) -> None:
        found = pages(client, f"{PATH}/compare", **query, **{"with": "champion"})

        assert indices(found) == expected
        assert {page["total"] for page in found} == {len(expected)}
        assert len({json.dumps(page["counts"]) for page in found}) == 1

    def test_items_have_both_predictions(self, client: FlaskClient) -> None:
        found = client.get(f"{PATH}/compare?with=2&cell=only_this_right").get_json()

        assert found["items"] == [
            {
                "index": 0,
                "label": "cat",
                "predicted": "cat",
                "confidence": 0.9,
                "other_predicted": "<b>",
                "other_confidence": 0.5,
                "path": None,
            }
        ]

    def test_versions_of_different_data_sets_are_rejected(self, client: FlaskClient, registry: Registry) -> None:
        publish(registry, "apart", "job-3", dataset="sha256:" + "1" * 64, predictions=a_prediction_for_each(*OTHER))

        problem = assert_problem(client.get(f"{PATH}/compare?with=apart@1"), 409, "datasets_differ")

        assert "sha256:1111" in problem["detail"]

    def test_version_without_predictions_is_rejected(self, client: FlaskClient, registry: Registry) -> None:
        publish(registry, "old", "job-9")

        assert_problem(client.get(f"{PATH}/compare?with=old@1"), 404, "predictions_not_found")
        assert_problem(client.get(f"{PATH}/compare"), 422, "validation_failed")
        assert_problem(client.get(f"{PATH}/compare?with=7"), 404, "version_not_found")
        assert_problem(client.get(f"{PATH}/compare?with=toy@"), 422, "invalid_reference")
