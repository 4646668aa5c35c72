"""The memory that a request for predictions takes, measured: a multiple of its size, whatever it contains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from api.app import create_app
from shared.network import Network
from shared.registry import Registry
from shared.runtime.settings import MiB, Settings
from tests.support.objects.models import a_draft, publish, tiny_configuration
from tests.support.problems import assert_problem

MULTIPLE = 48  # of a request's size; the JSON parser takes up to 40
SPARE = 4 * MiB  # for what does not depend on the request
SIZE = MiB // 2
PREDICT = "/v1/models/{}/versions/1/predict"
INFER = "/v2/models/{}/infer"
PIXEL = "pixel"  # a model whose images have one pixel, so that a request can have many

REPEATED = {
    "empty lists": b"[],",
    "lists of one number": b"[0],",
    "nested lists": b"[[0]],",
    "colours": b"[0,0,0],",
    "integers": b"0,",
    "floats": b"0.5,",
    "large floats": b"1e300,",
    "booleans": b"true,",
    "nulls": b"null,",
    "objects": b"{},",
    "objects with a member": b'{"":0},',
    "short texts": b'"ab",',
    "mixed types": b'0,"ab",[],{},0.5,null,',
    "ragged rows": b"[0],[0,0],",
}
WHOLE = {
    "long text among short ones": b'["' + b"x" * 5000 + b'"' + b',""' * (SIZE // 3) + b"]",
    "one integer": b"[" + b"9" * SIZE + b"]",
    "one text": b'["' + b"x" * SIZE + b'"]',
    "one text beyond Latin": b'["' + "🙂".encode() * (SIZE // 4) + b'"]',
    "deep lists": b"[" * SIZE + b"]" * SIZE,
    "lists as deep as the parser allows": b"[" * 1000 + b"0" + b"]" * 1000,
}
DATA = {name: b"[" + piece * (SIZE // len(piece)) + piece[:-1] + b"]" for name, piece in REPEATED.items()} | WHOLE


def growth_of_peak(action: Any) -> int:
    """Run an action; return by how many bytes the process's peak memory exceeded its memory before."""
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = _status("VmRSS")
    action()
    return _status("VmHWM") - before


def _status(field: str) -> int:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[field].split()[0]) * 1024


@pytest.fixture(autouse=True)
def models(registry: Registry) -> None:
    """Publish a model of 6 × 6 pixels, one of one pixel, and one of one pixel with many classes of long names."""
    publish(registry)
    publish_pixel(registry, PIXEL, ("0", "1"))
    publish_pixel(registry, "many", tuple(f"{number} {'x' * 200}" for number in range(1000)))


def publish_pixel(registry: Registry, model: str, classes: tuple[str, ...], **overrides: Any) -> None:
    """Publish a model whose images have one pixel."""
    configuration = tiny_configuration(**overrides)
    network = Network((1, 1), len(classes), configuration)
    draft = a_draft(
        model,
        f"job-{model}",
        image_shape=(1, 1),
        classes=classes,
        configuration=configuration.to_dict(),
        parameters=network.parameter_count,
    )
    registry.publish(draft, network.initialize(np.random.default_rng(0)), registry._volume.job(model))


def bodies(data: bytes) -> dict[str, bytes]:
    """Return requests with this JSON in the place of the numbers, by path."""
    tensor = b'{"inputs": [{"name": "images", "datatype": "FP32", "shape": [36], "data": %s}]}'
    return {PREDICT: b'{"instances": %s}' % data, INFER: tensor % data}


@pytest.mark.parametrize("name", DATA)
def test_a_request_takes_at_most_a_multiple_of_its_size(client: FlaskClient, name: str) -> None:
    for path, body in bodies(DATA[name]).items():
        statuses: list[int] = []

        def send(path: str = path, body: bytes = body, statuses: list[int] = statuses) -> None:
            response = client.post(path.format(PIXEL), data=body, content_type="application/json")
            statuses.append(response.status_code)

        grown = growth_of_peak(send)

        assert statuses[0] in {200, 400, 413, 422}
        assert grown < MULTIPLE * len(body) + SPARE, f"{path}: {grown / 1e6:.0f} MB for {len(body) / 1e6:.1f} MB"


