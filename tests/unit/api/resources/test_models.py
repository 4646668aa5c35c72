"""`/v1/models`."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from shared.registry import ModelVersion, Registry
from tests.support.objects.models import publish, tiny_network
from tests.support.problems import assert_problem

WEIGHTS = "/v1/models/toy/versions/1/weights"


@pytest.fixture
def three(registry: Registry) -> Registry:
    """Three versions of `toy`; the first is the champion."""
    for job in ("job-1", "job-2", "job-3"):
        publish(registry, job=job)
    registry.point("toy", "champion", 1)
    return registry


class TestVersions:
    def test_version_shows_its_provenance(self, client: FlaskClient, model: ModelVersion) -> None:
        version: Any = client.get("/v1/models/toy/versions/1").json

        assert version["model"] == "toy"
        assert version["version"] == 1
        assert version["job"] == "job-1"
        assert version["dataset"] == model.dataset
        assert version["configuration"] == model.configuration
        assert version["seed"] == 0
        assert version["input"] == {"image_shape": [6, 6], "standardization": None, "brightness": None}
        assert version["classes"] == ["0", "1", "2"]
        assert version["parameters"] == tiny_network().parameter_count
        assert version["metrics"] == {"test_accuracy": 1.0}
        assert version["weights"] == {"bytes": model.weights.bytes, "sha256": model.weights.sha256}
        assert version["created_at"].endswith("Z")
        assert version["links"]["weights"] == WEIGHTS

    @pytest.mark.parametrize(("reference", "number"), [("latest", 3), ("2", 2), ("champion", 1)])
    @pytest.mark.usefixtures("three")
    def test_version_is_found_by_number_alias_or_latest(self, client: FlaskClient, reference: str, number: int) -> None:
        version: Any = client.get(f"/v1/models/toy/versions/{reference}").json

        assert version["version"] == number
        assert version["aliases"] == (["champion"] if number == 1 else [])

    @pytest.mark.usefixtures("three")
    def test_versions_are_listed_newest_first_in_pages(self, client: FlaskClient) -> None:
        first: Any = client.get("/v1/models/toy/versions?limit=2").json
        second: Any = client.get("/v1/models/toy/versions", query_string={"limit": 2, "after": first["next"]}).json

        assert [[item["version"] for item in page["items"]] for page in (first, second)] == [[3, 2], [1]]
        assert second["next"] is None

    @pytest.mark.parametrize("reference", ["2", "0", "-1", "unknown", "9" * 5000, "%C2%B9"])
    @pytest.mark.parametrize("path", ["", "/weights"])
    @pytest.mark.usefixtures("model")
    def test_unknown_version_is_not_found(self, client: FlaskClient, reference: str, path: str) -> None:
        assert_problem(client.get(f"/v1/models/toy/versions/{reference}{path}"), 404, "version_not_found")

    @pytest.mark.parametrize("path", ["", "/versions", "/versions/1", "/versions/latest", "/versions/1/weights"])
    @pytest.mark.parametrize("name", ["unknown", "..", "TOY"])
    @pytest.mark.usefixtures("model")
    def test_unknown_model_is_not_found(self, client: FlaskClient, name: str, path: str) -> None:
        assert_problem(client.get(f"/v1/models/{name}{path}"), 404, "model_not_found")


class TestModels:
    @pytest.mark.usefixtures("three")
    def test_model_shows_its_newest_version(self, client: FlaskClient) -> None:
        shown: Any = client.get("/v1/models/toy").json

        assert shown["name"] == "toy"
        assert shown["versions"] == 3
        assert shown["aliases"] == {"champion": 1}
        assert shown["latest"] == client.get("/v1/models/toy/versions/3").json

    def test_models_are_listed_by_name_in_pages(self, client: FlaskClient, registry: Registry) -> None:
        for name in ("c", "a", "b"):
            publish(registry, name, job=f"job-{name}")

        first: Any = client.get("/v1/models?limit=2").json
        second: Any = client.get("/v1/models?limit=2&after=b").json

        assert [item["name"] for item in first["items"] + second["items"]] == ["a", "b", "c"]
        assert (first["next"], second["next"]) == ("b", None)

    def test_list_without_models_is_empty(self, client: FlaskClient) -> None:
        assert client.get("/v1/models").json == {"items": [], "next": None}

    @pytest.mark.parametrize("path", ["/v1/models", "/v1/models/toy", "/v1/models/toy/versions/1", WEIGHTS])
    @pytest.mark.usefixtures("model")
    def test_models_are_served_without_redis(self, client_without_redis: FlaskClient, path: str) -> None:
        assert client_without_redis.get(path, buffered=True).status_code == 200
