"""Web pages from elsewhere may use the API only where a setting names their origin."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.auth.keys import KeysFile, new_key, parse_scopes
from shared.runtime.settings import Settings
from tests.support.problems import assert_problem

ORIGIN = "https://lab.example"
ASKS = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "Authorization, Content-Type, Idempotency-Key, Inference-Header-Content-Length",
}


@pytest.fixture
def open_client(settings: Settings) -> FlaskClient:
    """The API of an operator who trusts two origins."""
    return create_app(settings.model_copy(update={"cors_origins": (ORIGIN, "https://other.example")})).test_client()


def cors(headers: object) -> set[str]:
    return {name for name in dict(headers) if name.startswith("Access-Control")}  # type: ignore[call-overload]


@pytest.mark.parametrize("path", ["/v1/jobs", "/healthz", "/unknown"])
def test_by_default_no_page_is_let_in(client: FlaskClient, path: str) -> None:
    assert cors(client.get(path, headers={"Origin": ORIGIN}).headers) == set()
    assert cors(client.options(path, headers={"Origin": ORIGIN} | ASKS).headers) == set()


class TestATrustedOrigin:
    def test_may_read_answers_and_the_headers_that_matter(self, open_client: FlaskClient) -> None:
        headers = open_client.get("/v1/jobs", headers={"Origin": ORIGIN}).headers

        assert headers["Access-Control-Allow-Origin"] == ORIGIN
        assert {"ETag", "Inference-Header-Content-Length", "Location", "Retry-After", "X-Request-Id"} <= set(
            headers["Access-Control-Expose-Headers"].split(", ")
        )
        assert "Origin" in headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in headers

    def test_may_read_errors(self, open_client: FlaskClient) -> None:
        response = open_client.get("/v1/jobs/unknown", headers={"Origin": ORIGIN})

        assert_problem(response, 404, "job_not_found")
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN

    def test_is_told_beforehand_what_it_may_send(self, open_client: FlaskClient) -> None:
        response = open_client.options("/v1/training-jobs", headers={"Origin": ORIGIN} | ASKS)

        assert response.status_code == 200
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "POST" in response.headers["Access-Control-Allow-Methods"]
        assert response.headers["Access-Control-Allow-Headers"] == ASKS["Access-Control-Request-Headers"]

    def test_may_change_things_where_no_keys_are_asked_for(self, open_client: FlaskClient) -> None:
        response = open_client.post("/v1/training-jobs", json={}, headers={"Origin": ORIGIN})

        assert response.status_code == 422


@pytest.mark.parametrize("origin", ["https://evil.example", "http://lab.example", "https://lab.example.evil", "null"])
def test_another_origin_is_not_let_in(open_client: FlaskClient, origin: str) -> None:
    assert cors(open_client.get("/v1/jobs", headers={"Origin": origin}).headers) == set()
    assert_problem(open_client.post("/v1/training-jobs", json={}, headers={"Origin": origin}), 403, "origin_not_local")


def test_a_question_beforehand_needs_no_key(settings: Settings, tmp_path: Path) -> None:
    keys = KeysFile(tmp_path / "keys")
    keys.write([new_key("somebody", parse_scopes("read"))[1]])
    changed = {"cors_origins": (ORIGIN,), "api_keys_file": keys.path}
    client = create_app(settings.model_copy(update=changed)).test_client()

    assert client.options("/v1/training-jobs", headers={"Origin": ORIGIN} | ASKS).status_code == 200
    refused = client.get("/v1/jobs", headers={"Origin": ORIGIN})
    assert_problem(refused, 401, "key_missing")
    assert refused.headers["Access-Control-Allow-Origin"] == ORIGIN


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("", ()),
        ("*", ("*",)),
        ("https://a.example", ("https://a.example",)),
        (" https://a , http://b:80,", ("https://a", "http://b:80")),
    ],
)
def test_the_setting_is_a_list_with_commas(
    clean_environment: None, monkeypatch: pytest.MonkeyPatch, text: str, origins: tuple[str, ...]
) -> None:
    monkeypatch.setenv("GLASSBOX_CORS_ORIGINS", text)

    assert Settings().cors_origins == origins


def test_caches_are_told_that_answers_depend_on_the_origin(open_client: FlaskClient) -> None:
    assert "Origin" in open_client.get("/v1/models").headers["Vary"]
