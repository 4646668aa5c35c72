"""Authorization: API keys, origin checks without keys, and rate limits."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis

from api.app import create_app
from api.auth.keys import KeysFile, Scope, new_key
from api.schema.operations import operation_of
from shared.idempotency import Held, IdempotencyKeys
from shared.jobs import JobStore
from shared.runtime.settings import Settings
from tests.support.problems import assert_problem

JOBS = "/v1/jobs"  # needs read
TRAIN = "/v1/training-jobs"  # needs submit
DELETE = "/v1/jobs/01m86f66rj1hwaghp3mg72yv2g"  # needs manage


@pytest.fixture
def keys(tmp_path: Path) -> KeysFile:
    """An empty keys file."""
    keys = KeysFile(tmp_path / "keys")
    keys.write([])
    return keys


@pytest.fixture
def secured(settings: Settings, keys: KeysFile) -> FlaskClient:
    """A client of an API that requires keys."""
    return create_app(settings.model_copy(update={"api_keys_file": keys.path})).test_client()


def make(keys: KeysFile, scope: str, name: str = "") -> dict[str, str]:
    """Create a key with this scope, and return its header."""
    key, line = new_key(name or scope, frozenset({Scope(scope)}))
    keys.write([*keys.check(), line])
    return {"Authorization": f"Bearer {key}"}


class TestKeys:
    def test_request_without_a_key_gets_a_challenge(self, secured: FlaskClient) -> None:
        response = secured.get(JOBS)

        assert_problem(response, 401, "key_missing")
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="glassbox"'

    @pytest.mark.parametrize("given", ["Bearer wrong", "bearer  glassbox_0", "Bearer é", "Bearer " + "x" * 5000])
    def test_unknown_key_is_rejected(self, secured: FlaskClient, keys: KeysFile, given: str) -> None:
        make(keys, "manage")

        response = secured.get(JOBS, headers={"Authorization": given})

        assert_problem(response, 401, "key_unknown")
        assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]

    @pytest.mark.parametrize("given", ["Bearer", "Bearer ", "Basic bWU6bWU=", "", "glassbox_0"])
    def test_header_without_a_bearer_key_counts_as_no_key(self, secured: FlaskClient, given: str) -> None:
        assert_problem(secured.get(JOBS, headers={"Authorization": given}), 401, "key_missing")

    def test_key_is_accepted_in_both_headers(self, secured: FlaskClient, keys: KeysFile) -> None:
        bearer = make(keys, "read")
        key = bearer["Authorization"].removeprefix("Bearer ")

        assert secured.get(JOBS, headers=bearer).status_code == 200
        assert secured.get(JOBS, headers={"Authorization": f"bearer {key}"}).status_code == 200
        assert secured.get(JOBS, headers={"X-API-Key": key}).status_code == 200
        assert secured.get(JOBS, headers={"X-API-Key": key, "Authorization": "Basic bWU6bWU="}).status_code == 200

    def test_key_in_the_query_is_rejected(self, secured: FlaskClient, keys: KeysFile) -> None:
        key = make(keys, "read")["Authorization"].removeprefix("Bearer ")

        assert secured.get(JOBS, query_string={"api_key": key}).status_code == 401

    def test_head_alone_is_authorized_without_its_request(
        self, settings: Settings, keys: KeysFile, redis: Redis
    ) -> None:
        limits = {"api_keys_file": keys.path, "submit_rate_limit": 0.001, "submit_rate_burst": 1}
        secured = create_app(settings.model_copy(update=limits)).test_client()
        head = {"X-Glassbox-Head-Only": "1"}
        for path in (TRAIN, "/v2/models/toy/infer"):
            assert_problem(secured.post(path, headers=head), 401, "key_missing")
        assert_problem(secured.post(TRAIN, headers={**make(keys, "read"), **head}), 403, "scope_missing")

        submit = make(keys, "submit")
        for path in (TRAIN, "/v2/models/toy/infer", "/v1/no-such-path"):
            response = secured.post(path, headers={**submit, **head})
            assert (response.status_code, response.data) == (204, b"")
        assert redis.keys() == []  # no job, and no count against a limit

    @pytest.mark.parametrize(
        ("scope", "may"),
        [("read", [True, False, False]), ("submit", [True, True, False]), ("manage", [True, True, True])],
    )
    def test_key_allows_the_operations_of_its_scope(
        self, secured: FlaskClient, keys: KeysFile, scope: str, may: list[bool]
    ) -> None:
        header = make(keys, scope)

        responses = [
            secured.get(JOBS, headers=header),
            secured.post(TRAIN, json={}, headers=header),
            secured.delete(DELETE, headers=header),
        ]

        assert [response.status_code not in {401, 403} for response in responses] == may

    def test_insufficient_scope_is_rejected_with_the_needed_scope(self, secured: FlaskClient, keys: KeysFile) -> None:
        response = secured.delete(DELETE, headers=make(keys, "submit", name="ci"))

        problem = assert_problem(response, 403, "scope_missing")
        assert problem["scope"] == "manage"
        assert "'ci'" in problem["detail"]
        assert 'error="insufficient_scope", scope="manage"' in response.headers["WWW-Authenticate"]

    def test_submit_key_moves_no_alias_by_a_training(
        self, secured: FlaskClient, keys: KeysFile, jobs: JobStore
    ) -> None:
        submit, manage = make(keys, "submit", name="ci"), make(keys, "manage")
        request = {"model": "toy", "dataset": "digits", "epochs": 1, "promote": "champion"}

        refused = secured.post(TRAIN, json=request, headers=submit)

        problem = assert_problem(refused, 403, "scope_missing")
        assert problem["scope"] == "manage"
        assert "`promote` moves the alias 'champion'" in problem["detail"]
        assert list(jobs.newest_first()) == []
        assert secured.post(TRAIN, json=request, headers=manage).status_code == 202
        assert secured.post(TRAIN, json={**request, "promote": None}, headers=submit).status_code == 202

    def test_submit_key_moves_no_alias_by_the_retry_of_another_keys_training(
        self, secured: FlaskClient, keys: KeysFile
    ) -> None:
        submit, manage = make(keys, "submit", name="ci"), make(keys, "manage")
        request = {"model": "toy", "dataset": "digits", "epochs": 1}
        jobs = [
            secured.post(TRAIN, json=request | more, headers=manage).get_json()["id"]
            for more in ({"promote": "champion"}, {})
        ]
        for job in jobs:
            assert secured.post(f"{JOBS}/{job}/cancel", headers=submit).status_code == 202

        assert_problem(secured.post(f"{JOBS}/{jobs[0]}/retry", headers=submit), 403, "scope_missing")
        assert secured.get(f"{JOBS}/{jobs[0]}", headers=submit).get_json()["state"] == "cancelled"
        assert secured.post(f"{JOBS}/{jobs[0]}/retry", headers=manage).status_code == 202
        assert secured.post(f"{JOBS}/{jobs[1]}/retry", headers=submit).status_code == 202

    @pytest.mark.parametrize("scope", ["submit", "manage"])
    def test_repeated_request_of_a_demoted_key_moves_no_alias(
        self, secured: FlaskClient, keys: KeysFile, redis: Redis, scope: str
    ) -> None:
        """The first process died while it held the Idempotency-Key."""
        header = make(keys, scope, name="ci") | {"Idempotency-Key": "once"}
        held = IdempotencyKeys(redis, 60.0, 60.0).begin("ci", "once")
        assert isinstance(held, Held)
        redis.hset(held.name, "held_until", 0)
        request = {"model": "toy", "dataset": "digits", "epochs": 1, "promote": "live"}

        response = secured.post(TRAIN, json=request, headers=header)

        assert response.status_code == (202 if scope == "manage" else 403)

    def test_revoked_key_is_rejected_without_a_restart(self, secured: FlaskClient, keys: KeysFile) -> None:
        header = make(keys, "read")
        assert secured.get(JOBS, headers=header).status_code == 200

        keys.write([])

        assert secured.get(JOBS, headers=header).status_code == 401

    def test_upload_without_a_key_is_rejected(self, secured: FlaskClient) -> None:
        assert secured.post("/v1/datasets?name=a", data=b"x" * 100_000).status_code == 401

    @pytest.mark.parametrize("path", ["/healthz", "/readyz"])
    def test_health_needs_no_key(self, secured: FlaskClient, path: str) -> None:
        assert secured.get(path).status_code == 200

    def test_metrics_need_a_key_with_the_scope_read(self, secured: FlaskClient, keys: KeysFile) -> None:
        assert secured.get("/metrics").status_code == 401
        assert secured.get("/metrics", headers=make(keys, "read")).status_code == 200

    def test_unknown_route_is_not_found_without_a_key(self, secured: FlaskClient) -> None:
        assert_problem(secured.get("/v1/unknown"), 404, "not_found")

    def test_view_without_a_declaration_needs_the_highest_scope(self, settings: Settings, keys: KeysFile) -> None:
        app = create_app(settings.model_copy(update={"api_keys_file": keys.path}))
        app.add_url_rule("/undeclared", view_func=lambda: "seen")

        assert app.test_client().get("/undeclared", headers=make(keys, "submit")).status_code == 403
        assert app.test_client().get("/undeclared", headers=make(keys, "manage")).status_code == 200

    def test_every_view_declares_an_operation(self, app: Flask) -> None:
        undeclared = {name for name, view in app.view_functions.items() if operation_of(view) is None}

        assert undeclared == set()

    def test_keys_are_never_logged(
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
    def test_request_to_a_local_name_or_an_address_is_accepted(self, client: FlaskClient, host: str) -> None:
        assert client.get(JOBS, headers={"Host": host}).status_code == 200

    @pytest.mark.parametrize("host", ["attacker.example", "attacker.example:8000", "127.0.0.1.example", "localhost.b"])
    def test_request_to_a_public_name_is_rejected_as_dns_rebinding(self, client: FlaskClient, host: str) -> None:
        assert_problem(client.get(JOBS, headers={"Host": host}), 403, "host_not_local")

    @pytest.mark.parametrize("origin", ["https://attacker.example", "null", "http://[broken"])
    def test_cross_origin_write_is_rejected(self, client: FlaskClient, origin: str) -> None:
        response = client.post("/v1/datasets?name=a", data=b"x", headers={"Origin": origin})

        assert_problem(response, 403, "origin_not_local")

    def test_write_from_a_local_origin_is_accepted(self, client: FlaskClient) -> None:
        response = client.post(TRAIN, json={}, headers={"Origin": "http://localhost:3000"})

        assert response.status_code == 422

    def test_health_accepts_any_host(self, client: FlaskClient) -> None:
        assert client.get("/healthz", headers={"Host": "glassbox.example"}).status_code == 200


class TestLimits:
    @pytest.fixture
    def limited(self, settings: Settings) -> Flask:
        """An application with a low limit on requests, and a lower one on submissions."""
        few = {"rate_limit": 0.1, "rate_burst": 4, "submit_rate_limit": 0.1, "submit_rate_burst": 2}
        return create_app(settings.model_copy(update=few))

    def test_too_many_requests_get_a_time_to_retry(self, limited: Flask) -> None:
        client = limited.test_client()
        assert [client.get(JOBS).status_code for _ in range(4)] == [200] * 4

        response = client.get(JOBS)

        assert_problem(response, 429, "too_many_requests")
        assert 1 <= int(response.headers["Retry-After"]) <= 10

    def test_submissions_have_a_lower_limit(self, limited: Flask) -> None:
        client = limited.test_client()
        assert [client.post(TRAIN, json={}).status_code for _ in range(3)] == [422, 422, 429]

        assert client.get(JOBS).status_code == 200

    def test_health_is_not_limited(self, limited: Flask) -> None:
        assert {limited.test_client().get("/healthz").status_code for _ in range(20)} == {200}

    def test_each_key_has_its_own_limit(self, settings: Settings, keys: KeysFile) -> None:
        few = {"rate_limit": 0.1, "rate_burst": 2, "api_keys_file": keys.path}
        client = create_app(settings.model_copy(update=few)).test_client()
        mine, yours = make(keys, "read", "mine"), make(keys, "read", "yours")

        assert [client.get(JOBS, headers=mine).status_code for _ in range(3)] == [200, 200, 429]
        assert client.get(JOBS, headers=yours).status_code == 200
