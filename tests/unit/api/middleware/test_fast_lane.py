"""The short way of an inference request gives what the long one gives, and leaves to it what is special."""

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
from shared.registry import Registry
from shared.runtime.settings import Settings
from tests.support.data.npz import easy_images
from tests.support.objects.models import publish
from tests.support.problems import assert_problem

PATH = "/v2/models/toy/infer"
GREYS = easy_images(3, seed=1)[0].reshape(3, 36)
BODY = json.dumps(
    {"id": "7", "inputs": [{"name": "images", "datatype": "UINT8", "shape": [3, 36], "data": GREYS.ravel().tolist()}]}
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


class Watched:
    """Flask's application, which counts what it is asked."""

    def __init__(self, application: Any) -> None:
        self.application = application
        self.asked = 0

    def __call__(self, environ: Any, start_response: Any) -> Any:
        self.asked += 1
        return self.application(environ, start_response)


def watched(app: Flask) -> Watched:
    """Count what the lane leaves to Flask."""
    lane: Any = app.wsgi_app.application  # type: ignore[attr-defined]
    assert isinstance(lane, FastLane)
    watching = lane._application = Watched(lane._application)
    return watching


def the_long_way(app: Flask) -> FlaskClient:
    """Somebody whose requests all go through Flask."""
    lane: Any = app.wsgi_app.application  # type: ignore[attr-defined]
    app.wsgi_app.application = lane._application  # type: ignore[attr-defined]
    return app.test_client()


def told(response: TestResponse) -> tuple[int, bytes, dict[str, str]]:
    """All that a response tells, but for the request's own id and instance."""
    headers = {name.lower(): value for name, value in response.headers.items() if name != "X-Request-Id"}
    return response.status_code, response.data, headers


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        (PATH, BODY, {}),
        (PATH, BODY, {"Content-Type": "application/json", "Accept-Encoding": "gzip, deflate"}),
        (PATH, BINARY + GREYS.tobytes(), LENGTH),
        ("/v2/models/toy/versions/1/infer", BODY, {"X-Request-Id": "mine"}),
        ("/v2/models/toy/versions/champion/infer", BODY, {}),
        (PATH, MANY, {}),
    ],
)
def test_both_ways_tell_the_same(
    app: Flask, settings: Settings, registry: Registry, path: str, body: bytes, headers: dict[str, str]
) -> None:
    registry.point("toy", "champion", 1)
    flask = watched(app)

    short = app.test_client().post(path, data=body, headers=headers)

    assert flask.asked == 0
    long = the_long_way(create_app(settings)).post(path, data=body, headers=headers)
    assert told(short) == told(long)
    assert short.status_code == 200
    assert short.headers["X-Request-Id"] == headers.get("X-Request-Id", short.headers["X-Request-Id"])


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        (PATH, b"{", {}),
        (PATH, b"", {}),
        (PATH, BODY.replace(b"UINT8", b"FP8"), {}),
        (PATH, BINARY + GREYS.tobytes()[:-1], LENGTH),
        ("/v2/models/other/infer", BODY, {}),
        ("/v2/models/toy/versions/2/infer", BODY, {}),
        ("/v2/models/TOY/infer", BODY, {}),
        (f"{PATH}?a=b", BODY, {}),
        (PATH, BODY, {"Origin": "http://elsewhere.example"}),
        (PATH, BODY, {"Host": "elsewhere.example"}),
        (PATH, BODY, {"Content-Encoding": "br"}),
        (PATH, MANY, {"Accept-Encoding": "gzip"}),
    ],
)
def test_what_is_special_and_what_is_wrong_is_flasks(
    app: Flask, settings: Settings, path: str, body: bytes, headers: dict[str, str]
) -> None:
    flask = watched(app)

    short = app.test_client().post(path, data=body, headers=headers)

    assert flask.asked == 1
    assert told(short) == told(the_long_way(create_app(settings)).post(path, data=body, headers=headers))


def test_a_body_that_is_cut_short_is_told(app: Flask) -> None:
    announced = {"CONTENT_LENGTH": str(len(BODY))}

    response = app.test_client().post(PATH, data=BODY[:-1], environ_overrides=announced)

    assert_problem(response, 400, "body_cut_short")


def test_keys_are_asked_for(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    keys = {name: f"gbk_{name}" for name in ("reader", "unknown")}
    file.write_text(f"reader:read:{hashlib.sha256(keys['reader'].encode()).hexdigest()}\n")
    app = create_app(settings.model_copy(update={"api_keys_file": file}))
    flask = watched(app)
    client = app.test_client()

    assert client.post(PATH, data=BODY, headers={"Authorization": f"Bearer {keys['reader']}"}).status_code == 200
    assert flask.asked == 0
    assert_problem(client.post(PATH, data=BODY), 401, "key_missing")
    assert_problem(client.post(PATH, data=BODY, headers={"X-API-Key": keys["unknown"]}), 401, "key_unknown")


def test_requests_are_limited(settings: Settings) -> None:
    limits = {"rate_limit": 1.0, "rate_burst": 2}
    client = create_app(settings.model_copy(update=limits)).test_client()

    statuses = [client.post(PATH, data=BODY).status_code for _ in range(6)]

    assert statuses[0] == 200
    assert statuses[-1] == 429


def test_a_request_that_goes_both_ways_counts_once(settings: Settings) -> None:
    limits = {"rate_limit": 0.001, "rate_burst": 3}
    client = create_app(settings.model_copy(update=limits)).test_client()

    statuses = [client.post(PATH, data=b"{").status_code for _ in range(4)]

    assert statuses == [400, 400, 400, 429]


class Untouched:
    """A body that nobody may read."""

    def read(self, size: int) -> bytes:
        raise AssertionError(f"{size} bytes of the body were asked for")


def test_a_stranger_is_refused_before_the_body_is_read(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"reader:read:{hashlib.sha256(b'gbk_reader').hexdigest()}\n")
    client = create_app(settings.model_copy(update={"api_keys_file": file})).test_client()

    response = client.post(PATH, data=BODY, environ_overrides={"wsgi.input": Untouched()})

    assert_problem(response, 401, "key_missing")


def test_requests_are_counted_by_their_route(client: FlaskClient) -> None:
    client.post(PATH, data=BODY)
    client.post("/v2/models/toy/versions/1/infer", data=BODY)

    metrics = client.get("/metrics").get_data(as_text=True)

    for route in ("/v2/models/<name>/infer", "/v2/models/<name>/versions/<version>/infer"):
        labels = f'{{code="200",method="POST",route="{route}"}} 1.0'
        assert f"glassbox_http_request_duration_seconds_count{labels}" in metrics


def test_a_new_version_is_served_at_once(client: FlaskClient, registry: Registry) -> None:
    publish(registry, job="job-2")

    assert client.post(PATH, data=BODY).json["model_version"] == "2"  # type: ignore[index]
