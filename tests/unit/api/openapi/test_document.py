"""`/openapi.json` is a valid and complete document; `/docs` shows it without loading other hosts."""

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
# The paths that clients rely on.
CONTRACT = {
    "POST /v1/datasets",
    "GET /v1/datasets",
    "GET /v1/datasets/{}",
    "DELETE /v1/datasets/{}",
    "POST /v1/datasets/{}/derive",
    "GET /v1/datasets/{}/images",
    "GET /v1/datasets/{}/summary",
    "GET /v1/datasets/{}/near-pairs",
    "POST /v1/training-jobs",
    "POST /v1/training-jobs/estimate",
    "POST /v1/batch-jobs",
    "POST /v1/evaluation-jobs",
    "GET /v1/jobs",
    "GET /v1/jobs/{}",
    "DELETE /v1/jobs/{}",
    "POST /v1/jobs/{}/cancel",
    "POST /v1/jobs/{}/retry",
    "GET /v1/jobs/{}/events",
    "GET /v1/jobs/{}/weights",
    "GET /v1/jobs/{}/results",
    "GET /v1/jobs/{}/errors",
    "GET /v1/jobs/{}/images",
    "GET /v1/jobs/{}/evaluation",
    "GET /v1/jobs/{}/predictions",
    "GET /v1/jobs/{}/predictions/compare",
    "GET /v1/jobs/{}/results/rows",
    "GET /v1/jobs/{}/results/summary",
    "GET /v1/models",
    "GET /v1/models/{}",
    "GET /v1/models/{}/versions",
    "GET /v1/models/{}/versions/{}",
    "DELETE /v1/models/{}/versions/{}",
    "GET /v1/models/{}/versions/{}/weights",
    "GET /v1/models/{}/versions/{}/evaluation",
    "GET /v1/models/{}/versions/{}/predictions",
    "GET /v1/models/{}/versions/{}/predictions/compare",
    "POST /v1/models/{}/versions/{}/predict",
    "POST /v1/models/{}/versions/{}/explain",
    "POST /v1/models/{}/versions/{}/explain/unit",
    "POST /v1/models/{}/versions/{}/neighbours",
    "GET /v1/lessons",
    "POST /v1/lessons/step",
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
def served(client: FlaskClient) -> dict[str, Any]:
    """The document that the server returns."""
    return client.get("/openapi.json").get_json()  # type: ignore[no-any-return]


def operations(served: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every operation with its method and path."""
    for path, methods in served["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def contents(served: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every body of a request or a response with its location."""
    for name, operation in operations(served):
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            yield f"{name} {media_type}", content
        for status, response in operation["responses"].items():
            for media_type, content in response.get("content", {}).items():
                yield f"{name} {status} {media_type}", content


FILES = ("/docs/", "/ui/")  # of pages for browsers


class TestDocument:
    def test_document_is_valid_openapi(self, served: dict[str, Any]) -> None:
        assert served["openapi"] == "3.1.0"
        OpenAPIV31SpecValidator(served).validate()

    def test_every_route_declares_an_operation(self, app: Flask) -> None:
        undeclared = {
            rule.rule for rule in app.url_map.iter_rules() if not operation_of(app.view_functions[rule.endpoint])
        }

        assert undeclared == set()

    def test_document_has_every_route(self, app: Flask, served: dict[str, Any]) -> None:
        routes = {
            f"{method} {re.sub('<[^>]+>', '{}', rule.rule)}"
            for rule in app.url_map.iter_rules()
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        }

        assert {re.sub("{[^}]+}", "{}", name) for name, _ in operations(served)} == routes

    def test_document_has_the_paths_that_clients_rely_on(self, served: dict[str, Any]) -> None:
        assert {re.sub("{[^}]+}", "{}", name) for name, _ in operations(served)} >= CONTRACT

    def test_user_guide_lists_the_same_paths(self, served: dict[str, Any]) -> None:
        listed = re.findall(r"^\| `(/[^`?]*)`", GUIDE.read_text(), re.MULTILINE)

        assert sorted(listed) == sorted(path for path in served["paths"] if not path.startswith(FILES))

    def test_each_operation_has_a_unique_id_a_tag_and_a_summary(self, served: dict[str, Any]) -> None:
        ids = [operation["operationId"] for _, operation in operations(served)]

        assert len(set(ids)) == len(ids)
        assert all(operation["summary"] for _, operation in operations(served))
        assert {tag for _, operation in operations(served) for tag in operation["tags"]} == {
            tag["name"] for tag in served["tags"]
        }

    def test_every_parameter_has_a_description(self, served: dict[str, Any]) -> None:
        undescribed = {
            (name, parameter["name"])
            for name, operation in operations(served)
            for parameter in operation["parameters"]
            if not parameter.get("description")
        }

        assert undescribed == set()

    def test_every_response_has_the_request_id(self, served: dict[str, Any]) -> None:
        for _, operation in operations(served):
            assert all("X-Request-Id" in response["headers"] for response in operation["responses"].values())

    def test_every_body_has_a_schema(self, served: dict[str, Any]) -> None:
        assert [where for where, content in contents(served) if not content["schema"]] == []

    def test_every_json_body_has_an_example_that_matches_its_schema(self, served: dict[str, Any]) -> None:
        for where, content in contents(served):
            examples = [one["value"] for one in content.get("examples", {}).values()]
            examples += [content["example"]] if "example" in content else []
            assert examples or "json" not in where.rsplit(" ", 1)[1], where
            for example in examples:
                Draft202012Validator(content["schema"] | {"components": served["components"]}).validate(example)

    def test_security_lists_the_scope_of_each_operation(self, app: Flask) -> None:
        served = document(app, keys_needed=True)

        assert served["paths"]["/v1/jobs"]["get"]["security"] == [{"bearer": ["read"]}, {"header": ["read"]}]
        assert served["paths"]["/v1/jobs/{job_id}"]["delete"]["security"][0] == {"bearer": ["manage"]}
        assert served["paths"]["/healthz"]["get"]["security"] == []

    def test_security_is_optional_if_no_keys_are_required(self, served: dict[str, Any]) -> None:
        assert {} in served["paths"]["/v1/jobs"]["get"]["security"]

    def test_error_responses_list_their_codes(self, served: dict[str, Any]) -> None:
        responses = served["paths"]["/v1/training-jobs"]["post"]["responses"]

        def codes(status: str) -> list[str]:
            return responses[status]["x-codes"]  # type: ignore[no-any-return]

        assert codes("404") == ["dataset_not_found", "model_not_found", "version_not_found", "version_deleted"]
        assert codes("409") == ["idempotency_key_in_use"]
        assert set(codes("422")) == {
            "validation_failed",
            "training_too_large",
            "invalid_reference",
            "record_too_large",
            "idempotency_key_reused",
        }
        assert set(codes("503")) == {
            "dataset_unavailable",
            "memory_busy",
            "out_of_memory",
            *(fault.code for fault in FAULTS),
        }
        assert {"401", "403", "413", "415", "429", "500"} <= responses.keys()
        assert "Retry-After" in responses["503"]["headers"]

    def test_every_change_can_return_storage_full(self, served: dict[str, Any]) -> None:
        changing = {
            name: operation["responses"]
            for name, operation in operations(served)
            if {"bearer": ["submit"]} in operation["security"] or {"bearer": ["manage"]} in operation["security"]
        }

        assert "PUT /v1/models/{name}/aliases/{alias}" in changing
        assert [name for name, responses in changing.items() if "507" not in responses] == []

    def test_upload_may_be_a_raw_body_or_a_form_with_options(self, served: dict[str, Any]) -> None:
        content = served["paths"]["/v1/batch-jobs"]["post"]["requestBody"]["content"]

        assert {"application/octet-stream", "multipart/form-data"} <= content.keys()
        form = content["multipart/form-data"]["schema"]
        assert {"archive", "model", "top_k"} <= form["properties"].keys()
        assert form["required"] == ["archive"]

    def test_document_is_not_sent_again_if_unchanged(self, client: FlaskClient) -> None:
        etag = client.get("/openapi.json").headers["ETag"]

        assert client.get("/openapi.json", headers={"If-None-Match": etag}).status_code == 304


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/datasets", "/v1/models", "/healthz", "/openapi.json", "/docs"])
class TestEveryGet:
    def test_head_has_the_headers_of_get_without_the_body(self, client: FlaskClient, path: str) -> None:
        got, head = client.get(path), client.head(path)

        assert head.status_code == got.status_code
        assert head.data == b""
        assert stable_headers(head) == stable_headers(got)

    def test_options_lists_the_methods(self, client: FlaskClient, served: dict[str, Any], path: str) -> None:
        methods = {method.upper() for method in served["paths"][path]}

        assert set(client.options(path).headers["Allow"].split(", ")) == methods | {"HEAD", "OPTIONS"}


def stable_headers(response: TestResponse) -> dict[str, str]:
    """Return the headers that are the same in every response."""
    return {name: value for name, value in response.headers if name not in {"Date", "X-Request-Id"}}


class TestPage:
    def test_page_loads_files_from_this_server_only(self, client: FlaskClient) -> None:
        page = client.get("/docs")

        assert page.mimetype == "text/html"
        assert "//" not in re.sub("<!doctype html>", "", page.text)
        for file in re.findall(r'(?:src|href)="([^"]+)"', page.text):
            assert client.get(file).status_code == 200, file

    def test_page_has_no_inline_scripts(self, client: FlaskClient) -> None:
        assert not re.search("<script>|onload", client.get("/docs").text)
        assert "/openapi.json" in client.get("/docs/start.js").text

    @pytest.mark.parametrize("file", ["unknown.js", "..", "index.css", "%2e%2e%2fLICENSE"])
    def test_unknown_file_of_the_page_is_not_found(self, client: FlaskClient, file: str) -> None:
        assert client.get(f"/docs/{file}").status_code == 404
