"""`/openapi.json` is a valid document that tells of all there is; `/docs` shows it without asking anybody else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from werkzeug.test import TestResponse

from api.openapi import document
from api.schema.operations import operation_of
from shared.runtime.redis_faults import FAULTS

GUIDE = Path(__file__).parents[4] / "docs" / "api.md"
# The names that clients rely on, wherever this application has them.
CONTRACT = {
    "POST /v1/datasets",
    "GET /v1/datasets",
    "GET /v1/datasets/{}",
    "DELETE /v1/datasets/{}",
    "POST /v1/training-jobs",
    "POST /v1/batch-jobs",
    "GET /v1/jobs",
    "GET /v1/jobs/{}",
    "DELETE /v1/jobs/{}",
    "POST /v1/jobs/{}/cancel",
    "POST /v1/jobs/{}/retry",
    "GET /v1/jobs/{}/events",
    "GET /v1/jobs/{}/results",
    "GET /v1/jobs/{}/errors",
    "GET /v1/models",
    "GET /v1/models/{}",
    "GET /v1/models/{}/versions",
    "GET /v1/models/{}/versions/{}",
    "DELETE /v1/models/{}/versions/{}",
    "GET /v1/models/{}/versions/{}/weights",
    "GET /v1/models/{}/versions/{}/evaluation",
    "POST /v1/models/{}/versions/{}/predict",
    "POST /v1/models/{}/versions/{}/reproduce",
    "PUT /v1/models/{}/aliases/{}",
    "DELETE /v1/models/{}/aliases/{}",
    "GET /v2",
    "POST /v2/models/{}/infer",
    "POST /v2/models/{}/versions/{}/infer",
    "POST /v2/repository/index",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
    "GET /openapi.json",
    "GET /docs",
}


@pytest.fixture
def told(client: FlaskClient) -> dict[str, Any]:
    """The document as the server gives it."""
    return client.get("/openapi.json").get_json()  # type: ignore[no-any-return]


def operations(told: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every operation, by its method and path."""
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def contents(told: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every body of a request or an answer: where it is, and what the document says of it."""
    for name, operation in operations(told):
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            yield f"{name} {media_type}", content
        for status, response in operation["responses"].items():
            for media_type, content in response.get("content", {}).items():
                yield f"{name} {status} {media_type}", content


class TestTheDocument:
    def test_it_is_valid_by_the_specifications_own_schema(self, told: dict[str, Any]) -> None:
        assert told["openapi"] == "3.1.0"
        OpenAPIV31SpecValidator(told).validate()

    def test_every_route_declares_what_it_does(self, app: Flask) -> None:
        undeclared = {
            rule.rule for rule in app.url_map.iter_rules() if not operation_of(app.view_functions[rule.endpoint])
        }

        assert undeclared == set()

    def test_every_route_is_in_it(self, app: Flask, told: dict[str, Any]) -> None:
        routes = {
            f"{method} {re.sub('<[^>]+>', '{}', rule.rule)}"
            for rule in app.url_map.iter_rules()
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        }

        assert {re.sub("{[^}]+}", "{}", name) for name, _ in operations(told)} == routes

    def test_the_names_that_clients_rely_on_are_in_it(self, told: dict[str, Any]) -> None:
        assert {re.sub("{[^}]+}", "{}", name) for name, _ in operations(told)} >= CONTRACT

    def test_the_guide_for_users_names_the_same_paths(self, told: dict[str, Any]) -> None:
        in_the_guide = re.findall(r"^\| `(/[^`?]*)`", GUIDE.read_text(), re.MULTILINE)

        assert sorted(in_the_guide) == sorted(path for path in told["paths"] if not path.startswith("/docs/"))

    def test_each_operation_has_an_id_of_its_own_a_tag_and_a_summary(self, told: dict[str, Any]) -> None:
        ids = [operation["operationId"] for _, operation in operations(told)]

        assert len(set(ids)) == len(ids)
        assert all(operation["summary"] for _, operation in operations(told))
        assert {tag for _, operation in operations(told) for tag in operation["tags"]} == {
            tag["name"] for tag in told["tags"]
        }

    def test_every_parameter_is_explained(self, told: dict[str, Any]) -> None:
        unexplained = {
            (name, parameter["name"])
            for name, operation in operations(told)
            for parameter in operation["parameters"]
            if not parameter.get("description")
        }

        assert unexplained == set()

    def test_every_answer_has_the_requests_id(self, told: dict[str, Any]) -> None:
        for _, operation in operations(told):
            assert all("X-Request-Id" in response["headers"] for response in operation["responses"].values())

    def test_every_body_has_a_schema(self, told: dict[str, Any]) -> None:
        assert [where for where, content in contents(told) if not content["schema"]] == []

    def test_every_json_has_an_example_and_each_example_fits_its_schema(self, told: dict[str, Any]) -> None:
        for where, content in contents(told):
            examples = [one["value"] for one in content.get("examples", {}).values()]
            examples += [content["example"]] if "example" in content else []
            assert examples or "json" not in where.rsplit(" ", 1)[1], where
            for example in examples:
                Draft202012Validator(content["schema"] | {"components": told["components"]}).validate(example)

    def test_what_needs_a_key_says_with_which_scope(self, app: Flask) -> None:
        told = document(app, keys_needed=True)

        assert told["paths"]["/v1/jobs"]["get"]["security"] == [{"bearer": ["read"]}, {"header": ["read"]}]
        assert told["paths"]["/v1/jobs/{job_id}"]["delete"]["security"][0] == {"bearer": ["manage"]}
        assert told["paths"]["/healthz"]["get"]["security"] == []

    def test_where_no_keys_are_asked_for_none_is_needed(self, told: dict[str, Any]) -> None:
        assert {} in told["paths"]["/v1/jobs"]["get"]["security"]

    def test_errors_are_told_with_their_codes(self, told: dict[str, Any]) -> None:
        responses = told["paths"]["/v1/training-jobs"]["post"]["responses"]

        def codes(status: str) -> list[str]:
            _, narrowed = responses[status]["content"]["application/problem+json"]["schema"]["allOf"]
            return narrowed["properties"]["code"]["enum"]  # type: ignore[no-any-return]

        assert codes("404") == ["dataset_not_found"]
        assert codes("409") == ["idempotency_key_in_use"]
        assert set(codes("422")) == {"validation_failed", "idempotency_key_reused"}
        assert set(codes("503")) == {"dataset_unavailable", *(fault.code for fault in FAULTS)}
        assert {"401", "403", "413", "415", "429", "500"} <= responses.keys()
        assert "Retry-After" in responses["503"]["headers"]

    def test_what_changes_something_can_find_the_disk_full(self, told: dict[str, Any]) -> None:
        changing = {
            name: operation["responses"]
            for name, operation in operations(told)
            if {"bearer": ["submit"]} in operation["security"] or {"bearer": ["manage"]} in operation["security"]
        }

        assert "PUT /v1/models/{name}/aliases/{alias}" in changing
        assert [name for name, responses in changing.items() if "507" not in responses] == []

    def test_an_upload_may_be_raw_or_a_form_with_its_options(self, told: dict[str, Any]) -> None:
        content = told["paths"]["/v1/batch-jobs"]["post"]["requestBody"]["content"]

        assert {"application/zip", "application/octet-stream", "multipart/form-data"} <= content.keys()
        form = content["multipart/form-data"]["schema"]
        assert {"archive", "model", "top_k"} <= form["properties"].keys()
        assert form["required"] == ["archive"]

    def test_a_client_that_has_it_is_told_so(self, client: FlaskClient) -> None:
        etag = client.get("/openapi.json").headers["ETag"]

        assert client.get("/openapi.json", headers={"If-None-Match": etag}).status_code == 304


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/datasets", "/v1/models", "/healthz", "/openapi.json", "/docs"])
class TestWhereGetGoes:
    def test_head_tells_the_same_without_the_body(self, client: FlaskClient, path: str) -> None:
        got, head = client.get(path), client.head(path)

        assert head.status_code == got.status_code
        assert head.data == b""
        assert lasting(head) == lasting(got)

    def test_options_tells_the_methods(self, client: FlaskClient, told: dict[str, Any], path: str) -> None:
        methods = {method.upper() for method in told["paths"][path]}

        assert set(client.options(path).headers["Allow"].split(", ")) == methods | {"HEAD", "OPTIONS"}


def lasting(response: TestResponse) -> dict[str, str]:
    """The headers, but for those that are new with every answer."""
    return {name: value for name, value in response.headers if name not in {"Date", "X-Request-Id"}}


class TestThePage:
    def test_it_asks_this_server_alone(self, client: FlaskClient) -> None:
        page = client.get("/docs")

        assert page.mimetype == "text/html"
        assert "//" not in re.sub("<!doctype html>", "", page.text)
        for file in re.findall(r'(?:src|href)="([^"]+)"', page.text):
            assert client.get(file).status_code == 200, file

    def test_the_viewers_start_is_a_file_so_that_no_script_in_the_page_need_be_allowed(
        self, client: FlaskClient
    ) -> None:
        assert not re.search("<script>|onload", client.get("/docs").text)
        assert "/openapi.json" in client.get("/docs/start.js").text

    @pytest.mark.parametrize("file", ["unknown.js", "..", "index.css", "%2e%2e%2fLICENSE"])
    def test_it_has_no_other_files(self, client: FlaskClient, file: str) -> None:
        assert client.get(f"/docs/{file}").status_code == 404
