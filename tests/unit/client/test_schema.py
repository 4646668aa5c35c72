"""The client's records and the server's OpenAPI document have the same fields and types."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import pytest
from glassbox import datasets, jobs, options
from glassbox.files import formats
from glassbox.http import reading
from glassbox.http.all_events import AnyEvent
from glassbox.http.events import TERMINAL, Event
from glassbox.records import datasets as records_datasets
from glassbox.records import (
    evaluations,
    explanations,
    predictions,
    rows,
    selections,
    service,
    skipped,
    uploads,
    versions,
    weights,
)

from api.app import create_app
from api.openapi import document
from shared.jobs import Kind, State
from shared.runtime.settings import Settings

SAME = {
    "Job": jobs.Job,
    "Progress": jobs.JobProgress,
    "TrainingResult": jobs.TrainingResult,
    "BatchResult": jobs.BatchResult,
    "SinkResult": jobs.SinkResult,
    "ReproductionResult": jobs.ReproductionResult,
    "EvaluationResult": jobs.EvaluationResult,
    "FirstDifference": jobs.FirstDifference,
    "Changed": jobs.Changed,
    "JobError": jobs.JobError,
    "Waiting": jobs.Waiting,
    "Reason": service.Reason,
    "TrainingEstimate": service.TrainingEstimate,
    "Event": Event,
    "AnyEvent": AnyEvent,
    "Epoch": jobs.Epoch,
    "Dataset": datasets.Dataset,
    "Duplicates": datasets.Duplicates,
    "BuiltIn": records_datasets.BuiltInDataset,
    "Provenance": records_datasets.Provenance,
    "DatasetSummary": records_datasets.DatasetSummary,
    "NearPairs": records_datasets.NearPairs,
    "NearPair": records_datasets.NearPair,
    "Compared": records_datasets.Compared,
    "ClassSummary": records_datasets.ClassSummary,
    "DuplicateGroups": records_datasets.DuplicateGroups,
    "DuplicateGroup": records_datasets.DuplicateGroup,
    "Copy": records_datasets.Copy,
    "Model": versions.Model,
    "Version": versions.Version,
    "Input": versions.Input,
    "Weights": versions.Weights,
    "Baselines": versions.Baselines,
    "Finding": versions.Finding,
    "Alias": versions.Alias,
    "Selection": selections.Selection,
    "Candidate": selections.Candidate,
    "Rung": selections.Rung,
    "Trial": selections.Trial,
    "Evaluation": evaluations.Evaluation,
    "Class": evaluations.ClassEvaluation,
    "Mistake": evaluations.Mistake,
    "Explanation": explanations.Explanation,
    "ExplainedInput": explanations.ExplainedInput,
    "ExplainedPrediction": explanations.ExplainedPrediction,
    "LayerActivations": explanations.LayerActivations,
    "Attribution": explanations.Attribution,
    "Completeness": explanations.Completeness,
    "Control": explanations.Control,
    "Unit": explanations.Unit,
    "UnitLayer": explanations.UnitLayer,
    "Place": explanations.Place,
    "Term": explanations.Term,
    "OtherTerms": explanations.OtherTerms,
    "Neighbours": explanations.Neighbours,
    "Neighbour": explanations.Neighbour,
    "Lesson": explanations.Lesson,
    "LessonCheck": explanations.LessonCheck,
    "LessonStep": explanations.LessonStep,
    "LessonOperation": explanations.LessonOperation,
    "Lessons": explanations.Lessons,
    "PredictedImage": predictions.PredictedImage,
    "ComparedImage": predictions.ComparedImage,
    "ComparisonCounts": predictions.ComparisonCounts,
    "Best": rows.Best,
    "Row": rows.Row,
    "IndexedRow": rows.IndexedRow,
    "BatchSummary": rows.BatchSummary,
    "LabelCounts": rows.LabelCounts,
    "ErrorCount": rows.ErrorCount,
    "RowError": rows.RowError,
    "Prediction": rows.Prediction,
    "Predictions": rows.Predictions,
    "Readiness": service.Readiness,
    "Preset": service.Preset,
    "Access": service.Access,
    "System": service.System,
    "Queue": service.Queue,
    "Worker": service.Worker,
    "Redis": service.Redis,
    "Volume": service.Volume,
    "SkippedFiles": skipped.SkippedFiles,
    "Upload": uploads.Upload,
    "TensorHistogram": weights.TensorHistogram,
    "WeightHistograms": weights.WeightHistograms,
}
# Requests, pages, errors, enumerations and the other protocol, which other tests compare with the server.
NOT_RECORDS = {
    "AddedImage", "AliasTarget", "BatchByReference", "DatasetByReference", "DatasetChanges", "EvaluationRequest",
    "FieldProblem", "Health", "Instances", "Kind",
    "LessonCheckRequest", "LessonRequest", "NamedArchive",
    "OnUnreadable", "OneImage", "OpenApi", "Problem", "RelabelledImage",
    "RemovedImage", "Scope", "Service", "Source", "State", "Tensor", "TrainingRequest",
}  # fmt: skip
OTHER_PROTOCOL = {
    "IndexBody", "IndexEntry", "InferBody", "Liveness", "LoadBody", "ModelMetadata", "ModelReadiness", "ServerMetadata",
    "TensorMetadata", "ServerReadiness",
}  # fmt: skip


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    """The OpenAPI document, which takes too long to make for each test."""
    return document(create_app(Settings(bind="127.0.0.1", published_on=None, api_keys_file=None)), keys_needed=False)


def test_every_response_of_the_server_has_a_record(openapi: dict[str, Any]) -> None:
    responses = {name for name in openapi["components"]["schemas"] if not name.endswith("Page")}
    assert responses - NOT_RECORDS - OTHER_PROTOCOL == set(SAME)


@pytest.mark.parametrize("name", SAME)
def test_a_record_has_the_fields_of_the_servers_schema_and_no_others(name: str, openapi: dict[str, Any]) -> None:
    schema = openapi["components"]["schemas"][name]
    assert reading.field_names(SAME[name]) == set(schema["properties"])


@pytest.mark.parametrize("name", SAME)
def test_a_field_is_optional_if_the_servers_schema_allows_null(name: str, openapi: dict[str, Any]) -> None:
    schema = openapi["components"]["schemas"][name]
    hints = get_type_hints(SAME[name])
    for field, described in schema["properties"].items():
        allowed = described.get("anyOf", [described])
        assert ({"type": "null"} in allowed) == (type(None) in get_args(hints[field])), f"{name}.{field}"


@pytest.mark.parametrize("name", SAME)
def test_a_field_has_the_type_of_the_servers_schema(name: str, openapi: dict[str, Any]) -> None:
    kinds: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
    hints = get_type_hints(SAME[name])
    for field, described in openapi["components"]["schemas"][name]["properties"].items():
        if hints[field] in kinds and "type" in described:
            assert described["type"] == kinds[hints[field]], f"{name}.{field}"


@pytest.mark.parametrize("name", SAME)
def test_the_servers_own_examples_can_be_read(name: str, openapi: dict[str, Any]) -> None:
    private_fields = {"Job": {"_jobs": None}, "Dataset": {"_datasets": None}}.get(name, {})
    for example in openapi["components"]["schemas"][name].get("examples", []):
        assert reading.read(SAME[name], example | {"a_field_of_a_newer_server": 1}, **private_fields)


def test_the_options_of_a_training_are_the_servers(openapi: dict[str, Any]) -> None:
    own = set(options.TrainingOptions.__annotations__) | {"model", "dataset"}
    assert own == set(openapi["components"]["schemas"]["TrainingRequest"]["properties"])


@pytest.mark.parametrize(
    ("path", "method", "known"),
    [
        ("/v1/batch-jobs", "post", {*options.BatchOptions.__annotations__, "model"}),
        ("/v1/datasets", "post", {"name", "test_fraction", "seed", "image_shape", "channels", "on_unreadable"}),
        (
            "/v1/datasets/{reference}/derive",
            "post",
            {"name", "split", "new_classes", "on_unreadable", "changes"},
        ),
        ("/v1/jobs", "get", {"kind", "state", "model", "label", "limit", "after"}),
        ("/v1/models/{name}/versions/{reference}/predict", "post", {"top_k", "invert"}),
        ("/v1/jobs/{job_id}/results", "get", {"format", "label", "above", "below", "path"}),
        ("/v1/models/{name}/versions/{reference}/weights", "get", {"format"}),
    ],
)
def test_the_parameters_of_a_query_are_the_servers(
    path: str, method: str, known: set[str], openapi: dict[str, Any]
) -> None:
    parameters = openapi["paths"][path][method]["parameters"]
    assert known == {each["name"] for each in parameters if each["in"] == "query"}


def test_states_and_kinds_are_the_servers() -> None:
    assert set(get_args(jobs.State)) == {state.value for state in State}
    assert set(get_args(jobs.Kind)) == {kind.value for kind in Kind}
    assert {state.value for state in State if state.is_terminal} == TERMINAL


def test_formats_of_rows_are_the_servers(openapi: dict[str, Any]) -> None:
    (parameter,) = (
        each for each in openapi["paths"]["/v1/jobs/{job_id}/results"]["get"]["parameters"] if each["name"] == "format"
    )
    assert set(parameter["schema"]["enum"]) == set(get_args(formats.Format))
