"""Unknown and repeated query parameters are errors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.app import create_app
from api.schema.operations import operation_of
from shared.runtime.settings import Settings
from tests.support.data.npz import npz
from tests.support.problems import assert_problem, parameters

ROUTES: Flask = create_app(Settings(bind="127.0.0.1", published_on=None, api_keys_file=None))
OPERATIONS = sorted(
    (method, re.sub("<[^>]+>", "toy", rule.rule))
    for rule in ROUTES.url_map.iter_rules()
    for method in (rule.methods or set()) - {"OPTIONS"}
    if f"{rule.rule}/".startswith(("/v1/", "/v2/"))
    and (declared := operation_of(ROUTES.view_functions[rule.endpoint])) is not None
    and declared.query is None
)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_operation_without_parameters_rejects_any(client: FlaskClient, method: str, path: str) -> None:
    response = client.open(path, method=method, query_string="colour=red")

    assert response.status_code == 422
    if method != "HEAD":
        assert parameters(assert_problem(response, 422, "validation_failed")) == ["colour"]


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/models", "/v1/datasets", "/v1/jobs/unknown/events"])
def test_repeated_parameter_is_rejected(client: FlaskClient, path: str) -> None:
    problem = assert_problem(client.get(f"{path}?limit=1&limit=2"), 422, "validation_failed")

    assert parameters(problem) == ["limit"]


def test_repeated_option_of_an_upload_is_rejected(client: FlaskClient) -> None:
    response = client.post("/v1/datasets?name=a&name=b", data=npz())

    assert parameters(assert_problem(response, 422, "validation_failed")) == ["name"]


@pytest.mark.parametrize("number", ["1_0", "1__0", "_1", "0x1", "1e1", "\u0661", "1,0", "inf", "9" * 5000])
def test_number_in_another_notation_is_rejected(client: FlaskClient, number: str) -> None:
    problem = assert_problem(client.get("/v1/jobs", query_string={"limit": number}), 422, "validation_failed")

    assert parameters(problem) == ["limit"]


@pytest.mark.parametrize("parameter", ["test_fraction", "seed"])
def test_number_of_an_upload_with_an_underscore_is_rejected(client: FlaskClient, parameter: str) -> None:
    number = {"test_fraction": "0.2_5", "seed": "1_0"}[parameter]

    response = client.post("/v1/datasets", data=npz(), query_string={"name": "a_b", parameter: number})

    assert parameters(assert_problem(response, 422, "validation_failed")) == [parameter]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"])
def test_paths_for_operators_and_browsers_ignore_parameters(client: FlaskClient, path: str) -> None:
    assert client.get(f"{path}?colour=red").status_code == client.get(path).status_code


def test_missing_key_is_reported_before_wrong_parameters(settings: Settings, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("")
    client = create_app(settings.model_copy(update={"api_keys_file": keys})).test_client()

    assert_problem(client.get("/v1/jobs/unknown?colour=red"), 401, "key_missing")
