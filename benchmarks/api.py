"""The API under load, compared with MLServer, which has the same network and protocol: real gunicorn, separate clients.

    make bench-api

Prints a table and writes `var/benchmarks/api.json`. Needs wrk. `ROUNDS` (3) sets the number of runs of
each load, and `SECONDS` (3) their length; the API and the peer take turns. The exit status is 1 if a target was missed.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import sys
import tempfile
import time
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figures import Figure, report
from benchmarks.serving.paced import paced
from benchmarks.serving.peer import running_peer
from benchmarks.serving.wrk import Load, Request, load
from shared.jobs import JobStore
from shared.network import Network, preset
from shared.registry import Registry
from shared.registry.manifest import VersionDraft
from shared.storage.volume import Volume
from tests.support.data.images import png
from tests.support.objects.jobs import a_training
from tests.support.programs.processes import api_processes, peak_bytes
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.stack import Stack, running_stack

OUTPUT = Path("var/benchmarks/api.json")
ROUNDS = int(os.environ.get("ROUNDS", "3"))
SECONDS = float(os.environ.get("SECONDS", "3"))
CONNECTIONS = 16
STREAMS = 50
UPLOAD_BYTES = 256 * 1024 * 1024
INFER = "/v2/models/digits/infer"
IMAGE = np.random.default_rng(0).integers(1, 256, (28, 28), np.uint8)
IMAGE[np.random.default_rng(1).random((28, 28)) > 0.19] = 0  # as much background as in an image of a digit


def main() -> int:
    """Measure, print and write the figures; return the exit status."""
    with tempfile.TemporaryDirectory(prefix="glassbox-bench-") as name:
        folder = Path(name)
        weights = publish(folder / "volume")
        many = {
            "GLASSBOX_API_PROCESSES": "2",
            "GLASSBOX_RATE_LIMIT": "1000000",
            "GLASSBOX_RATE_BURST": "1000000",
        }
        with RedisServer(folder) as redis, running_stack(folder, redis.url(), **many) as stack:
            address = f"http://127.0.0.1:{stack.port}"
            figures = [
                *inference(address, folder, weights),
                *predictions(address, folder),
                *jobs(address, stack),
                *streams(address, JobStore(redis.client())),
                *uploads(address, folder),
            ]
    return report(figures, OUTPUT)


def publish(volume: Path) -> Path:
    """Publish a network 784-64-32-10 with random weights as `digits`; return its `.npz`."""
    registry = Registry(Volume(volume))
    configuration = preset("article")
    network = Network((28, 28), 10, configuration)
    draft = VersionDraft(
        model="digits",
        job="benchmark",
        dataset="none",
        configuration=configuration.to_dict(),
        seed=0,
        blas_threads=1,
        image_shape=(28, 28),
        classes=tuple(str(label) for label in range(10)),
        parameters=network.parameter_count,
        metrics={},
    )
    version = registry.publish(draft, network.initialize(np.random.default_rng(0)), volume / "scratch")
    return registry.weights_path(version).resolve()


def inference(address: str, folder: Path, weights: Path) -> list[Figure]:
    """Measure one image per request on many connections, as JSON and as a binary tensor, and the better of two peers.

    The peer accepts only JSON over HTTP, so both formats are compared with its JSON.
    """
    kinds = {"JSON": json_request("images"), "binary tensor": binary_request("images")}
    ours: dict[str, list[Load]] = {kind: [] for kind in kinds}
    peers: dict[int, Load] = {}
    for workers in (0, 2):
        theirs = []
        with running_peer(folder / f"peer-{workers}", weights, workers) as peer:
            load(peer, json_request("pixels"), CONNECTIONS, 1)
            for _ in range(ROUNDS):
                theirs.append(load(peer, json_request("pixels"), CONNECTIONS, SECONDS))
                for kind, request in kinds.items():
                    ours[kind].append(load(address, request, CONNECTIONS, SECONDS))
        peers[workers] = middle(theirs)
    best = max(peers.values(), key=lambda found: found.requests_per_second)
    figures = [
        Figure(
            f"MLServer, {workers} parallel workers, JSON", found.requests_per_second, "/s", f"p99 {found.p99:.2f} ms"
        )
        for workers, found in peers.items()
    ]
    for kind, wanted in (("JSON", 1.4), ("binary tensor", 1.5)):
        own = middle(ours[kind])
        ratio = own.requests_per_second / best.requests_per_second
        figures += [
            Figure(f"infer, {kind}: requests per second", own.requests_per_second, "/s"),
            Figure(f"infer, {kind}: to the better of the two", ratio, "", f"at least {wanted}", ratio >= wanted),
            Figure(f"infer, {kind}: p50", own.p50, "ms", f"MLServer: {best.p50:.2f}"),
            Figure(f"infer, {kind}: p99", own.p99, "ms", f"MLServer: {best.p99:.2f}", own.p99 <= best.p99),
        ]
    return figures


def predictions(address: str, folder: Path) -> list[Figure]:
    """Measure one PNG per request at 200 requests per second."""
    image = folder / "image.png"
    image.write_bytes(png(IMAGE))
    url = f"{address}/v1/models/digits/versions/latest/predict"
    paced(url, image, 200, 1)
    p50, p99 = paced(url, image, 200, ROUNDS * SECONDS)
    return [
        Figure("predict, one PNG, 200 requests per second: p50", p50, "ms", "under 3", p50 < 3),
        Figure("predict, one PNG, 200 requests per second: p99", p99, "ms", "under 15", p99 < 15),
    ]


def jobs(address: str, stack: Stack) -> list[Figure]:
    """Measure GET of a job."""
    job = stack.finished(stack.train(model="watched", dataset="digits", epochs=1)["id"])["id"]
    found = middle([load(address, Request(f"/v1/jobs/{job}"), CONNECTIONS, SECONDS) for _ in range(ROUNDS)])
    rate = found.requests_per_second
    return [
        Figure("GET a job: requests per second", rate, "/s", "at least 1,200", rate >= 1200),
        Figure("GET a job: p99", found.p99, "ms"),
    ]


def streams(address: str, store: JobStore) -> list[Figure]:
    """Measure GET /healthz while many event streams follow a queued job, whose message is never sent."""
    job = a_training()
    store.create(job)
    slowest = with_idle_streams(address, job.id)
    return [
        Figure(f"GET /healthz during {STREAMS} idle event streams, slowest", slowest, "ms", "under 50", slowest < 50)
    ]


def with_idle_streams(address: str, job: str) -> float:
    """Return the slowest of a hundred GET /healthz during idle event streams, in ms."""
    host, port = address.removeprefix("http://").split(":")
    request = f"GET /v1/jobs/{job}/events HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: text/event-stream\r\n\r\n".encode()
    opened = [socket.create_connection((host, int(port)), timeout=10) for _ in range(STREAMS)]
    try:
        for stream in opened:
            stream.sendall(request)
        for stream in opened:
            if b"text/event-stream" not in stream.recv(65536):
                sys.exit("an event stream was refused")
        times = []
        for _ in range(100):
            started = time.perf_counter()
            load_once(host, int(port))
            times.append((time.perf_counter() - started) * 1000)
        return max(times)
    finally:
        for stream in opened:
            stream.close()


def load_once(host: str, port: int) -> None:
    """Send one GET /healthz on a new connection."""
    with socket.create_connection((host, port), timeout=10) as connection:
        connection.sendall(f"GET /healthz HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        while connection.recv(65536):
            pass


def uploads(address: str, folder: Path) -> list[Figure]:
    """Measure the upload of a large archive, and the largest peak memory of the API's processes."""
    archive = folder / "archive.zip"
    part = os.urandom(UPLOAD_BYTES // 16)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        for number in range(16):
            file.writestr(f"{number:02d}.png", part)
    host, port = address.removeprefix("http://").split(":")
    started = time.perf_counter()
    status = post_file(host, int(port), "/v1/batch-jobs?model=digits", archive)
    seconds = time.perf_counter() - started
    if status != b"202":
        sys.exit(f"the upload failed with {status.decode()}")
    megabytes = max(peak_bytes(process) for process in api_processes(port)) / 1e6
    return [
        Figure("an upload of 256 MiB", seconds, "s"),
        Figure("the API's largest process, peak memory", megabytes, "MB", "under 150", megabytes < 150),
    ]


def post_file(host: str, port: int, path: str, file: Path) -> bytes:
    """Send a file as the body, by sendfile; return the status of the response."""
    head = f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {file.stat().st_size}\r\n\r\n"
    with socket.create_connection((host, port), timeout=60) as connection, file.open("rb") as content:
        connection.sendall(head.encode())
        connection.sendfile(content)
        return connection.recv(65536).split(b" ", 2)[1]


def json_request(name: str) -> Request:
    """Return a request with one image as JSON numbers."""
    document = {"inputs": [{**_tensor(name), "data": _floats().tolist()}]}
    return Request(INFER, "POST", json.dumps(document).encode(), {"Content-Type": "application/json"})


def binary_request(name: str) -> Request:
    """Return a request with one image as bytes after the JSON."""
    content = _floats().tobytes()
    document = {"inputs": [{**_tensor(name), "parameters": {"binary_data_size": len(content)}}]}
    header = json.dumps(document).encode()
    return Request(INFER, "POST", header + content, {"Inference-Header-Content-Length": str(len(header))})


def _tensor(name: str) -> dict[str, Any]:
    return {"name": name, "shape": [1, 784], "datatype": "FP32"}


def _floats() -> np.ndarray:
    return (IMAGE.ravel() / 255).astype(np.float32)


def middle(loads: list[Load]) -> Load:
    """Return the median of each figure."""
    return Load(*(statistics.median(figures) for figures in zip(*(asdict(one).values() for one in loads), strict=True)))


if __name__ == "__main__":
    sys.exit(main())
