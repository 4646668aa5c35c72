"""Every error is a problem with a stable code, and every response has its request's id."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.problems import STATUSES
from shared import errors
from tests.support.problems import assert_problem


@pytest.mark.parametrize("path", ["/v1", "/v1/unknown", "/v3", "/v1/jobs/a/b/c", "/v1/../etc/passwd"])
def test_unknown_route_is_not_found(client: FlaskClient, path: str) -> None:
    assert_problem(client.get(path), 404, "not_found")


@pytest.mark.parametrize("path", ["/healthz", "/v1/jobs", "/v1/datasets", "/v1/models", "/v1/jobs/unknown"])
def test_trailing_slash_of_a_path_is_ignored(client: FlaskClient, path: str) -> None:
    with_slash, without = client.get(f"{path}/"), client.get(path)

    assert with_slash.status_code == without.status_code
    assert with_slash.content_type == without.content_type


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/training-jobs", {"POST", "OPTIONS"}),
        ("GET", "/v1/batch-jobs", {"POST", "OPTIONS"}),
        ("DELETE", "/v1/datasets", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("PUT", "/v1/models", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/healthz", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_rejected_method_is_reported_with_the_allowed_ones(
    client: FlaskClient, method: str, path: str, allowed: set[str]
) -> None:
    response = client.open(path, method=method)

    assert_problem(response, 405, "method_not_allowed")
    assert set(response.headers["Allow"].split(", ")) == allowed


def test_every_error_class_has_a_status() -> None:
    assert set(errors.GlassboxError.__subclasses__()) == set(STATUSES)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.Malformed, 400),
        (errors.NotFound, 404),
        (errors.Conflict, 409),
        (errors.LengthRequired, 411),
        (errors.TooLarge, 413),
        (errors.UnsupportedType, 415),
        (errors.Invalid, 422),
        (errors.Damaged, 500),
        (errors.Unavailable, 503),
        (errors.StorageFull, 507),
    ],
)
def test_error_class_has_its_documented_status(app: Flask, kind: type[errors.GlassboxError], status: int) -> None:
    app.add_url_rule("/raise", view_func=raising(kind("the_code", "the detail")))

    problem = assert_problem(app.test_client().get("/raise"), status, "the_code")

    assert problem["detail"] == "the detail"


def test_temporary_error_has_a_time_to_retry(app: Flask) -> None:
    app.add_url_rule("/raise", view_func=raising(errors.Unavailable("the_code", "the detail", retry_after=60)))

    assert app.test_client().get("/raise").headers["Retry-After"] == "60"


def test_problem_names_the_invalid_fields(app: Flask) -> None:
    fields = [errors.FieldError("is too small", pointer="#/epochs"), errors.FieldError("is odd", parameter="limit")]
    app.add_url_rule("/raise", view_func=raising(errors.Invalid("the_code", "the detail", fields)))

    problem = assert_problem(app.test_client().get("/raise"), 422, "the_code")

    assert problem["errors"] == [
        {"detail": "is too small", "pointer": "#/epochs"},
        {"detail": "is odd", "parameter": "limit"},
    ]


def test_internal_error_reveals_only_the_request_id(app: Flask) -> None:
    app.add_url_rule("/raise", view_func=raising(RuntimeError("a secret")))

    response = app.test_client().get("/raise", headers={"X-Request-Id": "request-1"})

    problem = assert_problem(response, 500, "internal_error")
    assert "a secret" not in response.text
    assert "request-1" in problem["detail"]


class TestRequestIds:
    def test_given_id_is_returned(self, client: FlaskClient) -> None:
        assert client.get("/healthz", headers={"X-Request-Id": "mine-1"}).headers["X-Request-Id"] == "mine-1"

    def test_given_id_is_returned_with_an_error(self, client: FlaskClient) -> None:
        assert client.get("/unknown", headers={"X-Request-Id": "mine-1"}).headers["X-Request-Id"] == "mine-1"

    def test_id_is_generated_if_none_is_given(self, client: FlaskClient) -> None:
        first, second = (client.get("/healthz").headers["X-Request-Id"] for _ in range(2))

        assert first
        assert first != second

    @pytest.mark.parametrize("given", ["", "é", "a" * 129, "a\tb"])
    def test_invalid_id_is_replaced(self, client: FlaskClient, given: str) -> None:
        returned = client.get("/healthz", headers={"X-Request-Id": given}).headers["X-Request-Id"]

        assert returned
        assert returned != given


def raising(error: Exception):  # type: ignore[no-untyped-def]
    def view() -> str:
        raise error

    return view


def test_instance_is_a_percent_encoded_uri_reference(client: FlaskClient) -> None:
    problem = client.get("/v1/jobs/a%20b%00%C3%A9").json

    assert problem is not None
    assert problem["instance"] == "/v1/jobs/a%20b%00%C3%A9"


def test_a_request_without_enough_memory_gets_the_limits_setting(app: Flask) -> None:
    app.add_url_rule("/raise", view_func=raising(MemoryError("an array of 1 TiB")))

    response = app.test_client().get("/raise")

    problem = assert_problem(response, 503, "out_of_memory")
    assert "GLASSBOX_API_MEMORY_BYTES" in problem["detail"]
    assert response.headers["Retry-After"] == "5"
