"""Who may do what: by keys, by where a request comes from where there are none, and by how often it comes."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.app import create_app
from api.auth.keys import KeysFile, Scope, new_key
from api.schema.operations import operation_of
from shared.runtime.settings import Settings
from tests.support.problems import assert_problem

JOBS = "/v1/jobs"  # needs read
TRAIN = "/v1/training-jobs"  # needs submit
DELETE = "/v1/jobs/01m86f66rj1hwaghp3mg72yv2g"  # needs manage


@pytest.fixture
def keys(tmp_path: Path) -> KeysFile:
    """The keys' file, which is empty."""
    keys = KeysFile(tmp_path / "keys")
    keys.write([])
    return keys


@pytest.fixture
def secured(settings: Settings, keys: KeysFile) -> FlaskClient:
    """Somebody who uses an API that asks for keys."""
    return create_app(settings.model_copy(update={"api_keys_file": keys.path})).test_client()


def make(keys: KeysFile, scope: str, name: str = "") -> dict[str, str]:
    """The header of a new key with this scope."""
    key, line = new_key(name or scope, frozenset({Scope(scope)}))
    keys.write([*keys.check(), line])
    return {"Authorization": f"Bearer {key}"}


class TestKeys:
    def test_a_request_without_one_is_told_to_send_it(self, secured: FlaskClient) -> None:
        response = secured.get(JOBS)

        assert_problem(response, 401, "key_missing")
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="glassbox"'

    @pytest.mark.parametrize("given", ["Bearer wrong", "bearer  glassbox_0", "Bearer é", "Bearer " + "x" * 5000])
    def test_a_wrong_one_is_refused(self, secured: FlaskClient, keys: KeysFile, given: str) -> None:
        make(keys, "manage")

        response = secured.get(JOBS, headers={"Authorization": given})

        assert_problem(response, 401, "key_unknown")
        assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]

    @pytest.mark.parametrize("given", ["Bearer", "Bearer ", "Basic bWU6bWU=", "", "glassbox_0"])
    def test_what_is_no_key_counts_as_none(self, secured: FlaskClient, given: str) -> None:
        assert_problem(secured.get(JOBS, headers={"Authorization": given}), 401, "key_missing")

    def test_it_may_come_in_either_header(self, secured: FlaskClient, keys: KeysFile) -> None:
        bearer = make(keys, "read")
        key = bearer["Authorization"].removeprefix("Bearer ")

        assert secured.get(JOBS, headers=bearer).status_code == 200
        assert secured.get(JOBS, headers={"Authorization": f"bearer {key}"}).status_code == 200
        assert secured.get(JOBS, headers={"X-API-Key": key}).status_code == 200
        assert secured.get(JOBS, headers={"X-API-Key": key, "Authorization": "Basic bWU6bWU="}).status_code == 200

    def test_it_does_not_come_in_a_query_where_logs_would_keep_it(self, secured: FlaskClient, keys: KeysFile) -> None:
        key = make(keys, "read")["Authorization"].removeprefix("Bearer ")

        assert secured.get(JOBS, query_string={"api_key": key}).status_code == 401

    @pytest.mark.parametrize(
        ("scope", "may"),
        [("read", [True, False, False]), ("submit", [True, True, False]), ("manage", [True, True, True])],
    )
    def test_it_allows_what_its_scope_says(
        self, secured: FlaskClient, keys: KeysFile, scope: str, may: list[bool]
    ) -> None:
        header = make(keys, scope)

        answers = [
            secured.get(JOBS, headers=header),
            secured.post(TRAIN, json={}, headers=header),
            secured.delete(DELETE, headers=header),
        ]

        assert [answer.status_code not in {401, 403} for answer in answers] == may

    def test_a_scope_that_is_too_small_is_told_which_one_is_needed(self, secured: FlaskClient, keys: KeysFile) -> None:
        response = secured.delete(DELETE, headers=make(keys, "submit", name="ci"))

        problem = assert_problem(response, 403, "scope_missing")
        assert problem["scope"] == "manage"
        assert "'ci'" in problem["detail"]
        assert 'error="insufficient_scope", scope="manage"' in response.headers["WWW-Authenticate"]

    def test_revoking_needs_no_restart(self, secured: FlaskClient, keys: KeysFile) -> None:
        header = make(keys, "read")
        assert secured.get(JOBS, headers=header).status_code == 200

        keys.write([])

        assert secured.get(JOBS, headers=header).status_code == 401

    def test_what_is_refused_is_not_read(self, secured: FlaskClient) -> None:
        assert secured.post("/v1/datasets?name=a", data=b"x" * 100_000).status_code == 401

    @pytest.mark.parametrize("path", ["/healthz", "/readyz"])
    def test_health_needs_none(self, secured: FlaskClient, path: str) -> None:
        assert secured.get(path).status_code == 200

    def test_the_metrics_need_one_that_may_read(self, secured: FlaskClient, keys: KeysFile) -> None:
        assert secured.get("/metrics").status_code == 401
        assert secured.get("/metrics", headers=make(keys, "read")).status_code == 200

    def test_an_unknown_route_is_not_found_for_everybody(self, secured: FlaskClient) -> None:
        assert_problem(secured.get("/v1/unknown"), 404, "not_found")

    def test_a_view_that_declares_nothing_needs_the_highest_scope(self, settings: Settings, keys: KeysFile) -> None:
        app = create_app(settings.model_copy(update={"api_keys_file": keys.path}))
        app.add_url_rule("/undeclared", view_func=lambda: "seen")

        assert app.test_client().get("/undeclared", headers=make(keys, "submit")).status_code == 403
        assert app.test_client().get("/undeclared", headers=make(keys, "manage")).status_code == 200

    def test_every_view_of_ours_declares_what_it_needs(self, app: Flask) -> None:
        undeclared = {name for name, view in app.view_functions.items() if operation_of(view) is None}

        assert undeclared == set()

    def test_no_key_is_ever_logged(
        self, secured: FlaskClient, keys: KeysFile, caplog: pytest.LogCaptureFixture
    ) -> None:
        header = make(keys, "read")
        with caplog.at_level(logging.DEBUG):
            secured.get(JOBS, headers=header)
            secured.delete(DELETE, headers=header)
            secured.get(JOBS, headers={"Authorization": "Bearer glassbox_wrong"})

        assert header["Authorization"].removeprefix("Bearer ") not in caplog.text
        assert "glassbox_wrong" not in caplog.text


