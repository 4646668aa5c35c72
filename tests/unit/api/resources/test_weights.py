"""`GET /v1/models/{name}/versions/{ref}/weights`, in each format."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import numpy as np
import onnxruntime
import pytest
import safetensors.numpy
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.exports import FORMATS
from api.resources.weights import WeightsQuery
from shared.registry import ModelVersion, Registry
from shared.storage.volume import Volume
from tests.support.data.npz import easy_images
from tests.support.objects.models import publish, tiny_network, tiny_parameters
from tests.support.problems import assert_problem

WEIGHTS = "/v1/models/toy/versions/1/weights"
EVERY_FORMAT = pytest.mark.parametrize("form", ["npz", *FORMATS])


def download(client: FlaskClient, form: str = "npz", **options: Any) -> TestResponse:
    """Download the weights completely, so that the file is closed."""
    return client.get(WEIGHTS, query_string={"format": form}, buffered=True, **options)


def test_weights_match_the_digest_of_the_manifest(client: FlaskClient, model: ModelVersion) -> None:
    response = client.get(WEIGHTS, buffered=True)

    assert len(response.data) == model.weights.bytes
    assert hashlib.sha256(response.data).hexdigest() == model.weights.sha256
    assert response.headers["ETag"] == f'"{model.weights.sha256}"'
    with np.load(io.BytesIO(response.data), allow_pickle=False) as file:
        for name, array in tiny_parameters().items():
            assert np.array_equal(file[name], array)


@pytest.mark.usefixtures("model")
def test_safetensors_hold_the_same_parameters(client: FlaskClient) -> None:
    loaded = safetensors.numpy.load(download(client, "safetensors").data)

    assert loaded.keys() == tiny_parameters().keys()
    assert all(np.array_equal(loaded[name], array) for name, array in tiny_parameters().items())


@pytest.mark.usefixtures("model")
def test_onnx_computes_the_same_probabilities(client: FlaskClient) -> None:
    images, _ = easy_images(40, seed=2)
    rows = images.reshape(40, -1).astype(np.float32) / np.float32(255)

    session = onnxruntime.InferenceSession(download(client, "onnx").data, providers=["CPUExecutionProvider"])
    (probabilities,) = session.run(None, {"images": rows})

    assert np.abs(probabilities - tiny_network().probabilities(tiny_parameters(), images)).max() < 1e-6


@EVERY_FORMAT
@pytest.mark.usefixtures("model")
class TestEachFormat:
    def test_file_is_named_for_model_version_and_format(self, client: FlaskClient, form: str) -> None:
        response = download(client, form)

        assert response.status_code == 200
        assert response.content_type == "application/octet-stream"
        assert f"filename=toy-1.{form}" in response.headers["Content-Disposition"]
        assert int(response.headers["Content-Length"]) == len(response.data)

    def test_etag_is_the_digest_and_constant(self, client: FlaskClient, form: str) -> None:
        response = download(client, form)

        assert response.headers["ETag"] == f'"{hashlib.sha256(response.data).hexdigest()}"'
        assert download(client, form).data == response.data

    def test_unchanged_file_is_not_sent_again(self, client: FlaskClient, form: str) -> None:
        again = download(client, form, headers={"If-None-Match": download(client, form).headers["ETag"]})

        assert (again.status_code, again.data) == (304, b"")

    @pytest.mark.parametrize(
        ("requested", "start", "stop"),
        [
            ("10-19", 10, 20),
            ("100-", 100, None),
            ("-7", -7, None),
            ("0-0", 0, 1),
            ("100-999999999999999", 100, None),
            ("-999999999999999", 0, None),
        ],
    )
    def test_byte_range_is_returned(
        self, client: FlaskClient, form: str, requested: str, start: int, stop: int | None
    ) -> None:
        whole = download(client, form).data

        response = download(client, form, headers={"Range": f"bytes={requested}"})

        assert response.status_code == 206
        assert response.data == whole[start:stop]
        assert response.headers["Content-Range"].endswith(f"/{len(whole)}")

    @pytest.mark.parametrize(
        "given",
        ["items=0-1", "bytes=0-1,3-4", "lines=1-2, 4-", "0-1", "bytes=", "bytes=-", "bytes=9-3", "bytes=a-b",
         "bytes=0-" + "9" * 5000, "bytes=-" + "9" * 5000],
        ids=lambda text: text[:20],
    )  # fmt: skip
    def test_unsupported_range_returns_the_whole_file(self, client: FlaskClient, form: str, given: str) -> None:
        response = download(client, form, headers={"Range": given})

        assert response.status_code == 200
        assert response.data == download(client, form).data
        assert "Content-Range" not in response.headers

    def test_if_range_returns_the_range_of_the_same_file_only(self, client: FlaskClient, form: str) -> None:
        whole = download(client, form)
        part = {"Range": "bytes=10-19"}

        same = download(client, form, headers={**part, "If-Range": whole.headers["ETag"]})
        other = download(client, form, headers={**part, "If-Range": '"another"'})

        assert (same.status_code, same.data) == (206, whole.data[10:20])
        assert (other.status_code, other.data) == (200, whole.data)

    def test_weak_etag_in_if_range_returns_the_whole_file(self, client: FlaskClient, form: str) -> None:
        weak = f"W/{download(client, form).headers['ETag']}"

        assert download(client, form, headers={"Range": "bytes=10-19", "If-Range": weak}).status_code == 200

    @pytest.mark.parametrize("requested", ["999999999-", "-0", "9" * 30 + "-"])
    def test_range_beyond_the_end_is_rejected(self, client: FlaskClient, form: str, requested: str) -> None:
        length = len(download(client, form).data)

        response = download(client, form, headers={"Range": f"bytes={requested}"})

        assert_problem(response, 416, "requested_range_not_satisfiable")
        assert response.headers["Content-Range"] == f"bytes */{length}"

    @pytest.mark.parametrize("requested", ["bytes=10-19", "bytes=999999999-"])
    def test_head_ignores_a_range(self, client: FlaskClient, form: str, requested: str) -> None:
        head = client.head(WEIGHTS, query_string={"format": form}, headers={"Range": requested}, buffered=True)

        assert head.status_code == 200
        assert head.headers["Content-Length"] == str(len(download(client, form).data))

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({"If-Match": "@"}, 200),
            ({"If-Match": '"other", @'}, 200),
            ({"If-Match": "*"}, 200),
            ({"If-Match": '"other"'}, 412),
            ({"If-Match": "W/@"}, 412),  # If-Match compares strongly
            ({"If-None-Match": "W/@"}, 304),  # If-None-Match compares weakly
            ({"If-None-Match": '"other", @'}, 304),
            ({"If-None-Match": "*"}, 304),
            ({"If-None-Match": '"other"'}, 200),
            ({"If-Match": "@", "If-None-Match": "@"}, 304),
            ({"If-Match": '"other"', "If-None-Match": "@"}, 412),
            ({"If-None-Match": "@", "Range": "bytes=0-1"}, 304),
            ({"If-Match": '"other"', "Range": "bytes=0-1"}, 412),
        ],
        ids=str,
    )
    def test_preconditions_are_evaluated_in_the_order_of_http(
        self, client: FlaskClient, form: str, method: str, headers: dict[str, str], status: int
    ) -> None:
        etag = download(client, form).headers["ETag"]
        given = {name: value.replace("@", etag) for name, value in headers.items()}

        response = client.open(WEIGHTS, method=method, query_string={"format": form}, headers=given, buffered=True)

        assert response.status_code == status
        if status == 412 and method == "GET":
            assert_problem(response, 412, "precondition_failed")

    def test_head_has_the_headers_of_get(self, client: FlaskClient, form: str) -> None:
        got, head = download(client, form), client.head(WEIGHTS, query_string={"format": form}, buffered=True)

        assert head.data == b""
        for name in ("ETag", "Content-Length", "Content-Disposition", "Accept-Ranges"):
            assert head.headers[name] == got.headers[name]

    def test_damaged_weights_are_not_sent(self, client: FlaskClient, volume: Volume, form: str) -> None:
        (volume.version("toy", 1) / "weights.npz").write_bytes(b"something else")

        assert_problem(download(client, form), 500, "version_damaged")

    def test_weights_need_no_redis(self, client_without_redis: FlaskClient, form: str) -> None:
        assert download(client_without_redis, form).status_code == 200

    def test_deleted_version_is_not_found(self, client: FlaskClient, registry: Registry, form: str) -> None:
        publish(registry, job="job-2")
        registry.delete("toy", "1")

        assert_problem(download(client, form), 404, "version_deleted")


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("query", [{"format": "pickle"}, {"format": ""}, {"forma": "onnx"}])
def test_unknown_format_is_reported(client: FlaskClient, query: dict[str, str]) -> None:
    problem = assert_problem(client.get(WEIGHTS, query_string=query), 422, "validation_failed")

    assert [error["parameter"] for error in problem["errors"]] == list(query)


def test_query_offers_every_format() -> None:
    assert WeightsQuery.model_json_schema()["properties"]["format"]["enum"] == ["npz", *FORMATS]


LATER, EARLIER = "Fri, 31 Dec 2100 00:00:00 GMT", "Sat, 01 Jan 2000 00:00:00 GMT"


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-Modified-Since": LATER}, 304),
        ({"If-Modified-Since": EARLIER}, 200),
        ({"If-Modified-Since": "@"}, 304),
        ({"If-Modified-Since": "not a date"}, 200),
        ({"If-Unmodified-Since": LATER}, 200),
        ({"If-Unmodified-Since": "@"}, 200),
        ({"If-Unmodified-Since": EARLIER}, 412),
        ({"If-Unmodified-Since": "not a date"}, 200),
        ({"If-None-Match": '"other"', "If-Modified-Since": LATER}, 200),
        ({"If-Match": "*", "If-Unmodified-Since": EARLIER}, 200),
        ({"Range": "bytes=0-1", "If-Range": "@"}, 206),
        ({"Range": "bytes=0-1", "If-Range": LATER}, 200),
    ],
    ids=str,
)
def test_dates_are_preconditions_of_the_stored_file(client: FlaskClient, headers: dict[str, str], status: int) -> None:
    modified = download(client).headers["Last-Modified"]
    given = {name: value.replace("@", modified) for name, value in headers.items()}

    assert download(client, headers=given).status_code == status
