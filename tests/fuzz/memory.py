"""Random requests against a real API whose processes must stay below their share of the container's memory.

    make fuzz-memory REQUESTS=1000 SEED=1

The requests have up to 8 MiB: JSON of every structure, binary tensors of wrong sizes, gzip bodies that expand, forms,
images, aborted bodies and downloads, and options that ask for large responses. Several clients send at once. Prints how
many got which status, and the peak memory of each API process. The exit status is 1 if a process exceeded its limit or
ended, or if a request got no response or the status 500.
"""

from __future__ import annotations

import gzip
import http.client
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from shared.network import Network, preset
from shared.registry import Registry
from shared.registry.manifest import VersionDraft
from shared.runtime.settings import GiB, MiB
from shared.storage.volume import Volume
from tests.support.data.images import png
from tests.support.programs.processes import api_processes, peak_bytes
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.stack import running_stack

CLIENTS = 12
PROCESSES = 2
LIMIT = 2 * GiB // PROCESSES  # the share of a process in the 2 GiB of GLASSBOX_API_MEMORY
LARGEST = 8 * MiB
TIMEOUT_SECONDS = 300
MODELS: dict[str, tuple[tuple[int, ...], int, str, list[int]]] = {  # shape, classes, a class's name, hidden layers
    "digits": ((28, 28), 10, "", [64, 32]),
    "pixel": ((1, 1), 2, "", [8]),
    "colour": ((32, 32, 3), 10, "", [32]),
    "many-classes": ((8, 8), 1000, "x" * 200, [16]),
    "wide": ((1, 1), 2, "", [500_000]),
    **{f"large-{number}": ((1, 1), 2, "", [5400, 5400]) for number in range(3)},  # 117 MB each
}
PIECES = (
    *("[]", "[0]", "[[0]]", "[0,0,0]", "[[0,1],[2]]", "{}", '{"":0}', '{"a":[]}'),
    *('"a"', '""', '"ab"', '"🙂"', '"é\n"', "true", "null"),
    *("0", "1", "255", "256", "-1", "0.5", "1e300", "18446744073709551616", "12345678901234567890123"),
)
PATHS = (
    ("POST", "/v1/training-jobs"),
    ("PUT", "/v1/models/digits/aliases/champion"),
    ("POST", "/v2/repository/index"),
    ("POST", "/v2/repository/models/digits/load"),
)


@dataclass(frozen=True)
class Request:
    """A request; `aborted` if the client closes the connection after a part of the body or of the response."""

    path: str
    body: bytes = b""
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)
    aborted: bool = False


def main() -> int:
    """Send the requests, print the figures; return the exit status."""
    count, seed = int(sys.argv[1]), int(sys.argv[2])
    unlimited = {"GLASSBOX_RATE_LIMIT": "0", "GLASSBOX_SUBMIT_RATE_LIMIT": "0", "GLASSBOX_MAX_QUEUED_JOBS": "0"}
    with tempfile.TemporaryDirectory(prefix="glassbox-fuzz-") as name:
        folder = Path(name)
        publish(Registry(Volume(folder / "volume")), folder)
        with (
            RedisServer(folder) as redis,
            running_stack(folder, redis.url(), GLASSBOX_API_PROCESSES=str(PROCESSES), **unlimited) as stack,
        ):
            before = {process.name for process in api_processes(stack.port)}
            found = attack(stack.port, count, seed)
            processes = api_processes(stack.port)
            peaks = {process.name: peak_bytes(process) for process in processes}
        log = (folder / "api.log").read_text(errors="replace")
    for (kind, status), number in sorted(found.items()):
        print(f"{number:5d}  {status}  {kind}")
    for process, peak in peaks.items():
        print(f"process {process}: peak memory {peak / MiB:.0f} MiB of {LIMIT / MiB:.0f} MiB")
    failed = [
        *(f"process {process} ended" for process in before - peaks.keys()),
        *(f"process {process} exceeded its limit" for process, peak in peaks.items() if peak > LIMIT),
        *(f"{kind}: {status}" for kind, status in found if status.startswith(("500", "no response"))),
    ]
    if failed:
        print(log[-5000:], *failed, sep="\n")
    return bool(failed)


def publish(registry: Registry, folder: Path) -> None:
    """Publish the models, with random weights."""
    for model, (shape, classes, name, hidden) in MODELS.items():
        configuration = preset("fast", hidden=hidden, standardize=False)
        network = Network(shape, classes, configuration)
        draft = VersionDraft(
            model=model,
            job=f"job-{model}",
            dataset="none",
            configuration=configuration.to_dict(),
            seed=0,
            blas_threads=1,
            image_shape=shape,
            classes=tuple(f"{number} {name}" for number in range(classes)),
            parameters=network.parameter_count,
            metrics={},
        )
        registry.publish(draft, network.initialize(np.random.default_rng(0)), folder / "scratch" / model)