class TestWithoutKeys:
    @pytest.mark.parametrize(
        "host", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "api.localhost", "api:8000", "10.0.0.1"]
    )
    def test_a_request_to_a_name_of_this_machine_or_to_an_address_is_answered(
        self, client: FlaskClient, host: str
    ) -> None:
        assert client.get(JOBS, headers={"Host": host}).status_code == 200

    @pytest.mark.parametrize("host", ["attacker.example", "attacker.example:8000", "127.0.0.1.example", "localhost.b"])
    def test_one_to_a_public_name_is_a_page_that_was_told_to_come_here(self, client: FlaskClient, host: str) -> None:
        assert_problem(client.get(JOBS, headers={"Host": host}), 403, "host_not_local")

    @pytest.mark.parametrize("origin", ["https://attacker.example", "null", "http://[broken"])
    def test_a_page_from_elsewhere_changes_nothing(self, client: FlaskClient, origin: str) -> None:
        response = client.post("/v1/datasets?name=a", data=b"x", headers={"Origin": origin})

        assert_problem(response, 403, "origin_not_local")

    def test_a_page_of_this_machine_may(self, client: FlaskClient) -> None:
        response = client.post(TRAIN, json={}, headers={"Origin": "http://localhost:3000"})

        assert response.status_code == 422

    def test_health_is_answered_to_everybody(self, client: FlaskClient) -> None:
        assert client.get("/healthz", headers={"Host": "glassbox.example"}).status_code == 200


class TestLimits:
    @pytest.fixture
    def limited(self, settings: Settings) -> Flask:
        """An application that takes few requests, and fewer submissions."""
        few = {"rate_limit": 0.1, "rate_burst": 4, "submit_rate_limit": 0.1, "submit_rate_burst": 2}
        return create_app(settings.model_copy(update=few))

    def test_too_many_requests_are_told_when_to_come_again(self, limited: Flask) -> None:
        client = limited.test_client()
        assert [client.get(JOBS).status_code for _ in range(4)] == [200] * 4

        response = client.get(JOBS)

        assert_problem(response, 429, "too_many_requests")
        assert 1 <= int(response.headers["Retry-After"]) <= 10

    def test_what_changes_something_is_limited_more(self, limited: Flask) -> None:
        client = limited.test_client()
        assert [client.post(TRAIN, json={}).status_code for _ in range(3)] == [422, 422, 429]

        assert client.get(JOBS).status_code == 200

    def test_health_is_not_limited(self, limited: Flask) -> None:
        assert {limited.test_client().get("/healthz").status_code for _ in range(20)} == {200}

    def test_each_key_has_its_own(self, settings: Settings, keys: KeysFile) -> None:
        few = {"rate_limit": 0.1, "rate_burst": 2, "api_keys_file": keys.path}
        client = create_app(settings.model_copy(update=few)).test_client()
        mine, yours = make(keys, "read", "mine"), make(keys, "read", "yours")

        assert [client.get(JOBS, headers=mine).status_code for _ in range(3)] == [200, 200, 429]
        assert client.get(JOBS, headers=yours).status_code == 200
