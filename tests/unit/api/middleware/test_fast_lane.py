"""The fast lane of inference requests: same responses as Flask's, and unusual requests go to Flask."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.app import create_app
from api.middleware.fast_lane import FastLane
from api.requests.online.memory import SMALL
from shared.registry import Registry
from shared.runtime.settings import Settings
from tests.support.data.npz import easy_images
from tests.support.objects.models import publish
from tests.support.problems import assert_problem

PATH = "/v2/models/toy/infer"
IMAGES = easy_images(3, seed=1)[0].reshape(3, 36)
BODY = json.dumps(
    {"id": "7", "inputs": [{"name": "images", "datatype": "UINT8", "shape": [3, 36], "data": IMAGES.ravel().tolist()}]}
).encode()
MANY = json.dumps(
    {"inputs": [{"name": "images", "datatype": "UINT8", "shape": [90, 36], "data": [0] * 90 * 36}]}
).encode()
BINARY = json.dumps(
    {
        "inputs": [{"name": "images", "datatype": "UINT8", "shape": [3, 36], "parameters": {"binary_data_size": 108}}],
        "parameters": {"binary_data_output": True},
    }
).encode()
LENGTH = {"Inference-Header-Content-Length": str(len(BINARY))}

pytestmark = pytest.mark.usefixtures("model")


class Counted:
    """Flask's application with a count of its requests."""

    def __init__(self, application: Any) -> None:
        self.application = application
        self.requests = 0

    def __call__(self, environ: Any, start_response: Any) -> Any:
        self.requests += 1
        return self.application(environ, start_response)


def counted(app: Flask) -> Counted:
    """Count the requests that the fast lane passes to Flask."""
    lane: Any = app.wsgi_app.application.application  # type: ignore[attr-defined]
    assert isinstance(lane, FastLane)
    counting = lane._application = Counted(lane._application)
    return counting


def without_fast_lane(app: Flask) -> FlaskClient:
    """Return a client whose requests all go through Flask."""
    lane: Any = app.wsgi_app.application.application  # type: ignore[attr-defined]
    app.wsgi_app.application.application = lane._application  # type: ignore[attr-defined]
    return app.test_client()


def content(response: TestResponse) -> tuple[int, bytes, dict[str, str]]:
    """Return the response's status, body and headers except for the request id."""
    headers = {name.lower(): value for name, value in response.headers.items() if name != "X-Request-Id"}
    return response.status_code, response.data, headers


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        (PATH, BODY, {}),
        (PATH, BODY, {"Content-Type": "application/json", "Accept-Encoding": "gzip, deflate"}),
        (PATH, BINARY + IMAGES.tobytes(), LENGTH),
        ("/v2/models/toy/versions/1/infer", BODY, {"X-Request-Id": "mine"}),
        ("/v2/models/toy/versions/champion/infer", BODY, {}),
        (PATH, MANY, {}),
    ],
)
def test_fast_lane_and_flask_return_the_same_response(
    app: Flask, settings: Settings, registry: Registry, path: str, body: bytes, headers: dict[str, str]
) -> None:
    registry.point("toy", "champion", 1)
    flask = counted(app)

    fast = app.test_client().post(path, data=body, headers=headers)

    assert flask.requests == 0
    slow = without_fast_lane(create_app(settings)).post(path, data=body, headers=headers)
    assert content(fast) == content(slow)
    assert fast.status_code == 200
    assert fast.headers["X-Request-Id"] == headers.get("X-Request-Id", fast.headers["X-Request-Id"])


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        (PATH, b"{", {}),
        (PATH, b"", {}),
        (PATH, BODY.replace(b"UINT8", b"FP8"), {}),
        (PATH, BINARY + IMAGES.tobytes()[:-1], LENGTH),
        ("/v2/models/other/infer", BODY, {}),
        ("/v2/models/toy/versions/2/infer", BODY, {}),
        ("/v2/models/TOY/infer", BODY, {}),
        (f"{PATH}?a=b", BODY, {}),
        (PATH, BODY, {"Origin": "http://elsewhere.example"}),
        (PATH, BODY, {"Host": "elsewhere.example"}),
        (PATH, BODY, {"Content-Encoding": "br"}),
        (PATH, MANY, {"Accept-Encoding": "gzip"}),
        (PATH, BODY + b" " * SMALL, {}),
    ],
)
def test_unusual_and_invalid_requests_go_to_flask(
    app: Flask, settings: Settings, path: str, body: bytes, headers: dict[str, str]
) -> None:
    flask = counted(app)

    fast = app.test_client().post(path, data=body, headers=headers)

    assert flask.requests == 1
    slow = without_fast_lane(create_app(settings)).post(path, data=body, headers=headers)
    assert content(fast) == content(slow)


