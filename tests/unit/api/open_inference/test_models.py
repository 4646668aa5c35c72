"""Metadata and readiness of the inference server and its models, and the model repository."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from shared.registry import Registry
from shared.runtime.settings import Settings
from shared.storage import durable
from shared.storage.volume import Volume
from tests.support.objects.models import publish, publish_colour
from tests.support.problems import assert_problem, pointers


@pytest.fixture(autouse=True)
def two(registry: Registry) -> Registry:
    """Two versions of `toy`; the first is the champion."""
    for job in ("job-1", "job-2"):
        publish(registry, job=job)
    registry.point("toy", "champion", 1)
    return registry


class TestServer:
    @pytest.mark.parametrize("path", ["/v2", "/v2/"])
    def test_server_metadata_lists_its_extensions(self, client: FlaskClient, path: str) -> None:
        shown: Any = client.get(path).json

        assert shown["name"] == "glassbox"
        assert set(shown["extensions"]) == {"binary_tensor_data", "classification", "model_repository"}

    def test_server_is_live_and_ready_without_redis(self, client_without_redis: FlaskClient) -> None:
        assert client_without_redis.get("/v2/health/live").json == {"live": True}
        assert client_without_redis.get("/v2/health/ready").json == {"live": True, "ready": True}

    def test_server_is_not_ready_if_the_volume_cannot_be_read(self, client: FlaskClient, volume: Volume) -> None:
        volume.models.rename(volume.root / "elsewhere")
        volume.models.write_text("not a folder")

        assert_problem(client.get("/v2/health/ready"), 503, "volume_unavailable")

    def test_error_of_an_unknown_route_has_both_message_members(self, client: FlaskClient) -> None:
        problem = assert_problem(client.get("/v2/unknown"), 404, "not_found")

        assert problem["error"] == problem["detail"]


class TestModels:
    @pytest.mark.parametrize("path", ["", "/versions/1", "/versions/champion", "/versions/latest"])
    def test_model_metadata_lists_its_tensors(self, client: FlaskClient, path: str) -> None:
        assert client.get(f"/v2/models/toy{path}").json == {
            "name": "toy",
            "versions": ["1", "2"],
            "platform": "numpy_npz",
            "inputs": [{"name": "images", "datatype": "FP32", "shape": [-1, 36]}],
            "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]}],
        }

    def test_input_in_colour_has_height_width_and_channels(self, client: FlaskClient, registry: Registry) -> None:
        publish_colour(registry)

        shown: Any = client.get("/v2/models/painted").json

        assert shown["inputs"] == [{"name": "images", "datatype": "FP32", "shape": [-1, 6, 6, 3]}]

    @pytest.mark.parametrize("path", ["", "/versions/2", "/versions/champion"])
    def test_published_model_is_ready(self, client: FlaskClient, path: str) -> None:
        response = client.get(f"/v2/models/toy{path}/ready")

        assert (response.status_code, response.json) == (200, {"name": "toy", "ready": True})

    def test_unknown_model_or_version_is_not_found(self, client: FlaskClient, registry: Registry) -> None:
        registry.delete("toy", "2")
        for path, code in [
            ("other", "model_not_found"),
            ("toy/versions/3", "version_not_found"),
            ("toy/versions/2", "version_deleted"),
        ]:
            assert_problem(client.get(f"/v2/models/{path}/ready"), 404, code)
            assert_problem(client.get(f"/v2/models/{path}"), 404, code)

    def test_damaged_version_is_not_ready(self, client: FlaskClient, volume: Volume) -> None:
        (volume.version("toy", 2) / "weights.npz").write_bytes(b"something else")

        assert_problem(client.get("/v2/models/toy/ready"), 500, "version_damaged")
        assert client.get("/v2/models/toy/versions/1/ready").status_code == 200


def states(client: FlaskClient, body: bytes = b"") -> list[tuple[str, str, str, str]]:
    """Return the repository's index as tuples."""
    response = client.post("/v2/repository/index", data=body)
    assert response.status_code == 200
    return [(entry["name"], entry["version"], entry["state"], entry["reason"]) for entry in response.get_json()]


