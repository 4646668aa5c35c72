"""`DELETE /v1/models/{name}` and `DELETE /v1/models/{name}/versions/{ref}`."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from shared.registry import Registry
from shared.storage.volume import Volume
from tests.support.data.files import files_below
from tests.support.objects.models import publish
from tests.support.problems import assert_problem, parameters

VERSION = "/v1/models/toy/versions"


@pytest.fixture(autouse=True)
def three(registry: Registry) -> Registry:
    """Three versions of `toy`; the first is the champion."""
    for job in ("job-1", "job-2", "job-3"):
        publish(registry, job=job)
    registry.point("toy", "champion", 1)
    return registry


@pytest.mark.parametrize(("reference", "number"), [("2", 2), ("latest", 3), ("next", 2)])
def test_version_is_deleted(
    client: FlaskClient, registry: Registry, volume: Volume, reference: str, number: int
) -> None:
    registry.point("toy", "next", 2)

    response = client.delete(f"{VERSION}/{reference}?force=true")

    assert (response.status_code, response.data) == (204, b"")
    assert_problem(client.get(f"{VERSION}/{number}"), 404, "version_deleted")
    assert_problem(client.get(f"{VERSION}/{number}/weights"), 404, "version_deleted")
    assert f"models/toy/{number}/weights.npz" not in files_below(volume.root)


def test_version_with_an_alias_is_not_deleted(client: FlaskClient) -> None:
    problem = assert_problem(client.delete(f"{VERSION}/1"), 409, "version_in_use")

    assert "'champion' points to version 1" in problem["detail"]
    assert client.get(f"{VERSION}/1").status_code == 200


def test_force_deletes_a_version_and_its_alias(client: FlaskClient) -> None:
    assert client.delete(f"{VERSION}/champion?force=true").status_code == 204

    assert client.get("/v1/models/toy/aliases").json == {"items": [], "next": None}


@pytest.mark.parametrize("query", ["force=perhaps", "forse=true"])
def test_invalid_option_deletes_no_version(client: FlaskClient, query: str) -> None:
    problem = assert_problem(client.delete(f"{VERSION}/2?{query}"), 422, "validation_failed")

    assert parameters(problem) == [query.split("=", maxsplit=1)[0]]
    assert client.get(f"{VERSION}/2").status_code == 200


def test_unknown_model_or_version_is_not_found(client: FlaskClient) -> None:
    assert_problem(client.delete(f"{VERSION}/4"), 404, "version_not_found")
    assert_problem(client.delete("/v1/models/other/versions/1"), 404, "model_not_found")
    assert_problem(client.delete("/v1/models/other"), 404, "model_not_found")
    client.delete(f"{VERSION}/2")
    assert_problem(client.delete(f"{VERSION}/2"), 404, "version_deleted")


def test_force_deletes_a_model_with_all_versions(client: FlaskClient) -> None:
    assert_problem(client.delete("/v1/models/toy"), 409, "version_in_use")

    assert client.delete("/v1/models/toy?force=true").status_code == 204

    assert client.get("/v1/models").json == {"items": [], "next": None}
    assert_problem(client.get("/v1/models/toy"), 404, "model_not_found")


def test_versions_are_deleted_without_redis(client_without_redis: FlaskClient) -> None:
    assert client_without_redis.delete(f"{VERSION}/2").status_code == 204
