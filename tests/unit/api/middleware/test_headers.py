"""Security headers: browsers treat every response as private data."""

from __future__ import annotations

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient

from shared.registry import ModelVersion

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@pytest.mark.parametrize(
    ("path", "caching"),
    [
        ("/healthz", "no-store"),
        ("/v1/jobs", "private, no-cache"),  # a list has an ETag, which a client may compare
        ("/v1/unknown", "no-store"),
        ("/v1/jobs/unknown", "no-store"),
        ("/metrics", "no-store"),
    ],
)
def test_every_response_has_the_security_headers(client: FlaskClient, path: str, caching: str) -> None:
    headers = client.get(path).headers

    assert {name: headers.get(name) for name in ALWAYS} == ALWAYS
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["Cache-Control"] == caching


def test_internal_error_has_the_security_headers(app: Flask) -> None:
    app.add_url_rule("/broken", view_func=lambda: str(1 / 0))

    assert app.test_client().get("/broken").headers["X-Content-Type-Options"] == "nosniff"


def test_response_with_an_etag_may_be_cached_and_is_revalidated(client: FlaskClient, model: ModelVersion) -> None:
    with client.get("/v1/models/toy/versions/1/weights") as response:
        headers = response.headers

    assert "ETag" in headers
    assert "no-cache" in headers["Cache-Control"]
    assert "no-store" not in headers["Cache-Control"]


def test_headers_of_a_view_stay(app: Flask) -> None:
    app.add_url_rule("/own", view_func=lambda: Response("", headers={"Cache-Control": "max-age=60"}))

    assert app.test_client().get("/own").headers["Cache-Control"] == "max-age=60"


def test_page_may_load_scripts_from_its_own_origin_only(app: Flask) -> None:
    app.add_url_rule("/page", view_func=lambda: "<p>page</p>")

    policy = app.test_client().get("/page").headers["Content-Security-Policy"]

    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy
