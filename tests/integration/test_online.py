"""Models on several API processes without Redis: ranges of weights, concurrent moves of aliases, predictions."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest

from shared.registry import ModelVersion, Registry
from shared.storage.volume import Volume
from tests.support.data.archives import zip_of_images
from tests.support.data.images import png
from tests.support.data.npz import easy_images
from tests.support.objects.models import publish, tiny_network, tiny_parameters
from tests.support.programs.processes import Process
from tests.support.servers.api import running_api
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import eventually

IMAGES = easy_images(4, seed=1)[0]
P = tiny_network().probabilities(tiny_parameters(), IMAGES)


@pytest.fixture(scope="module")
def shared_volume(tmp_path_factory: pytest.TempPathFactory) -> Volume:
    """The volume of this module's API."""
    return Volume(tmp_path_factory.mktemp("online") / "volume")


@pytest.fixture(scope="module")
def api(shared_volume: Volume, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An API of two processes."""
    with running_api(tmp_path_factory.mktemp("api"), shared_volume, processes=2) as http:
        yield http


@pytest.fixture
def models(shared_volume: Volume, request: pytest.FixtureRequest) -> tuple[Registry, str]:
    """The registry, and the name of the test's own model with two versions; the first is the champion."""
    registry = Registry(shared_volume)
    name = f"model-{hashlib.sha256(request.node.name.encode()).hexdigest()[:12]}"
    for job in ("job-1", "job-2"):
        publish(registry, name, job=job)
    registry.point(name, "champion", 1)
    return registry, name


@contextmanager
def repeated_in_threads(api: httpx.Client, work: Callable[[httpx.Client], None], threads: int = 4) -> Iterator[None]:
    """Repeat the work in threads with their own connections until the block ends."""
    block_ended = threading.Event()

    def repeat() -> int:
        with httpx.Client(base_url=api.base_url, timeout=30.0, trust_env=False) as http:
            times = 0
            while not block_ended.is_set():
                work(http)
                times += 1
            return times

    with ThreadPoolExecutor(threads) as pool:
        running = [pool.submit(repeat) for _ in range(threads)]
        try:
            yield
        finally:
            block_ended.set()
        assert all(future.result() > 0 for future in running)


class TestWeights:
    @pytest.fixture
    def version(self, models: tuple[Registry, str]) -> ModelVersion:
        registry, name = models
        return registry.get(name, "1")

    @pytest.fixture
    def path(self, version: ModelVersion) -> str:
        return f"/v1/models/{version.model}/versions/1/weights"

    def test_ranges_of_the_weights_make_the_whole_file(
        self, api: httpx.Client, version: ModelVersion, path: str
    ) -> None:
        size = version.weights.bytes
        parts = [api.get(path, headers={"Range": f"bytes={start}-{start + 999}"}) for start in range(0, size, 1000)]

        assert {part.status_code for part in parts} == {206}
        assert parts[0].headers["Content-Range"] == f"bytes 0-999/{size}"
        assert hashlib.sha256(b"".join(part.content for part in parts)).hexdigest() == version.weights.sha256

    def test_a_download_resumes_only_with_the_same_file(self, api: httpx.Client, path: str) -> None:
        etag = api.get(path).headers["ETag"]
        assert not etag.startswith("W/")

        assert api.get(path, headers={"Range": "bytes=10-19", "If-Range": etag}).status_code == 206
        assert api.get(path, headers={"Range": "bytes=10-19", "If-Range": '"other"'}).status_code == 200

    def test_a_range_may_reach_the_end_but_not_begin_after_it(
        self, api: httpx.Client, version: ModelVersion, path: str
    ) -> None:
        whole = api.get(path).content

        assert api.get(path, headers={"Range": "bytes=-10"}).content == whole[-10:]
        assert api.get(path, headers={"Range": f"bytes={version.weights.bytes}-"}).status_code == 416

    def test_a_head_has_the_size_and_etag_of_the_weights(
        self, api: httpx.Client, version: ModelVersion, path: str
    ) -> None:
        head = api.head(path)

        assert head.status_code == 200
        assert head.content == b""
        assert head.headers["Content-Length"] == str(version.weights.bytes)
        assert head.headers["Accept-Ranges"] == "bytes"
        assert api.get(path, headers={"If-None-Match": head.headers["ETag"]}).status_code == 304


class TestAliases:
    def test_of_many_concurrent_moves_with_one_etag_one_succeeds(
        self, api: httpx.Client, models: tuple[Registry, str]
    ) -> None:
        path = f"/v1/models/{models[1]}/aliases/champion"

        def move(etag: str) -> int:
            with httpx.Client(base_url=api.base_url, timeout=30.0, trust_env=False) as http:
                target = 3 - http.get(path).json()["version"]
                return http.put(path, json={"version": target}, headers={"If-Match": etag}).status_code

        with ThreadPoolExecutor(8) as pool:
            for _ in range(10):
                etag = api.get(path).headers["ETag"]

                assert Counter(pool.map(move, [etag] * 8)) == {200: 1, 412: 7}

    def test_of_many_concurrent_creations_one_succeeds(self, api: httpx.Client, models: tuple[Registry, str]) -> None:
        path = f"/v1/models/{models[1]}/aliases/new"

        def create(_: int) -> int:
            return httpx.put(
                f"{api.base_url}{path}", json={"version": 1}, headers={"If-None-Match": "*"}, trust_env=False
            ).status_code

        with ThreadPoolExecutor(8) as pool:
            assert Counter(pool.map(create, range(8))) == {201: 1, 412: 7}


class TestPredictions:
    def test_each_prediction_during_a_move_is_of_a_version_of_the_alias(
        self, api: httpx.Client, models: tuple[Registry, str]
    ) -> None:
        name = models[1]
        seen: Counter[int] = Counter()

        def predict(http: httpx.Client) -> None:
            response = http.post(f"/v1/models/{name}/versions/champion/predict", content=png(IMAGES[0]))
            assert response.status_code == 200, response.text
            seen[response.json()["version"]] += 1

        with repeated_in_threads(api, predict):
            for number in range(60):
                moved = api.put(f"/v1/models/{name}/aliases/champion", json={"version": number % 2 + 1})
                assert moved.status_code == 200
                predicted = api.post(f"/v1/models/{name}/versions/champion/predict", content=png(IMAGES[0])).json()
                assert predicted["version"] == number % 2 + 1

        assert seen.keys() == {1, 2}

    def test_each_prediction_during_a_deletion_is_correct_or_an_error(
        self, api: httpx.Client, models: tuple[Registry, str]
    ) -> None:
        registry, name = models

        def predict(http: httpx.Client) -> None:
            for reference in ("latest", "2"):
                response = http.post(
                    f"/v1/models/{name}/versions/{reference}/predict", json={"instances": IMAGES.tolist()}
                )
                if response.status_code == 200:
                    confidences = [prediction["confidence"] for prediction in response.json()["predictions"]]
                    assert np.allclose(confidences, P.max(axis=1), atol=1e-5)
                else:
                    assert response.json()["code"] == "version_deleted"

        with repeated_in_threads(api, predict):
            for number in range(3, 20):
                assert publish(registry, name, job=f"job-{number}").version == number
                assert api.delete(f"/v1/models/{name}/versions/{number - 1}").status_code == 204


def test_connections_are_distributed_over_the_processes(shared_volume: Volume, tmp_path: Path) -> None:
    def responses() -> list[int]:
        """Return the process of each response so far."""
        log = [json.loads(line) for line in (tmp_path / "api.log").read_text().splitlines()]
        return [line["process"] for line in log if line["message"] == "GET /v2 200"]

    def connect(exits: ExitStack) -> httpx.Client:
        client = exits.enter_context(httpx.Client(base_url=http.base_url, trust_env=False))
        assert client.get("/v2").status_code == 200
        return client

    def both_have_started() -> bool:
        with ExitStack() as exits:
            connect(exits)
        return len(set(responses())) == 2

    with running_api(tmp_path, shared_volume, processes=2, GLASSBOX_LOG_FORMAT="json") as http, ExitStack() as exits:
        eventually(both_have_started, within=60)
        for client in [connect(exits) for _ in range(32)]:
            assert client.get("/v2").status_code == 200
    counted = Counter(responses()[-64:])

    assert counted.total() == 64
    assert min(counted.values()) >= 4  # other programs may delay one of the processes
    assert len(counted) == 2


def test_a_batch_whose_version_was_deleted_before_it_ran_fails_with_that_error(
    own_redis_server: RedisServer, volume: Volume, tmp_path: Path
) -> None:
    registry = Registry(volume)
    for job_id in ("job-1", "job-2"):
        publish(registry, job=job_id)
    redis = {"GLASSBOX_REDIS_URL": own_redis_server.url()}
    with running_api(tmp_path, volume, processes=1, **redis) as http:
        accepted = http.post("/v1/batch-jobs?model=toy@1", content=zip_of_images(IMAGES))
        assert accepted.status_code == 202
        assert http.delete("/v1/models/toy/versions/1").status_code == 204
        worker = {"GLASSBOX_VOLUME": str(volume.root), "GLASSBOX_WORKER_PROCESSES": "1", **redis}

        with Process("inference", [sys.executable, "-m", "worker", "inference"], tmp_path, worker):
            job = f"/v1/jobs/{accepted.json()['id']}"
            eventually(lambda: http.get(job).json()["state"] == "failed", within=60)

        assert http.get(job).json()["error"]["code"] == "version_deleted"