def attack(port: int, count: int, seed: int) -> Counter[tuple[str, str]]:
    """Send `count` random requests; return how many of each kind got which status."""
    found: Counter[tuple[str, str]] = Counter()

    def send_one(number: int) -> None:
        rng = random.Random(f"{seed} {number}")
        kind = rng.choice(KINDS)
        found[kind.__name__, send(port, kind(rng))] += 1

    with ThreadPoolExecutor(CLIENTS) as pool:
        begun = time.monotonic()
        for done, _ in enumerate(pool.map(send_one, range(count)), start=1):
            if not done % 100:
                largest = max(peak_bytes(process) for process in api_processes(port)) / MiB
                print(f"{done} requests in {time.monotonic() - begun:.0f} s, peak {largest:.0f} MiB", flush=True)
    return found


def send(port: int, request: Request) -> str:
    """Send a request; return the response's status and code."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        if request.aborted:
            return _send_aborted(connection, request)
        connection.request(request.method, request.path, request.body, request.headers)
        response = connection.getresponse()
        content = response.read()
        if response.status < http.client.BAD_REQUEST:
            return str(response.status)
        return f"{response.status} {json.loads(content)['code']}"
    except (OSError, http.client.HTTPException) as error:
        return f"no response: {error!r}"
    finally:
        connection.close()


def _send_aborted(connection: http.client.HTTPConnection, request: Request) -> str:
    connection.putrequest(request.method, request.path)
    connection.putheader("Content-Length", str(len(request.body)))
    connection.endheaders(request.body[: len(request.body) // 2])
    if request.method == "GET":
        connection.getresponse().read(MiB)
    return "aborted"


def size_of(rng: random.Random) -> int:
    """Return a random size in bytes; each power of two is as likely as another."""
    return int(2 ** rng.uniform(10, np.log2(LARGEST)))


def values(rng: random.Random, size: int) -> str:
    """Return a JSON list of about this size: repeated pieces, one long text or number, or deep lists."""
    match rng.randrange(8):
        case 0:
            return '["' + "x" * (size // 2) + '"' + ',""' * (size // 6) + "]"
        case 1:
            return f"[{'9' * size}]"
        case 2:
            return "[" * size + "]" * rng.choice([0, size])
        case 3:
            depth = rng.randrange(1, 1000)
            return f"[{','.join(['[' * depth + '0' + ']' * depth] * max(1, size // (2 * depth + 2)))}]"
    pieces = ",".join(rng.choices(PIECES, k=rng.choice([1, 1, 1, 3, 30])))
    return f"[{','.join([pieces] * max(1, size // (len(pieces) + 1)))}]"


def images(rng: random.Random, size: int, model: str) -> str:
    """Return valid images of a model as JSON, about this size."""
    shape = MODELS[model][0]
    number = rng.choice(["0", "255", "0.5", "0.123456789"])
    image: str = number
    for side in reversed(shape if rng.random() < 0.5 else (int(np.prod(shape)),)):
        image = f"[{','.join([image] * side)}]"
    return f"[{','.join([image] * max(1, size // len(image)))}]"


def model_of(rng: random.Random) -> str:
    """Return a random model."""
    return rng.choice(list(MODELS))


def predict(rng: random.Random) -> Request:
    """JSON of any structure."""
    body = f'{{"instances": {values(rng, size_of(rng))}}}'
    return _predict(rng, model_of(rng), body)


def predict_images(rng: random.Random) -> Request:
    """Valid images, many of them."""
    model = model_of(rng)
    return _predict(rng, model, f'{{"instances": {images(rng, size_of(rng), model)}}}')


def _predict(rng: random.Random, model: str, body: str) -> Request:
    path = f"/v1/models/{model}/versions/1/predict?top_k={rng.choice([1, 2, 10, 1000])}"
    return Request(path, body.encode()[:LARGEST], headers={"Content-Type": "application/json"})


def infer(rng: random.Random) -> Request:
    """A tensor in JSON, with any data, shape and outputs."""
    model, size = model_of(rng), size_of(rng)
    pixels = int(np.prod(MODELS[model][0]))
    data = values(rng, size) if rng.random() < 0.5 else images(rng, size, model)
    count = (data.count(",") + 1) // pixels
    shape = json.dumps(rng.choice([[count, pixels], [count], [], [2**62] * rng.choice([2, 8, size // 20])]))
    datatype = rng.choice(["FP32", "FP64", "FP16", "UINT8", "INT64", "BOOL", "BYTES"])
    tensor = f'{{"name": "images", "shape": {shape}, "datatype": "{datatype}", "data": {data}}}'
    tensors = ",".join([tensor] * rng.choice([1, 1, 1, 3]))
    body = f'{{"inputs": [{tensors}], "outputs": {_outputs(rng)}, "id": "{"x" * rng.choice([1, size // 4])}"}}'
    return Request(f"/v2/models/{model}/infer", body.encode()[:LARGEST])


def _outputs(rng: random.Random) -> str:
    parameters = rng.choice([{}, {"classification": 1}, {"classification": 1000}, {"binary_data": True}])
    return json.dumps([{"name": "probabilities", "parameters": parameters}] * rng.choice([0, 1, 1, 16, 100_000]))


def infer_binary(rng: random.Random) -> Request:
    """A tensor as bytes after the JSON, often of another size than its shape."""
    model, size = model_of(rng), size_of(rng)
    pixels = int(np.prod(MODELS[model][0]))
    datatype, width = rng.choice([("UINT8", 1), ("FP16", 2), ("FP32", 4), ("FP64", 8), ("BYTES", 1), ("BOOL", 1)])
    content = rng.choice(
        [bytes(size), rng.randbytes(size), b"\1\0\0\0x" * (size // 5), b"\xff\xff\xff\x7f" + bytes(size)]
    )
    count = len(content) // (pixels * width)
    content = content[: count * pixels * width] if rng.random() < 0.7 else content
    shape = rng.choice([[count, pixels], [count, pixels], [len(content)], [count + 1, pixels]])
    tensor = {
        "name": "images",
        "shape": shape,
        "datatype": datatype,
        "parameters": {"binary_data_size": len(content) + rng.choice([0, 0, 0, 1, -1])},
    }
    header = f'{{"inputs": [{json.dumps(tensor)}], "outputs": {_outputs(rng)}}}'.encode()
    headers = {"Inference-Header-Content-Length": str(len(header))}
    return Request(f"/v2/models/{model}/infer", header + content, headers=headers)


def compressed(rng: random.Random) -> Request:
    """A gzip body that expands, by up to a thousand times."""
    request = rng.choice([predict, infer, predict_images])(rng)
    body = request.body if rng.random() < 0.5 else bytes(rng.choice([MiB, 20 * MiB, 64 * MiB]))
    return Request(request.path, gzip.compress(body, 1), headers={**request.headers, "Content-Encoding": "gzip"})


def form(rng: random.Random) -> Request:
    """A form with images, texts, or many parts."""
    size = size_of(rng)
    part = 'Content-Disposition: form-data; name="{}"{}\r\n\r\n'
    contents = [png(np.full((rng.choice([28, 500]),) * 2, 100, np.uint8)), rng.randbytes(size), b""]
    count = rng.choice([1, 3, 64, 200, 100_000])
    parts = []
    for _ in range(min(count, max(1, size // 100))):
        content = rng.choice(contents)
        name, file = rng.choice([("image", '; filename="a.png"')] * 3 + [("top_k", "")])
        parts.append(b"--b\r\n" + part.format(name, file).encode() + content + b"\r\n")
        if sum(map(len, parts[-3:])) * len(parts) > LARGEST:
            break
    body = b"".join(parts)[:LARGEST] + b"--b--\r\n"
    path = f"/v1/models/{model_of(rng)}/versions/1/predict"
    return Request(path, body, headers={"Content-Type": "multipart/form-data; boundary=b"})


def image(rng: random.Random) -> Request:
    """One image as the body, large or damaged."""
    side = rng.choice([28, 1000, 3900])
    content = png(np.full((side, side), rng.randrange(256), np.uint8))
    content = content if rng.random() < 0.7 else content[: len(content) // 2] + bytes(size_of(rng))
    return Request(f"/v1/models/{model_of(rng)}/versions/1/predict", content, headers={"Content-Type": "image/png"})


def other(rng: random.Random) -> Request:
    """JSON for routes that take small documents."""
    method, path = rng.choice(PATHS)
    size = size_of(rng) // rng.choice([1, 16])
    members = ",".join(f'"{number}":{rng.choice(PIECES)}' for number in range(size // 12))
    body = rng.choice([f"{{{members}}}", values(rng, size), f'{{"model": "a", "hidden": {values(rng, size)}}}'])
    return Request(path, body.encode()[:LARGEST], method, {"Content-Type": "application/json"})


def aborted(rng: random.Random) -> Request:
    """A body that ends early."""
    request = rng.choice([predict, infer_binary])(rng)
    return Request(request.path, request.body, aborted=True)


def download(rng: random.Random) -> Request:
    """A large download, mostly aborted."""
    path = f"/v1/models/{model_of(rng)}/versions/1/weights?format={rng.choice(['npz', 'safetensors', 'onnx'])}"
    return Request(path, method="GET", aborted=rng.random() < 0.7)


KINDS: tuple[Callable[[random.Random], Request], ...] = (
    *(predict, predict, predict_images, infer, infer, infer_binary, compressed, form, image, other, aborted, download),
)

if __name__ == "__main__":
    sys.exit(main())
