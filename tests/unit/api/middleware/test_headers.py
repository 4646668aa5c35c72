"""What every answer tells a browser, so that it is data and stays private."""

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


@pytest.mark.parametrize("path", ["/healthz", "/v1/jobs", "/v1/unknown", "/v1/jobs/unknown", "/metrics"])
def test_every_answer_has_them(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers

    assert {name: headers.get(name) for name in ALWAYS} == ALWAYS
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["Cache-Control"] == "no-store"


def test_a_fault_of_ours_has_them_too(app: Flask) -> None:
    app.add_url_rule("/broken", view_func=lambda: str(1 / 0))

    assert app.test_client().get("/broken").headers["X-Content-Type-Options"] == "nosniff"


def test_an_answer_with_an_etag_may_be_kept_and_is_asked_for_each_time(
    client: FlaskClient, model: ModelVersion
) -> None:
    with client.get("/v1/models/toy/versions/1/weights") as response:
        headers = response.headers

    assert "ETag" in headers
    assert "no-cache" in headers["Cache-Control"]
    assert "no-store" not in headers["Cache-Control"]


def test_what_a_view_says_itself_stays(app: Flask) -> None:
    app.add_url_rule("/own", view_func=lambda: Response("", headers={"Cache-Control": "max-age=60"}))

    assert app.test_client().get("/own").headers["Cache-Control"] == "max-age=60"


def test_a_page_gets_its_scripts_from_here_alone(app: Flask) -> None:
    app.add_url_rule("/page", view_func=lambda: "<p>page</p>")

    policy = app.test_client().get("/page").headers["Content-Security-Policy"]

    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy
