"""The client's exceptions mirror the server's errors: one class for each status."""

from __future__ import annotations

import glassbox
import pytest
from glassbox import errors

from api.problems import STATUSES
from shared import errors as servers


def a_problem(status: int, code: str = "some_code") -> dict[str, object]:
    return {"status": status, "code": code, "detail": "what happened", "title": "Title"}


@pytest.mark.parametrize("kind", STATUSES, ids=lambda kind: kind.__name__)
def test_each_of_the_servers_errors_is_an_exception_of_the_same_name(kind: type[servers.GlassboxError]) -> None:
    error = errors.refusal(a_problem(STATUSES[kind]))
    assert type(error).__name__ == kind.__name__
    assert isinstance(error, errors.Refused)


def test_an_exception_has_the_fields_of_the_problem() -> None:
    error = errors.refusal(a_problem(429, "queue_full"), "request-7", 3.0)
    assert isinstance(error, errors.TooMany)
    assert (error.code, error.status, error.detail) == ("queue_full", 429, "what happened")
    assert (error.request_id, error.retry_after) == ("request-7", 3.0)


def test_an_internal_error_is_not_a_damaged_file() -> None:
    assert type(errors.refusal(a_problem(500, "internal_error"))) is errors.ServerFault
    assert type(errors.refusal(a_problem(500, "version_damaged"))) is errors.Damaged


def test_an_unknown_status_is_a_refused_request() -> None:
    assert type(errors.refusal(a_problem(418))) is errors.Refused


def test_an_invalid_request_names_its_fields_and_a_forbidden_one_its_scope() -> None:
    fields = [{"pointer": "#/epochs", "detail": "must be at least 1"}]
    assert errors.refusal(a_problem(422) | {"errors": fields}).fields == fields
    forbidden = errors.refusal(a_problem(403) | {"scope": "manage"})
    assert isinstance(forbidden, errors.Forbidden)
    assert forbidden.scope == "manage"


def test_every_exception_can_be_imported_from_the_package() -> None:
    own = [value for value in vars(errors).values() if isinstance(value, type) and value.__module__ == errors.__name__]
    assert {kind.__name__ for kind in own} <= set(glassbox.__all__)
    for name in glassbox.__all__:
        assert getattr(glassbox, name) is not None
