"""`/v1/models`."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from shared.registry import ModelVersion, Registry
from shared.volume import Volume
from tests.support.models import publish, tiny_network, tiny_parameters
from tests.support.problems import assert_problem

WEIGHTS = "/v1/models/toy/versions/1/weights"


def download(client: FlaskClient, **options: Any) -> TestResponse:
    """Read the weights to their end, so that the file is closed."""
    return client.get(WEIGHTS, buffered=True, **options)


@pytest.fixture
def three(registry: Registry) -> Registry:
    """Three versions of `toy`; the first is the champion."""
    for job in ("job-1", "job-2", "job-3"):
        publish(registry, job=job)
    registry.point("toy", "champion", 1)
    return registry


class TestVersions:
    def test_a_version_shows_where_it_comes_from(self, client: FlaskClient, model: ModelVersion) -> None:
        version: Any = client.get("/v1/models/toy/versions/1").json

        assert version["model"] == "toy"
        assert version["version"] == 1
        assert version["job"] == "job-1"
        assert version["dataset"] == model.dataset
        assert version["configuration"] == model.configuration
        assert version["seed"] == 0
        assert version["input"] == {"image_shape": [6, 6]}
        assert version["classes"] == ["0", "1", "2"]
        assert version["parameters"] == tiny_network().parameter_count
        assert version["metrics"] == {"test_accuracy": 1.0}
        assert version["weights"] == {"bytes": model.weights.bytes, "sha256": model.weights.sha256}
        assert version["created_at"].endswith("Z")
        assert version["links"]["weights"] == WEIGHTS

    @pytest.mark.parametrize(("reference", "number"), [("latest", 3), ("2", 2), ("champion", 1)])
    @pytest.mark.usefixtures("three")
    def test_a_version_is_found_by_number_alias_or_as_the_latest(
        self, client: FlaskClient, reference: str, number: int
    ) -> None:
        version: Any = client.get(f"/v1/models/toy/versions/{reference}").json

        assert version["version"] == number
        assert version["aliases"] == (["champion"] if number == 1 else [])

    @pytest.mark.usefixtures("three")
    def test_versions_are_listed_from_the_newest_in_pages(self, client: FlaskClient) -> None:
        first: Any = client.get("/v1/models/toy/versions?limit=2").json
        second: Any = client.get("/v1/models/toy/versions", query_string={"limit": 2, "after": first["next"]}).json

        assert [[item["version"] for item in page["items"]] for page in (first, second)] == [[3, 2], [1]]
        assert second["next"] is None

    @pytest.mark.parametrize("reference", ["2", "0", "-1", "unknown", "9" * 5000, "%C2%B9"])
    @pytest.mark.parametrize("path", ["", "/weights"])
    @pytest.mark.usefixtures("model")
    def test_an_unknown_version_is_not_found(self, client: FlaskClient, reference: str, path: str) -> None:
        assert_problem(client.get(f"/v1/models/toy/versions/{reference}{path}"), 404, "version_not_found")

    @pytest.mark.parametrize("path", ["", "/versions", "/versions/1", "/versions/latest", "/versions/1/weights"])
    @pytest.mark.parametrize("name", ["unknown", "..", "TOY"])
    @pytest.mark.usefixtures("model")
    def test_an_unknown_model_is_not_found(self, client: FlaskClient, name: str, path: str) -> None:
        assert_problem(client.get(f"/v1/models/{name}{path}"), 404, "model_not_found")


class TestModels:
    @pytest.mark.usefixtures("three")
    def test_a_model_shows_its_newest_version(self, client: FlaskClient) -> None:
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

    def test_without_any_the_list_is_empty(self, client: FlaskClient) -> None:
        assert client.get("/v1/models").json == {"items": [], "next": None}

    @pytest.mark.parametrize("path", ["/v1/models", "/v1/models/toy", "/v1/models/toy/versions/1", WEIGHTS])
    @pytest.mark.usefixtures("model")
    def test_models_are_served_without_redis(self, client_without_redis: FlaskClient, path: str) -> None:
        assert client_without_redis.get(path, buffered=True).status_code == 200


class TestWeights:
    def test_the_weights_are_the_file_of_the_manifests_digest(self, client: FlaskClient, model: ModelVersion) -> None:
        response = download(client)

        assert response.status_code == 200
        assert response.content_type == "application/octet-stream"
        assert "toy-1.npz" in response.headers["Content-Disposition"]
        assert len(response.data) == model.weights.bytes
        assert hashlib.sha256(response.data).hexdigest() == model.weights.sha256
        with np.load(io.BytesIO(response.data), allow_pickle=False) as file:
            for name, array in tiny_parameters().items():
                assert np.array_equal(file[name], array)

    def test_they_are_not_sent_again_to_who_has_them(self, client: FlaskClient, model: ModelVersion) -> None:
        etag = download(client).headers["ETag"]

        assert model.weights.sha256 in etag
        assert download(client, headers={"If-None-Match": etag}).status_code == 304

    @pytest.mark.usefixtures("model")
    def test_a_part_of_them_is_sent_where_asked_for(self, client: FlaskClient) -> None:
        whole = download(client).data

        response = download(client, headers={"Range": "bytes=10-19"})

        assert response.status_code == 206
        assert response.data == whole[10:20]
        assert response.headers["Content-Range"] == f"bytes 10-19/{len(whole)}"

    @pytest.mark.usefixtures("model")
    @pytest.mark.parametrize("given", ["items=0-1", "bytes=0-1,3-4", "lines=1-2, 4-", "0-1"])
    def test_all_of_them_are_sent_where_another_kind_of_part_is_asked_for(
        self, client: FlaskClient, given: str
    ) -> None:
        response = download(client, headers={"Range": given})

        assert response.status_code == 200
        assert response.data == download(client).data
        assert "Content-Range" not in response.headers

    @pytest.mark.usefixtures("model")
    def test_damaged_weights_are_not_sent(self, client: FlaskClient, volume: Volume) -> None:
        (volume.version("toy", 1) / "weights.npz").write_bytes(b"something else")

        assert_problem(download(client), 500, "version_damaged")
