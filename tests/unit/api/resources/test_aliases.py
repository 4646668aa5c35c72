"""`/v1/models/{name}/aliases`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.auth.keys import KeysFile, Scope, new_key
from shared.registry import Registry
from shared.runtime.settings import Settings
from tests.support.objects.models import publish
from tests.support.problems import assert_problem, pointers

CHAMPION = "/v1/models/toy/aliases/champion"


@pytest.fixture(autouse=True)
def three(registry: Registry) -> Registry:
    """Three versions of `toy`; the first is the champion."""
    for job in ("job-1", "job-2", "job-3"):
        publish(registry, job=job)
    registry.point("toy", "champion", 1)
    return registry


def move(client: FlaskClient, version: int, path: str = CHAMPION, **headers: str) -> Any:
    """Move the alias. Underscores in the names of headers stand for hyphens."""
    return client.put(
        path, json={"version": version}, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


class TestMoving:
    def test_put_moves_an_alias(self, client: FlaskClient, registry: Registry) -> None:
        response = move(client, 2)

        assert response.status_code == 200
        assert (response.json["model"], response.json["alias"], response.json["version"]) == ("toy", "champion", 2)
        assert response.json["moved_at"].endswith("Z")
        assert response.json["moved_by"] is None  # this API requires no key
        assert registry.aliases("toy") == {"champion": 2}

    def test_put_records_the_key_that_moves_an_alias(self, settings: Settings, tmp_path: Path) -> None:
        key, line = new_key("ci", frozenset({Scope.MANAGE, Scope.READ}))
        KeysFile(tmp_path / "keys").write([line])
        client = create_app(settings.model_copy(update={"api_keys_file": tmp_path / "keys"})).test_client()

        response = move(client, 2, Authorization=f"Bearer {key}")

        assert response.json["moved_by"] == "key ci"

    def test_put_creates_a_new_alias(self, client: FlaskClient) -> None:
        response = move(client, 3, "/v1/models/toy/aliases/stable")

        assert response.status_code == 201
        assert client.get("/v1/models/toy/versions/stable").json["version"] == 3  # type: ignore[index]

    @pytest.mark.parametrize("version", [4, 10**30])
    def test_move_to_an_unknown_version_is_rejected(self, client: FlaskClient, version: int) -> None:
        assert_problem(move(client, version), 404, "version_not_found")

    def test_move_to_a_deleted_version_is_rejected(self, client: FlaskClient, registry: Registry) -> None:
        registry.delete("toy", "2")

        assert_problem(move(client, 2), 404, "version_deleted")

    @pytest.mark.parametrize("body", [{"version": 0}, {"version": "2"}, {"version": 1.5}, {"version": None}, {}])
    def test_invalid_version_number_is_rejected(self, client: FlaskClient, body: Any) -> None:
        assert pointers(assert_problem(client.put(CHAMPION, json=body), 422, "validation_failed")) == ["#/version"]

    @pytest.mark.parametrize("name", ["latest", "3", "A", "x" * 65])
    def test_invalid_alias_name_is_rejected(self, client: FlaskClient, name: str) -> None:
        assert_problem(move(client, 1, f"/v1/models/toy/aliases/{name}"), 422, "invalid_alias")

    @pytest.mark.parametrize("name", ["UPPER", "a%20b", "x" * 200, "latest"])
    def test_error_of_an_invalid_name_states_the_whole_rule(self, client: FlaskClient, name: str) -> None:
        problem = assert_problem(move(client, 1, f"/v1/models/toy/aliases/{name}"), 422, "invalid_alias")

        assert "1 to 64 of a-z, 0-9" in problem["detail"]
        assert "neither `latest` nor a number" in problem["detail"]

    def test_alias_of_an_unknown_model_is_not_found(self, client: FlaskClient) -> None:
        assert_problem(move(client, 1, "/v1/models/other/aliases/champion"), 404, "model_not_found")


class TestConditions:
    def test_matching_etag_allows_the_move(self, client: FlaskClient) -> None:
        etag = client.get(CHAMPION).headers["ETag"]

        assert move(client, 2, If_Match=etag).status_code == 200

    def test_etag_from_before_another_move_is_rejected(self, client: FlaskClient, registry: Registry) -> None:
        etag = client.get(CHAMPION).headers["ETag"]
        move(client, 3)

        assert_problem(move(client, 2, If_Match=etag), 412, "alias_moved")

        assert registry.aliases("toy") == {"champion": 3}

    def test_old_etag_is_rejected_after_the_alias_moved_back(self, client: FlaskClient) -> None:
        etag = client.get(CHAMPION).headers["ETag"]
        move(client, 2)
        move(client, 1)

        assert_problem(move(client, 3, If_Match=etag), 412, "alias_moved")

    def test_response_of_a_move_has_the_new_etag(self, client: FlaskClient) -> None:
        etag = move(client, 2).headers["ETag"]

        assert move(client, 3, If_Match=etag).status_code == 200
        assert move(client, 1, If_Match=etag).status_code == 412

    def test_star_matches_any_existing_alias(self, client: FlaskClient) -> None:
        assert move(client, 2, If_Match="*").status_code == 200
        assert_problem(move(client, 2, "/v1/models/toy/aliases/new", If_Match="*"), 412, "alias_moved")

    def test_weak_etag_does_not_match(self, client: FlaskClient) -> None:
        assert move(client, 2, If_Match="W/" + client.get(CHAMPION).headers["ETag"]).status_code == 412

    def test_if_none_match_star_creates_new_aliases_only(self, client: FlaskClient, registry: Registry) -> None:
        assert_problem(move(client, 2, If_None_Match="*"), 412, "alias_exists")
        assert move(client, 2, "/v1/models/toy/aliases/new", If_None_Match="*").status_code == 201

        assert registry.aliases("toy") == {"champion": 1, "new": 2}

    def test_removal_needs_a_matching_etag(self, client: FlaskClient) -> None:
        etag = client.get(CHAMPION).headers["ETag"]
        newer = move(client, 2).headers["ETag"]

        assert_problem(client.delete(CHAMPION, headers={"If-Match": etag}), 412, "alias_moved")
        assert client.delete(CHAMPION, headers={"If-Match": newer}).status_code == 204


class TestShowing:
    def test_unchanged_alias_is_not_sent_again(self, client: FlaskClient) -> None:
        etag = client.get(CHAMPION).headers["ETag"]

        assert client.get(CHAMPION, headers={"If-None-Match": etag}).status_code == 304
        move(client, 2)
        assert client.get(CHAMPION, headers={"If-None-Match": etag}).status_code == 200

    def test_aliases_are_listed_by_name_in_pages(self, client: FlaskClient) -> None:
        for name in ("c", "a"):
            move(client, 2, f"/v1/models/toy/aliases/{name}")

        first: Any = client.get("/v1/models/toy/aliases?limit=2").json
        second: Any = client.get(f"/v1/models/toy/aliases?after={first['next']}").json

        assert [item["alias"] for item in first["items"] + second["items"]] == ["a", "c", "champion"]

    def test_unknown_alias_is_not_found(self, client: FlaskClient) -> None:
        assert_problem(client.get("/v1/models/toy/aliases/other"), 404, "alias_not_found")
        assert_problem(client.get("/v1/models/other/aliases/champion"), 404, "model_not_found")
        assert_problem(client.get("/v1/models/other/aliases"), 404, "model_not_found")


class TestRemoving:
    def test_removed_alias_is_not_found(self, client: FlaskClient) -> None:
        assert client.delete(CHAMPION).status_code == 204

        assert_problem(client.get(CHAMPION), 404, "alias_not_found")
        assert_problem(client.delete(CHAMPION), 404, "alias_not_found")


def test_aliases_move_without_redis(client_without_redis: FlaskClient) -> None:
    assert move(client_without_redis, 2).status_code == 200
    assert client_without_redis.get(CHAMPION).json["version"] == 2  # type: ignore[index]
    assert client_without_redis.delete(CHAMPION).status_code == 204