@pytest.mark.parametrize("member", ["shape", "outputs", "inputs", "parameters", "id", "name", "unknown"])
def test_members_besides_the_numbers_take_at_most_a_multiple_of_their_size(client: FlaskClient, member: str) -> None:
    tensor: dict[str, Any] = {"name": "images", "datatype": "FP32", "shape": [1, 36], "data": [0.5] * 36}
    document: dict[str, Any] = {"inputs": [tensor]}
    match member:
        case "shape":
            tensor["shape"] = [2**62] * (SIZE // 20)
        case "outputs":
            document["outputs"] = [{"name": "probabilities"}] * (SIZE // 26)
        case "inputs":
            document["inputs"] = [tensor] * (SIZE // 250)
        case "parameters":
            document["parameters"] = {str(number): number for number in range(SIZE // 16)}
        case "id":
            document["id"] = "x" * SIZE
        case "name":
            tensor["name"] = "x" * SIZE
        case "unknown":
            document |= {str(number): number for number in range(SIZE // 16)}
    body = json.dumps(document).encode()

    sizes = []
    grown = growth_of_peak(lambda: sizes.append(len(client.post("/v2/models/toy/infer", data=body).data)))

    assert grown < MULTIPLE * len(body) + SPARE
    assert sizes[0] < len(body) + 10_000


@pytest.mark.parametrize("binary", [True, False])
def test_many_small_encoded_images_are_refused_before_they_are_read(client: FlaskClient, binary: bool) -> None:
    count = SIZE // 5
    tensor: dict[str, Any] = {"name": "images", "datatype": "BYTES", "shape": [count]}
    if binary:
        content = b"\1\0\0\0x" * count
        header = json.dumps({"inputs": [tensor | {"parameters": {"binary_data_size": len(content)}}]}).encode()
        headers = {"Inference-Header-Content-Length": str(len(header))}
    else:
        header, content, headers = json.dumps({"inputs": [tensor | {"data": ["eA=="] * count}]}).encode(), b"", {}

    response = client.post("/v2/models/toy/infer", data=header + content, headers=headers)

    assert "at most 64 images" in assert_problem(response, 422, "validation_failed")["detail"]


class TestResponses:
    """A small request for many images, or for many classes with long names, cannot have a large response."""

    @pytest.mark.parametrize("top_k", [1, 1000])
    def test_predictions_are_bounded(self, client: FlaskClient, top_k: int) -> None:
        count = 70_000 // top_k * 3
        path = f"{PREDICT.format('many')}?top_k={top_k}"

        response = client.post(path, json={"instances": [[0.5]] * count})

        problem = assert_problem(response, 413, "response_too_large")
        assert "GLASSBOX_MAX_ONLINE_RESPONSE_BYTES is 33554432" in problem["detail"]

    @pytest.mark.parametrize("outputs", [[], [{"name": "probabilities", "parameters": {"classification": 2}}]])
    def test_probabilities_are_bounded(self, client: FlaskClient, outputs: list[Any]) -> None:
        tensor = {"name": "images", "datatype": "FP32", "shape": [3000, 1], "data": [0.5] * 3000}

        response = client.post(INFER.format("many"), json={"inputs": [tensor], "outputs": outputs})

        assert_problem(response, 413, "response_too_large")

    @pytest.mark.parametrize("path", [PREDICT, INFER])
    def test_the_time_of_the_classification_is_bounded(
        self, client: FlaskClient, registry: Registry, path: str
    ) -> None:
        publish_pixel(registry, "wide", ("0", "1"), hidden=[300_000])
        tensor = {"name": "images", "datatype": "FP32", "shape": [200_000, 1], "data": [0.5] * 200_000}
        document = {"instances": [[0.5]] * 200_000} if path == PREDICT else {"inputs": [tensor]}

        problem = assert_problem(client.post(path.format("wide"), json=document), 413, "too_many_operations")

        assert "GLASSBOX_MAX_ONLINE_OPERATIONS is 100000000000" in problem["detail"]

    def test_a_response_of_the_largest_size_takes_a_multiple_of_it(self, client: FlaskClient) -> None:
        body = json.dumps({"instances": [[0.5]] * 120}).encode()
        path = f"{PREDICT.format('many')}?top_k=1000"
        sizes = []

        def send() -> None:
            sizes.append(len(client.post(path, data=body, content_type="application/json").data))

        grown = growth_of_peak(send)

        assert 20 * MiB < sizes[0] < 32 * MiB
        assert grown < 4 * sizes[0]


def test_wide_layers_are_computed_for_a_few_images_at_a_time(registry: Registry, client: FlaskClient) -> None:
    publish_pixel(registry, "wide", ("0", "1"), hidden=[500_000])
    body = json.dumps({"instances": [[0.5]] * 1000}).encode()
    client.post(PREDICT.format("wide"), json={"instances": [[0.5]]})  # loads the model

    grown = growth_of_peak(lambda: client.post(PREDICT.format("wide"), data=body, content_type="application/json"))

    assert grown < 200 * MiB  # all images at once would take 4 GB


def test_decoded_images_are_bounded(registry: Registry, settings: Settings) -> None:
    tensor = {"name": "images", "datatype": "BYTES", "shape": [64], "data": ["eA=="] * 64}
    body = json.dumps({"id": "x" * SIZE, "inputs": [tensor]}).encode()
    small = create_app(settings.model_copy(update={"online_request_bytes": len(body) + 64 * 36 - 1})).test_client()

    response = small.post(INFER.format("toy"), data=body)

    assert "GLASSBOX_ONLINE_REQUEST_BYTES" in assert_problem(response, 413, "request_too_large")["detail"]
