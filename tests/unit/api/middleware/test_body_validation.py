"""Operations that take no body reject one with fields."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.app import create_app
from api.schema.operations import operation_of
from shared.runtime.settings import Settings
from tests.support.problems import assert_problem, pointers

ROUTES: Flask = create_app(Settings(bind="127.0.0.1", published_on=None, api_keys_file=None))
OPERATIONS = sorted(
    (method, re.sub("<[^>]+>", "toy", rule.rule))
    for rule in ROUTES.url_map.iter_rules()
    for method in (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}
    if (declared := operation_of(ROUTES.view_functions[rule.endpoint])) is not None and declared.body is None
)
JSON = "application/json"


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_operation_without_a_body_rejects_a_field(client: FlaskClient, method: str, path: str) -> None:
    response = client.open(path, method=method, json={"timeout_seconds": 5, "webhook": None})

    assert pointers(assert_problem(response, 422, "validation_failed")) == ["#/timeout_seconds", "#/webhook"]


@pytest.mark.parametrize("body", [b"{}", b" {} ", b"null", b"\xef\xbb\xbf{}", b" \r\n", b""])
@pytest.mark.parametrize("content_type", [JSON, "text/plain", ""])
def test_empty_body_is_accepted(client: FlaskClient, body: bytes, content_type: str) -> None:
    response = client.post("/v1/jobs/unknown/retry", data=body, content_type=content_type)

    assert_problem(response, 404, "job_not_found")


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"[]", 422), (b"1", 422), (b'"a"', 422), (b"false", 422), (b"{", 400), (b"a=b", 400), (b'{"a": NaN}', 400)],
)
def test_other_body_is_rejected(client: FlaskClient, body: bytes, status: int) -> None:
    code = {400: "malformed_json", 422: "validation_failed"}[status]

    assert_problem(client.post("/v1/jobs/unknown/cancel", data=body), status, code)


def test_body_with_a_content_coding_is_read(client: FlaskClient) -> None:
    path, coded = "/v1/jobs/unknown/cancel", {"Content-Encoding": "gzip"}

    assert_problem(client.post(path, data=gzip.compress(b"{}"), headers=coded), 404, "job_not_found")
    assert_problem(client.post(path, data=gzip.compress(b'{"a": 1}'), headers=coded), 422, "validation_failed")
    assert_problem(client.post(path, data=b"{}", headers={"Content-Encoding": "br"}), 415, "encoding_unknown")


def test_missing_key_is_reported_before_a_needless_body(settings: Settings, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("")
    client = create_app(settings.model_copy(update={"api_keys_file": keys})).test_client()

    assert_problem(client.post("/v1/jobs/unknown/cancel", json={"a": 1}), 401, "key_missing")
