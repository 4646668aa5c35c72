"""A job as JSON, for the API's responses and for webhooks."""

from __future__ import annotations

from typing import Annotated, NotRequired, cast

from pydantic import Field
from typing_extensions import TypedDict

from shared.images.inversion import inverted_warning
from shared.images.number_range import almost_black_warning
from shared.jobs.outcome import (
    BatchResult,
    EvaluationResult,
    Finding,
    JobError,
    Metrics,
    Result,
    TrainingResult,
    Waiting,
)
from shared.jobs.record import Job, Kind, Priority
from shared.jobs.states import State
from shared.json_types import AS_WRITTEN, JsonObject
from shared.runtime.clock import rfc3339

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Links = Annotated[dict[str, str], Field(description="paths of related resources")]


class ProgressView(TypedDict):
    """How far a job is: `done` of `total`, and an estimate of the seconds until its end, null if it is unknown.

    Of a queued job also its `place`: 1 for the job that is next in its queue, null if it cannot start now; and
    `starts_in_seconds`, an estimate from the rates of the running jobs, null if it is unknown.
    """

    done: int
    total: int
    unit: str
    eta_seconds: float | None
    place: NotRequired[int | None]
    starts_in_seconds: NotRequired[float | None]


class JobDocument(TypedDict):
    """A job as `/v1/jobs/{id}` shows it. `warnings` says what makes its result doubtful, if anything does.

    `diagnosis`, of trainings: what is wrong with the result, or with the training while it runs. It is null for
    versions of older releases.
    """

    id: str
    kind: Kind
    state: State
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    attempt: int
    priority: Priority
    waiting: Waiting | None
    progress: ProgressView
    metrics: Annotated[Metrics, AS_WRITTEN]
    request: Annotated[JsonObject, AS_WRITTEN]
    result: Result | None
    error: JobError | None
    links: Links
    diagnosis: NotRequired[list[Finding] | None]
    warnings: NotRequired[list[str]]


def job_document(job: Job) -> JobDocument:
    """Return the job as JSON. Its owner and its specification are internal and omitted."""
    path = f"/v1/jobs/{job.id}"
    links = {"self": path, "events": f"{path}/events"}
    if job.kind is Kind.BATCH:
        links |= {"results": f"{path}/results", "errors": f"{path}/errors"}
    if job.kind is Kind.EVALUATION:
        links |= {"evaluation": f"{path}/evaluation", "predictions": f"{path}/predictions"}
    if job.kind is not Kind.BATCH and job.result is not None:
        links["version"] = f"/v1/models/{job.result['model']}/versions/{job.result['version']}"
    document: JobDocument = {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "created_at": rfc3339(job.created_at),
        "started_at": rfc3339(job.started_at) if job.started_at else None,
        "finished_at": rfc3339(job.finished_at) if job.finished_at else None,
        "attempt": job.attempt,
        "priority": job.priority,
        "waiting": job.waiting if job.state is State.QUEUED else None,
        "progress": cast("ProgressView", job.progress.model_dump()),
        "metrics": job.metrics,
        "request": job.request,
        "result": job.result,
        "error": job.error,
        "links": links,
    }
    if job.kind is Kind.TRAINING:
        document["diagnosis"] = diagnosis_of(job)
    if warnings := warnings_of(job):
        document["warnings"] = warnings
    return document


def diagnosis_of(job: Job) -> list[Finding] | None:
    """Return the diagnosis of a training: that of its result, without one the findings that hold after its last epoch.

    It is None if the version was not assessed.
    """
    if job.result is None:
        holding = (finding for finding in job.diagnosis if finding["holds"])
        return [{"code": each["code"], "message": each["message"], "epoch": each["epoch"]} for each in holding]
    found = cast("TrainingResult", job.result).get("diagnosis")
    return None if found is None else [{"code": each["code"], "message": each["message"]} for each in found]


def warnings_of(job: Job) -> list[str]:
    """Return the messages of a training's diagnosis, or the warnings of the images."""
    if job.kind is Kind.TRAINING:
        return [finding["message"] for finding in diagnosis_of(job) or ()]
    if job.result is None:
        return []
    warnings = []
    if job.kind is Kind.EVALUATION:
        evaluation = cast("EvaluationResult", job.result)
        if count := evaluation.get("look_inverted"):
            warnings.append(
                f"{count} of {evaluation['samples']} images look inverted against the training images of"
                f" {evaluation['model']}@{evaluation['version']}: light and dark are exchanged. An evaluation does not"
                " invert images; upload them as a data set with light and dark as in the training images"
            )
    if job.kind is Kind.BATCH:
        result = cast("BatchResult", job.result)
        if (count := result.get("look_inverted")) and job.specification.get("invert") == "never":
            warnings.append(inverted_warning(count, result["succeeded"], f"{result['model']}@{result['version']}"))
        if count := result.get("almost_black"):
            warnings.append(almost_black_warning(count, result["succeeded"]))
    return warnings