class TestRepository:
    def test_index_lists_every_version(self, client: FlaskClient, registry: Registry) -> None:
        publish(registry, "another")

        for body in (b"", b"{}", b'{"ready": false}'):
            assert states(client, body) == [
                ("another", "1", "READY", ""),
                ("toy", "2", "READY", ""),
                ("toy", "1", "READY", ""),
            ]

    def test_index_and_metadata_skip_a_version_that_only_a_newer_release_can_read(
        self, client: FlaskClient, volume: Volume
    ) -> None:
        path = volume.version("toy", 2) / "manifest.json"
        durable.write_json(path, {**json.loads(path.read_bytes()), "image_shape": [6, 6, 4]})

        assert states(client) == [("toy", "1", "READY", "")]
        assert client.get("/v2/models/toy").json["versions"] == ["1"]  # type: ignore[index]
        assert_problem(client.get("/v2/models/toy/versions/2"), 500, "version_unreadable")

    def test_index_can_list_ready_versions_only(self, client: FlaskClient, volume: Volume) -> None:
        (volume.version("toy", 2) / "weights.npz").write_bytes(b"something else")

        assert states(client)[0] == ("toy", "2", "UNAVAILABLE", "damaged")
        assert states(client, b'{"ready": true}') == [("toy", "1", "READY", "")]

    @pytest.mark.parametrize(("body", "pointer"), [(b"[]", "#"), (b'{"other": 1}', "#"), (b'{"ready": 1}', "#/ready")])
    def test_invalid_index_request_is_rejected(self, client: FlaskClient, body: bytes, pointer: str) -> None:
        problem = assert_problem(client.post("/v2/repository/index", data=body), 422, "validation_failed")

        assert pointers(problem) == [pointer]

    def test_unloaded_model_is_not_ready_until_it_is_loaded(self, client: FlaskClient) -> None:
        assert client.post("/v2/repository/models/toy/unload").status_code == 200

        assert_problem(client.get("/v2/models/toy/ready"), 409, "model_unloaded")
        assert {state for _, _, state, _ in states(client)} == {"UNAVAILABLE"}
        assert states(client, b'{"ready": true}') == []

        assert client.post("/v2/repository/models/toy/load").json == {"name": "toy", "ready": True}
        assert client.get("/v2/models/toy/ready").status_code == 200

    @pytest.mark.parametrize("action", ["load", "unload"])
    def test_load_and_unload_accept_parameters(self, client: FlaskClient, action: str) -> None:
        for body in (b"", b"{}", b'{"parameters": {"unload_dependents": false, "config": "{}"}}'):
            assert client.post(f"/v2/repository/models/toy/{action}", data=body).status_code == 200

    @pytest.mark.parametrize("action", ["load", "unload"])
    def test_load_and_unload_reject_other_members(self, client: FlaskClient, registry: Registry, action: str) -> None:
        path = f"/v2/repository/models/toy/{action}"

        assert_problem(client.post(path, data=b"zz"), 400, "malformed_json")
        for body, pointer in (
            (b'{"x": 1}', "#"),
            (b"[]", "#"),
            (b'{"parameters": 1}', "#/parameters"),
            (b'{"parameters": {"unload_dependents": 1}}', "#/parameters/unload_dependents"),
        ):
            assert pointers(assert_problem(client.post(path, data=body), 422, "validation_failed")) == [pointer]
        assert registry.is_served("toy")

    def test_unload_applies_to_all_processes_and_after_a_restart(self, client: FlaskClient, settings: Settings) -> None:
        other = create_app(settings).test_client()
        assert other.get("/v2/models/toy/ready").status_code == 200

        client.post("/v2/repository/models/toy/unload")

        assert_problem(other.get("/v2/models/toy/ready"), 409, "model_unloaded")
        assert_problem(create_app(settings).test_client().get("/v2/models/toy/ready"), 409, "model_unloaded")

    def test_load_and_unload_of_an_unknown_model_are_not_found(self, client: FlaskClient) -> None:
        for action in ("load", "unload"):
            assert_problem(client.post(f"/v2/repository/models/other/{action}"), 404, "model_not_found")

    def test_damaged_model_cannot_be_loaded(self, client: FlaskClient, volume: Volume) -> None:
        (volume.version("toy", 2) / "weights.npz").write_bytes(b"something else")

        assert_problem(client.post("/v2/repository/models/toy/load"), 500, "version_damaged")