def test_truncated_body_is_reported(app: Flask) -> None:
    length = {"CONTENT_LENGTH": str(len(BODY))}

    response = app.test_client().post(PATH, data=BODY[:-1], environ_overrides=length)

    assert_problem(response, 400, "body_cut_short")


def test_fast_lane_requires_keys(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    keys = {name: f"gbk_{name}" for name in ("reader", "unknown")}
    file.write_text(f"reader:read:{hashlib.sha256(keys['reader'].encode()).hexdigest()}\n")
    app = create_app(settings.model_copy(update={"api_keys_file": file}))
    flask = counted(app)
    client = app.test_client()

    assert client.post(PATH, data=BODY, headers={"Authorization": f"Bearer {keys['reader']}"}).status_code == 200
    assert flask.requests == 0
    assert_problem(client.post(PATH, data=BODY), 401, "key_missing")
    assert_problem(client.post(PATH, data=BODY, headers={"X-API-Key": keys["unknown"]}), 401, "key_unknown")


def test_fast_lane_applies_rate_limits(settings: Settings) -> None:
    limits = {"rate_limit": 1.0, "rate_burst": 2}
    client = create_app(settings.model_copy(update=limits)).test_client()

    statuses = [client.post(PATH, data=BODY).status_code for _ in range(6)]

    assert statuses[0] == 200
    assert statuses[-1] == 429


def test_request_that_falls_back_to_flask_counts_once(settings: Settings) -> None:
    limits = {"rate_limit": 0.001, "rate_burst": 3}
    client = create_app(settings.model_copy(update=limits)).test_client()

    statuses = [client.post(PATH, data=b"{").status_code for _ in range(4)]

    assert statuses == [400, 400, 400, 429]


class Unreadable:
    """A body whose reads fail the test."""

    def read(self, size: int) -> bytes:
        raise AssertionError(f"{size} bytes of the body were read")


def test_request_without_a_key_is_rejected_before_the_body_is_read(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"reader:read:{hashlib.sha256(b'gbk_reader').hexdigest()}\n")
    client = create_app(settings.model_copy(update={"api_keys_file": file})).test_client()

    response = client.post(PATH, data=BODY, environ_overrides={"wsgi.input": Unreadable()})

    assert_problem(response, 401, "key_missing")


def test_metrics_count_requests_by_route(client: FlaskClient) -> None:
    client.post(PATH, data=BODY)
    client.post("/v2/models/toy/versions/1/infer", data=BODY)

    metrics = client.get("/metrics").get_data(as_text=True)

    for route in ("/v2/models/<name>/infer", "/v2/models/<name>/versions/<version>/infer"):
        labels = f'{{code="200",method="POST",route="{route}"}} 1.0'
        assert f"glassbox_http_request_duration_seconds_count{labels}" in metrics


def test_new_version_is_served_at_once(client: FlaskClient, registry: Registry) -> None:
    publish(registry, job="job-2")

    assert client.post(PATH, data=BODY).json["model_version"] == "2"  # type: ignore[index]
