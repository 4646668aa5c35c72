"""Messages about invalid fields: plain names and requirements, without JSON pointers and Pydantic's phrases."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import pytest
from flask.testing import FlaskClient
from pydantic import AfterValidator, Field, ValidationError

from api.requests.field_errors import name_of, reason_of
from api.requests.validation import Matching, RequestModel
from shared.errors import FieldError
from shared.storage.names import NAME_RULE, AliasName, Name
from tests.support.problems import assert_problem


def reject_odd(number: int) -> int:
    if number % 2:
        raise ValueError("must be even")
    return number


class Request(RequestModel):
    """A request with each kind of field."""

    name: Name = "a"
    alias: AliasName = "a"
    count: int = Field(1, ge=1, le=9)
    fraction: float = Field(0.5, gt=0, lt=1, allow_inf_nan=False)
    force: bool = False
    kind: Literal["npz", "onnx"] = "npz"
    even: Annotated[int, AfterValidator(reject_odd)] = 0
    shape: Annotated[str, Matching("[0-9]+x[0-9]+", "must be height x width")] = "1x1"
    text: str = Field("aa", min_length=2, max_length=3, pattern="^a")
    labels: Annotated[dict[str, str], Field(max_length=1)] = Field(default_factory=dict)
    numbers: Annotated[list[int], Field(min_length=1)] = Field(default_factory=list)
    pair: tuple[int, int] = (1, 1)
    part: RequestModel | None = None


def reason(field: str, value: object, *, strict: bool = True) -> str:
    """Return the message of a field with this value."""
    with pytest.raises(ValidationError) as caught:
        Request.model_validate({field: value}, strict=strict)
    return reason_of(caught.value.errors()[0])


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "A b", f'{NAME_RULE}; got "A b"'),
        ("name", 3, "must be a string; got 3"),
        ("count", "3", 'must be a whole number; got "3"'),
        ("count", 1.5, "must be a whole number; got 1.5"),
        ("count", 0, "must be at least 1; got 0"),
        ("count", 10, "must be at most 9; got 10"),
        ("fraction", "x", 'must be a number; got "x"'),
        ("fraction", float("nan"), "must be a finite number; got NaN"),
        ("fraction", 0, "must be greater than 0; got 0"),
        ("fraction", 1, "must be less than 1; got 1"),
        ("force", "yes", 'must be true or false; got "yes"'),
        ("kind", "csv", 'must be npz or onnx; got "csv"'),
        ("even", 1, "must be even"),
        ("shape", "1", 'must be height x width; got "1"'),
        ("text", "a", 'must have at least 2 characters; got "a"'),
        ("text", "aaaa", 'must have at most 3 characters; got "aaaa"'),
        ("text", "bb", 'must match the regular expression ^a; got "bb"'),
        ("labels", 1, "must be a JSON object; got 1"),
        ("labels", {"a": 1}, "must be a string; got 1"),
        ("labels", {"a": "", "b": ""}, 'must have at most 1 entries; got {"a": "", "b": ""}'),
        ("numbers", 1, "must be a list; got 1"),
        ("numbers", [], "must have at least 1 entries; got []"),
        ("part", 1, "must be a JSON object; got 1"),
        ("colour", 1, "is not a field of this request"),
    ],
)
def test_message_states_the_requirement_and_the_value(field: str, value: object, message: str) -> None:
    assert reason(field, value) == message


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("count", "x", 'must be a whole number; got "x"'),
        ("count", "0", "must be at least 1; got 0"),
        ("fraction", "x", 'must be a number; got "x"'),
        ("force", "maybe", 'must be true or false; got "maybe"'),
    ],
)
def test_message_about_a_query_parameter_states_the_requirement(field: str, value: str, message: str) -> None:
    assert reason(field, value, strict=False) == message


def test_message_of_the_applications_own_validator_is_kept() -> None:
    assert reason("alias", "latest").startswith(NAME_RULE)


@pytest.mark.parametrize(
    ("field", "name"),
    [
        (FieldError("", pointer="#"), "the body"),
        (FieldError("", pointer="#/epochs"), "epochs"),
        (FieldError("", pointer="#/hidden/1"), "hidden[1]"),
        (FieldError("", pointer="#/optimizer/learning_rate"), "optimizer.learning_rate"),
        (FieldError("", pointer="#/inputs/0/data/3"), "inputs[0].data[3]"),
        (FieldError("", pointer="#/labels/a~1b~0c"), "labels.a/b~c"),
        (FieldError("", parameter="image[2]"), "image[2]"),
    ],
)
def test_field_is_named_without_a_json_pointer(field: FieldError, name: str) -> None:
    assert name_of(field) == name


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/training-jobs", {}),
        ("POST", "/v1/training-jobs", []),
        ("POST", "/v1/training-jobs", {"model": 1, "dataset": 1, "timeout_seconds": "1", "labels": 1, "webhook": 1}),
        ("POST", "/v1/training-jobs", {"model": "toy", "dataset": "easy", "hidden": [0], "epochs": "1"}),
        ("PUT", "/v1/models/toy/aliases/best", {"version": "1"}),
        ("PUT", "/v1/models/toy/aliases/best", {"version": 0}),
        ("POST", "/v1/models/toy/versions/1/predict", {"instances": [[0]]}),
        ("POST", "/v1/models/toy/versions/1/predict?top_k=0&invert=x", {"instances": [[0] * 36]}),
        ("POST", "/v2/models/toy/infer", {"inputs": [{"name": "images"}]}),
        ("GET", "/v1/jobs?limit=x&state=x&kind=x", None),
        ("DELETE", "/v1/models/toy?force=x", None),
    ],
)
@pytest.mark.usefixtures("model")
def test_problem_names_fields_without_pointers_and_pydantics_phrases(
    client: FlaskClient, method: str, path: str, body: object
) -> None:
    response = client.open(path, method=method, **({} if body is None else {"json": body}))  # type: ignore[arg-type]

    problem = assert_problem(response, 422, "validation_failed")
    texts = [problem["detail"], *(error["detail"] for error in problem["errors"])]
    for text in texts:
        assert not re.search(r"#|Input should|Field required|Value error|valid (integer|string|number|boolean)", text)
