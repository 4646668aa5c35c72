"""The client's types and the server's OpenAPI document say the same, field by field, in both directions."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import pytest
from glassbox import datasets, jobs, options
from glassbox.files import formats
from glassbox.http import reading
from glassbox.http.events import TERMINAL, Event
from glassbox.records import evaluations, rows, service, versions

from api.app import create_app
from api.openapi import document
from shared.jobs import Kind, State
from shared.runtime.settings import Settings

SAME = {
    "Job": jobs.Job,
    "Progress": jobs.JobProgress,
    "TrainingResult": jobs.TrainingResult,
    "BatchResult": jobs.BatchResult,
    "ReproductionResult": jobs.ReproductionResult,
    "FirstDifference": jobs.FirstDifference,
    "Changed": jobs.Changed,
    "JobError": jobs.JobError,
    "Waiting": jobs.Waiting,
    "Reason": service.Reason,
    "Event": Event,
    "Dataset": datasets.Dataset,
    "Model": versions.Model,
    "Version": versions.Version,
    "Input": versions.Input,
    "Weights": versions.Weights,
    "Alias": versions.Alias,
    "Evaluation": evaluations.Evaluation,
    "Class": evaluations.ClassEvaluation,
    "Mistake": evaluations.Mistake,
    "Best": rows.Best,
    "Row": rows.Row,
    "RowError": rows.RowError,
    "Prediction": rows.Prediction,
    "Predictions": rows.Predictions,
    "Readiness": service.Readiness,
}
# Requests, pages, errors, words and the other protocol, which are held against the server below or elsewhere.
NOT_ANSWERS = {
    "AliasTarget", "FieldProblem", "Health", "Instances", "Kind", "OpenApi", "Problem", "State", "TrainingRequest",
}  # fmt: skip
OTHER_PROTOCOL = {
    "IndexBody", "IndexEntry", "InferBody", "Liveness", "LoadBody", "ModelMetadata", "ModelReadiness", "ServerMetadata",
    "TensorMetadata", "ServerReadiness",
}  # fmt: skip


@pytest.fixture
def told(settings: Settings) -> dict[str, Any]:
    """The document."""
    return document(create_app(settings), keys_needed=False)


def test_every_answer_of_the_servers_has_a_type_here(told: dict[str, Any]) -> None:
    answers = {name for name in told["components"]["schemas"] if not name.endswith("Page")}
    assert answers - NOT_ANSWERS - OTHER_PROTOCOL == set(SAME)


@pytest.mark.parametrize("name", SAME)
def test_a_type_has_the_fields_of_the_servers_schema_and_no_others(name: str, told: dict[str, Any]) -> None:
    schema = told["components"]["schemas"][name]
    assert reading.field_names(SAME[name]) == set(schema["properties"])


@pytest.mark.parametrize("name", SAME)
def test_a_field_may_be_missing_or_none_where_the_server_says_so(name: str, told: dict[str, Any]) -> None:
    schema = told["components"]["schemas"][name]
    hints = get_type_hints(SAME[name])
    for field, described in schema["properties"].items():
        allowed = described.get("anyOf", [described])
        assert ({"type": "null"} in allowed) == (type(None) in get_args(hints[field])), f"{name}.{field}"


@pytest.mark.parametrize("name", SAME)
def test_a_field_is_of_the_kind_that_the_server_says(name: str, told: dict[str, Any]) -> None:
    kinds: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
    hints = get_type_hints(SAME[name])
    for field, described in told["components"]["schemas"][name]["properties"].items():
        if hints[field] in kinds and "type" in described:
            assert described["type"] == kinds[hints[field]], f"{name}.{field}"


@pytest.mark.parametrize("name", SAME)
def test_the_servers_own_examples_can_be_read(name: str, told: dict[str, Any]) -> None:
    handed_in = {"Job": {"_jobs": None}, "Dataset": {"_datasets": None}}.get(name, {})
    for example in told["components"]["schemas"][name].get("examples", []):
        assert reading.read(SAME[name], example | {"a_field_of_a_newer_server": 1}, **handed_in)


def test_a_training_takes_what_the_server_takes(told: dict[str, Any]) -> None:
    known = set(options.TrainingOptions.__annotations__) | {"model", "dataset"}
    assert known == set(told["components"]["schemas"]["TrainingRequest"]["properties"])


@pytest.mark.parametrize(
    ("path", "method", "known"),
    [
        ("/v1/batch-jobs", "post", {*options.BatchOptions.__annotations__, "model"}),
        ("/v1/datasets", "post", {"name", "test_fraction", "seed", "image_shape"}),
        ("/v1/jobs", "get", {"kind", "state", "model", "limit", "after"}),
        ("/v1/models/{name}/versions/{reference}/predict", "post", {"top_k", "invert"}),
        ("/v1/jobs/{job_id}/results", "get", {"format"}),
        ("/v1/models/{name}/versions/{reference}/weights", "get", {"format"}),
    ],
)
def test_a_query_has_what_the_server_takes(path: str, method: str, known: set[str], told: dict[str, Any]) -> None:
    parameters = told["paths"][path][method]["parameters"]
    assert known == {each["name"] for each in parameters if each["in"] == "query"}


def test_words_are_the_servers() -> None:
    assert set(get_args(jobs.State)) == {state.value for state in State}
    assert set(get_args(jobs.Kind)) == {kind.value for kind in Kind}
    assert {state.value for state in State if state.is_terminal} == TERMINAL


def test_formats_of_rows_are_the_servers(told: dict[str, Any]) -> None:
    (parameter,) = (
        each for each in told["paths"]["/v1/jobs/{job_id}/results"]["get"]["parameters"] if each["name"] == "format"
    )
    assert set(parameter["schema"]["enum"]) == set(get_args(formats.Format))
