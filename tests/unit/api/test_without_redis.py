"""Redis down or silent: requests that need it fail within 3 s with a time to retry; other requests succeed.

Every route of the API has a line in `REQUESTS`; a route without a line fails the test.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from api.app import create_app
from api.auth.middleware import NO_KEY
from shared.registry import Registry
from shared.runtime.settings import Settings
from shared.storage.uploads.record import UploadRecord
from shared.storage.uploads.store import UploadStore
from shared.storage.volume import Volume
from tests.support.data.archives import zip_of_images
from tests.support.data.npz import easy_arrays, easy_images, npz
from tests.support.objects.models import publish, tiny_network, tiny_parameters
from tests.support.problems import assert_problem

SECONDS = 3.9  # less than two waits for Redis, although all requests compete for the processors
JOB = "01m86f66rj1hwaghp3mg72yv2g"
UPLOADS = ("01k8z4y6w9m3n5p7q1r2s4t6v8", "01k8z4y6w9m3n5p7q1r2s4t6v9")
TUS = {"Tus-Resumable": "1.0.0"}
NUMBERS = [[0] * 36]
TENSOR = {"inputs": [{"name": "images", "shape": [1, 36], "datatype": "FP32", "data": [0.0] * 36}]}


@dataclass(frozen=True)
class Request:
    """A valid request of a route, and its status without Redis."""

    method: str
    rule: str
    path: str = ""
    body: dict[str, Any] = field(default_factory=dict)
    status: int = 503

    def __str__(self) -> str:
        return f"{self.method} {self.rule}"


REQUESTS = [
    Request("GET", "/", status=200),
    Request("GET", "/healthz", status=200),
    Request("GET", "/readyz"),
    Request("GET", "/metrics", status=200),
    Request("GET", "/openapi.json", status=200),
    Request("GET", "/docs", status=200),
    Request("GET", "/docs/<file>", "/docs/swagger-ui.css", status=200),
    Request("GET", "/v1/datasets", status=200),
    Request("POST", "/v1/datasets", "/v1/datasets?name=new", {"data": npz(easy_arrays())}, status=201),
    Request("GET", "/v1/datasets/<reference>", "/v1/datasets/easy", status=200),
    Request("GET", "/v1/datasets/<reference>/images", "/v1/datasets/easy/images", status=200),
    Request("GET", "/v1/datasets/<reference>/summary", "/v1/datasets/easy/summary", status=200),
    Request("GET", "/v1/datasets/<reference>/near-pairs", "/v1/datasets/easy/near-pairs", status=200),
    Request(
        "POST",
        "/v1/datasets/<reference>/derive",
        "/v1/datasets/easy/derive?name=fewer",
        {"json": {"remove": [{"split": "train", "index": 0}]}},
        status=201,
    ),
    Request("DELETE", "/v1/datasets/<reference>", "/v1/datasets/easy"),
    Request("POST", "/v1/uploads", body={"headers": {**TUS, "Upload-Length": "10"}}, status=201),
    Request("GET", "/v1/uploads/<upload_id>", f"/v1/uploads/{UPLOADS[0]}", status=200),
    Request(
        "PATCH",
        "/v1/uploads/<upload_id>",
        f"/v1/uploads/{UPLOADS[0]}",
        {
            "headers": {**TUS, "Upload-Offset": "0"},
            "content_type": "application/offset+octet-stream",
            "data": b"12345",
        },
        status=204,
    ),
    Request("DELETE", "/v1/uploads/<upload_id>", f"/v1/uploads/{UPLOADS[1]}", {"headers": TUS}, status=204),
    Request("GET", "/v1/lessons", status=200),
    Request("POST", "/v1/lessons/step", body={"json": {"dataset": "easy", "index": 0}}, status=200),
    Request("GET", "/ui/", status=200),
    Request("GET", "/ui/<path:path>", "/ui/models/toy", status=200),
    Request("GET", "/ui/article/text", status=200),
    Request("GET", "/ui/assets/<version>/<path:file>", "/ui/assets/of-before/main.js", status=404),
    Request("POST", "/v1/training-jobs/estimate", body={"json": {"model": "toy", "dataset": "easy"}}, status=200),
    Request("POST", "/v1/training-jobs", body={"json": {"model": "toy", "dataset": "easy"}}),
    Request("POST", "/v1/batch-jobs", "/v1/batch-jobs?model=toy", {"data": zip_of_images(easy_images(3)[0])}),
    Request("POST", "/v1/evaluation-jobs", body={"json": {"model": "toy", "dataset": "easy"}}),
    Request("GET", "/v1/jobs"),
    Request("GET", "/v1/jobs/<job_id>"),
    Request("DELETE", "/v1/jobs/<job_id>"),
    Request("POST", "/v1/jobs/<job_id>/cancel"),
    Request("POST", "/v1/jobs/<job_id>/retry"),
    Request("GET", "/v1/jobs/<job_id>/events"),
    Request("GET", "/v1/jobs/<job_id>/history"),
    Request("GET", "/v1/jobs/<job_id>/weights"),
    Request("GET", "/v1/jobs/<job_id>/weights/histogram"),
    Request("GET", "/v1/jobs/<job_id>/results"),
    Request("GET", "/v1/jobs/<job_id>/errors"),
    Request("GET", "/v1/jobs/<job_id>/results/rows"),
    Request("GET", "/v1/jobs/<job_id>/results/summary"),
    Request("GET", "/v1/jobs/<job_id>/images"),
    Request("GET", "/v1/jobs/<job_id>/evaluation"),
    Request("GET", "/v1/jobs/<job_id>/predictions"),
    Request("GET", "/v1/jobs/<job_id>/predictions/compare", f"/v1/jobs/{JOB}/predictions/compare?with=toy@1"),
    Request("GET", "/v1/models", status=200),
    Request("GET", "/v1/models/<name>", "/v1/models/toy", status=200),
    Request("GET", "/v1/models/<name>/versions", "/v1/models/toy/versions", status=200),
    Request("GET", "/v1/models/<name>/versions/<reference>", "/v1/models/toy/versions/1", status=200),
    Request("GET", "/v1/models/<name>/versions/<reference>/weights", "/v1/models/toy/versions/1/weights", status=200),
    Request(
        "GET", "/v1/models/<name>/versions/<reference>/evaluation", "/v1/models/toy/versions/1/evaluation", status=200
    ),
    Request(
        "GET", "/v1/models/<name>/versions/<reference>/predictions", "/v1/models/toy/versions/1/predictions", status=200
    ),
    Request(
        "GET",
        "/v1/models/<name>/versions/<reference>/predictions/compare",
        "/v1/models/toy/versions/1/predictions/compare?with=1",
        status=200,
    ),
    Request(
        "POST",
        "/v1/models/<name>/versions/<reference>/predict",
        "/v1/models/toy/versions/1/predict",
        {"json": {"instances": NUMBERS}},
        status=200,
    ),
    *(
        Request(
            "POST",
            f"/v1/models/<name>/versions/<reference>/{what}",
            f"/v1/models/toy/versions/1/{what}",
            {"json": {"dataset": "easy", "index": 0}},
            status=200,
        )
        for what in ("explain", "neighbours")
    ),
    Request(
        "POST",
        "/v1/models/<name>/versions/<reference>/explain/unit",
        "/v1/models/toy/versions/1/explain/unit?layer=layer1&unit=0",
        {"json": {"dataset": "easy", "index": 0}},
        status=200,
    ),
    Request("POST", "/v1/models/<name>/versions/<reference>/reproduce", "/v1/models/toy/versions/1/reproduce"),
    Request("GET", "/v1/models/<name>/aliases", "/v1/models/toy/aliases", status=200),
    Request("GET", "/v1/models/<name>/aliases/<alias>", "/v1/models/toy/aliases/stable", status=200),
    Request("PUT", "/v1/models/<name>/aliases/<alias>", "/v1/models/toy/aliases/new", {"json": {"version": 1}}, 201),
    Request("DELETE", "/v1/models/<name>/aliases/<alias>", "/v1/models/toy/aliases/gone", status=204),
    Request("DELETE", "/v1/models/<name>/versions/<reference>", "/v1/models/other/versions/2", status=204),
    Request("DELETE", "/v1/models/<name>", "/v1/models/unwanted", status=204),
    Request("GET", "/v1/events"),
    Request("GET", "/v1/presets", status=200),
    Request("GET", "/v1/me", status=200),
    Request("GET", "/v1/system", status=200),
    Request("GET", "/v2", status=200),
    Request("GET", "/v2/health/live", status=200),
    Request("GET", "/v2/health/ready", status=200),
    Request("POST", "/v2/repository/index", status=200),
    Request("POST", "/v2/repository/models/<name>/load", "/v2/repository/models/second/load", status=200),
    Request("POST", "/v2/repository/models/<name>/unload", "/v2/repository/models/third/unload", status=200),
    *(
        Request(method, f"/v2/models/<name>{rule}{what}", f"/v2/models/toy{path}{what}", body, status=200)
        for method, what, body in (("GET", "", {}), ("GET", "/ready", {}), ("POST", "/infer", {"json": TENSOR}))
        for rule, path in (("", ""), ("/versions/<version>", "/versions/1"))
    ),
]


@dataclass(frozen=True)
class Timed:
    """A response and its duration in seconds."""

    response: TestResponse
    seconds: float


@pytest.fixture(scope="module", params=["down", "silent"])
def responses(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Timed]]:
    """The responses to all requests, sent concurrently because many take seconds, on a volume with models and data."""
    with TemporaryDirectory(prefix="glassbox-") as folder, redis_that_is(request.param, Path(folder)) as url:
        volume = Volume(tmp_path_factory.mktemp(request.param) / "volume")
        app = create_app(Settings(redis_url=url, volume=volume.root, datasets=None, bind="127.0.0.1"))
        uploaded = app.test_client().post("/v1/datasets?name=easy", data=npz(easy_arrays(seed=5)))
        assert uploaded.status_code == 201
        fill(Registry(volume), uploaded.get_json()["id"])
        for upload in UPLOADS:
            UploadStore(volume, Settings()).create(NO_KEY, UploadRecord(id=upload, length=10))
        with ThreadPoolExecutor(len(REQUESTS)) as pool:
            received = dict(zip(map(str, REQUESTS), pool.map(lambda each: send(app, each), REQUESTS), strict=True))
        yield received
        for each in received.values():
            each.response.close()


def fill(registry: Registry, dataset: str) -> None:
    """Publish the models that the requests name."""
    images, labels = easy_images(9)
    evaluation, predictions = tiny_network().evaluate_each(tiny_parameters(), images, labels)
    publish(registry, evaluation=evaluation.to_dict(), dataset=dataset, predictions=predictions)
    for alias in ("stable", "gone"):
        registry.point("toy", alias, 1)
    for number, model in enumerate(("other", "other", "second", "third", "unwanted")):
        publish(registry, model, job=f"job-{number}")


@contextmanager
def redis_that_is(state: str, folder: Path) -> Iterator[str]:
    """Yield the URL of a Redis that is down, or of one that accepts connections and never responds."""
    path = folder / "redis.sock"
    if state == "silent":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            server.listen(1000)
            yield f"unix://{path}"
    else:
        yield f"unix://{path}"


def send(app: Flask, request: Request) -> Timed:
    path = request.path or request.rule.replace("<job_id>", JOB)
    started = time.monotonic()
    response = app.test_client().open(path, method=request.method, **request.body)
    return Timed(response, time.monotonic() - started)


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
def test_each_route_responds_in_time_with_its_status(responses: dict[str, Timed], request_: Request) -> None:
    timed = responses[str(request_)]

    assert timed.seconds < SECONDS
    assert timed.response.status_code == request_.status, timed.response.get_data(as_text=True)
    if request_.status == 503:
        assert int(timed.response.headers["Retry-After"]) > 0
        if request_.rule != "/readyz":
            problem = assert_problem(timed.response, 503, "redis_unavailable")
            assert "unknown whether the request took effect" in problem["detail"]  # Redis might still execute it


def test_each_route_has_a_request_in_this_test(app: Flask) -> None:
    routes = {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }

    assert routes == set(map(str, REQUESTS))
