"""The API's error responses."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from werkzeug.test import TestResponse


def assert_problem(response: TestResponse, status: int, code: str) -> dict[str, Any]:
    """Check that the response is this problem (RFC 9457); return its body."""
    problem: dict[str, Any] = response.get_json(force=True)
    assert (response.status_code, problem.get("code")) == (status, code), problem
    assert response.content_type == "application/problem+json"
    assert problem["status"] == status
    assert problem["type"] == "about:blank"
    assert problem["title"]
    assert problem["detail"]
    assert unquote(problem["instance"]) == response.request.path
    assert "Traceback" not in problem["detail"]
    return problem


def pointers(problem: dict[str, Any]) -> list[str]:
    """Return the fields of a JSON body that the problem names."""
    return [error["pointer"] for error in problem["errors"]]


def parameters(problem: dict[str, Any]) -> list[str]:
    """Return the query parameters or parts of a form that the problem names."""
    return [error["parameter"] for error in problem["errors"]]
