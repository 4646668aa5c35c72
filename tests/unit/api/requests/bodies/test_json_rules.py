"""Every operation with a JSON body reads JSON by the same rules."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.data.npz import npz
from tests.support.problems import assert_problem, pointers

TRAINING = "/v1/training-jobs"
PIXELS = ", ".join(map(str, range(200, 235)))
BODIES = {  # by path: a valid body with a number in the place of @
    TRAINING: '{"model": "toy", "dataset": "easy", "batch_size": 10, "timeout_seconds": @}',
    "/v1/models/toy/aliases/best": '{"version": @}',
    "/v1/models/toy/versions/1/predict": f'{{"instances": [[@, {PIXELS}]]}}',
    "/v2/models/toy/infer": (
        f'{{"inputs": [{{"name": "images", "datatype": "FP64", "shape": [1, 36], "data": [@, {PIXELS}]}}]}}'
    ),
    "/v2/repository/models/toy/load": '{"parameters": {"a": @}}',
}  # fmt: skip

pytestmark = pytest.mark.usefixtures("model")

everywhere = pytest.mark.parametrize("path", BODIES)


@pytest.fixture
def client(client: FlaskClient) -> FlaskClient:
    """A client of an API that has the data set `easy`."""
    assert client.post("/v1/datasets?name=easy", data=npz()).status_code == 201
    return client


def send(client: FlaskClient, path: str, body: bytes) -> TestResponse:
    """Send JSON to an operation."""
    method = "PUT" if "aliases" in path else "POST"
    return client.open(path, method=method, data=body, content_type="application/json")


def valid(path: str) -> str:
    """Return a valid body."""
    return BODIES[path].replace("@", "1")


@everywhere
def test_byte_order_mark_is_ignored(client: FlaskClient, path: str) -> None:
    assert send(client, path, valid(path).encode()).status_code in {200, 201, 202}
    assert send(client, path, valid(path).encode("utf-8-sig")).status_code in {200, 201, 202}


@everywhere
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_encoding_than_utf_8_is_rejected(client: FlaskClient, path: str, encoding: str) -> None:
    problem = assert_problem(send(client, path, valid(path).encode(encoding)), 400, "malformed_json")

    assert "UTF-8" in problem["detail"]


@everywhere
def test_last_of_repeated_members_counts(client: FlaskClient, path: str) -> None:
    (name,) = list(json.loads(valid(path)))[:1]
    body = valid(path).replace("{", f'{{"{name}": [false], ', 1)

    assert send(client, path, body.encode()).status_code in {200, 201, 202}


@everywhere
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "01", "1.", "0x1", '"\\ud800"'])
def test_what_is_not_a_json_value_is_rejected(client: FlaskClient, path: str, number: str) -> None:
    response = send(client, path, BODIES[path].replace("@", number).encode())

    assert_problem(response, 400, "malformed_json")


@everywhere
@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" + "0" * 400, "-1" + "0" * 400, "1" + "0" * 5000, "1.5e400"])
def test_number_beyond_float64_is_invalid(client: FlaskClient, path: str, number: str) -> None:
    response = send(client, path, BODIES[path].replace("@", number).encode())

    assert_problem(response, 422, "validation_failed")


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" + "0" * 5000, "1e308", "31536001", "0"])
def test_field_with_a_too_large_number_is_named(client: FlaskClient, number: str) -> None:
    response = send(client, TRAINING, BODIES[TRAINING].replace("@", number).encode())

    assert pointers(assert_problem(response, 422, "validation_failed")) == ["#/timeout_seconds"]


@pytest.mark.parametrize("number", ["inf", "-inf", "nan", "1e999", "1e308", "1" + "0" * 400])
@pytest.mark.parametrize("parameter", ["timeout_seconds", "error_threshold", "top_k"])
def test_parameter_with_a_too_large_number_is_named(client: FlaskClient, parameter: str, number: str) -> None:
    problem: Any = assert_problem(
        client.post(f"/v1/batch-jobs?model=toy&{parameter}={number}", data=b"x"), 422, "validation_failed"
    )

    assert [error["parameter"] for error in problem["errors"]] == [parameter]
