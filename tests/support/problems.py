"""Errors as the API tells them."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from werkzeug.test import TestResponse


def assert_problem(response: TestResponse, status: int, code: str) -> dict[str, Any]:
    """Check that the response is this problem (RFC 9457), and give its body."""
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
    """Which fields of a JSON body the problem names."""
    return [error["pointer"] for error in problem["errors"]]


def parameters(problem: dict[str, Any]) -> list[str]:
    """Which query parameters or parts of a form the problem names."""
    return [error["parameter"] for error in problem["errors"]]
