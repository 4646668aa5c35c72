"""CORS: web pages of another origin may use the API only if a setting lists that origin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.auth.keys import KeysFile, new_key, parse_scopes
from shared.runtime.settings import Settings
from tests.support.problems import assert_problem

ORIGIN = "https://lab.example"
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "Authorization, Content-Type, Idempotency-Key, Inference-Header-Content-Length",
}


@pytest.fixture
def open_client(settings: Settings) -> FlaskClient:
    """A client of an API that trusts two origins."""
    return create_app(settings.model_copy(update={"cors_origins": (ORIGIN, "https://other.example")})).test_client()


def cors(headers: object) -> set[str]:
    return {name for name in dict(headers) if name.startswith("Access-Control")}  # type: ignore[call-overload]


@pytest.mark.parametrize("path", ["/v1/jobs", "/healthz", "/unknown"])
def test_no_origin_is_allowed_by_default(client: FlaskClient, path: str) -> None:
    assert cors(client.get(path, headers={"Origin": ORIGIN}).headers) == set()
    assert cors(client.options(path, headers={"Origin": ORIGIN} | PREFLIGHT).headers) == set()


@pytest.mark.parametrize(
    ("listed", "origin"),
    [
        ("https://a(.*).example", "https://abc.example"),
        ("https://[a-z].example", "https://b.example"),
        ("https://a.example$", "https://a.example"),
        ("https://lab.example", "https://lab.example.attacker.net"),
        ("https://lab.example", "https://labxexample"),
        ("https://lab.example", "https://lab.example\n"),
    ],
)
def test_listed_origin_is_not_a_pattern(settings: Settings, listed: str, origin: str) -> None:
    client = create_app(settings.model_copy(update={"cors_origins": (listed,)})).test_client()

    assert cors(client.get("/v1/jobs", environ_overrides={"HTTP_ORIGIN": origin}).headers) == set()
    assert cors(client.get("/v1/jobs", headers={"Origin": listed}).headers) != set()


@pytest.mark.parametrize("origin", ["http://[::1]:3000", "chrome-extension://abc", "http://localhost:5173"])
def test_origin_of_any_form_can_be_listed(settings: Settings, origin: str) -> None:
    client = create_app(settings.model_copy(update={"cors_origins": (origin,)})).test_client()

    assert client.get("/v1/jobs", headers={"Origin": origin}).headers["Access-Control-Allow-Origin"] == origin


class TestTrustedOrigin:
    def test_page_may_read_responses_and_their_exposed_headers(self, open_client: FlaskClient) -> None:
        headers = open_client.get("/v1/jobs", headers={"Origin": ORIGIN}).headers

        assert headers["Access-Control-Allow-Origin"] == ORIGIN
        assert {"ETag", "Inference-Header-Content-Length", "Location", "Retry-After", "X-Request-Id"} <= set(
            headers["Access-Control-Expose-Headers"].split(", ")
        )
        assert "Origin" in headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in headers

    def test_page_may_read_errors(self, open_client: FlaskClient) -> None:
        response = open_client.get("/v1/jobs/unknown", headers={"Origin": ORIGIN})

        assert_problem(response, 404, "job_not_found")
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN

    def test_preflight_response_lists_methods_and_headers(self, open_client: FlaskClient) -> None:
        response = open_client.options("/v1/training-jobs", headers={"Origin": ORIGIN} | PREFLIGHT)

        assert response.status_code == 200
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "POST" in response.headers["Access-Control-Allow-Methods"]
        assert response.headers["Access-Control-Allow-Headers"] == PREFLIGHT["Access-Control-Request-Headers"]

    def test_page_may_use_each_documented_header(self, open_client: FlaskClient) -> None:
        document: Any = open_client.get("/openapi.json").json
        operations = [each for path in document["paths"].values() for each in path.values()]
        sent = {one["name"] for each in operations for one in each.get("parameters", ()) if one["in"] == "header"}
        received = {
            name for each in operations for response in each["responses"].values() for name in response["headers"]
        }

        asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": ", ".join(sorted(sent))}
        preflight = open_client.options("/v1/jobs", headers={"Origin": ORIGIN} | asked).headers
        headers = open_client.get("/v1/jobs", headers={"Origin": ORIGIN}).headers

        assert {"If-Range", "If-Modified-Since", "Content-Encoding"} <= sent
        assert sent <= set(preflight["Access-Control-Allow-Headers"].split(", "))
        assert received <= set(headers["Access-Control-Expose-Headers"].split(", "))

    def test_page_may_write_if_no_keys_are_required(self, open_client: FlaskClient) -> None:
        response = open_client.post("/v1/training-jobs", json={}, headers={"Origin": ORIGIN})

        assert response.status_code == 422


@pytest.mark.parametrize("origin", ["https://evil.example", "http://lab.example", "https://lab.example.evil", "null"])
def test_other_origins_are_rejected(open_client: FlaskClient, origin: str) -> None:
    assert cors(open_client.get("/v1/jobs", headers={"Origin": origin}).headers) == set()
    assert_problem(open_client.post("/v1/training-jobs", json={}, headers={"Origin": origin}), 403, "origin_not_local")


def test_preflight_request_needs_no_key(settings: Settings, tmp_path: Path) -> None:
    keys = KeysFile(tmp_path / "keys")
    keys.write([new_key("laptop", parse_scopes("read"))[1]])
    changed = {"cors_origins": (ORIGIN,), "api_keys_file": keys.path}
    client = create_app(settings.model_copy(update=changed)).test_client()

    assert client.options("/v1/training-jobs", headers={"Origin": ORIGIN} | PREFLIGHT).status_code == 200
    response = client.get("/v1/jobs", headers={"Origin": ORIGIN})
    assert_problem(response, 401, "key_missing")
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("", ()),
        ("*", ("*",)),
        ("https://a.example", ("https://a.example",)),
        (" https://a , http://b:80,", ("https://a", "http://b:80")),
    ],
)
def test_setting_is_a_comma_separated_list(
    clean_environment: None, monkeypatch: pytest.MonkeyPatch, text: str, origins: tuple[str, ...]
) -> None:
    monkeypatch.setenv("GLASSBOX_CORS_ORIGINS", text)

    assert Settings().cors_origins == origins


def test_responses_vary_by_origin(open_client: FlaskClient) -> None:
    assert "Origin" in open_client.get("/v1/models").headers["Vary"]
