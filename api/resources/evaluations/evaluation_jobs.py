"""`POST /v1/evaluation-jobs`: submits a job that evaluates a version on a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from flask import Blueprint
from pydantic import Field

from api.middleware.idempotency import id_to_make, idempotent
from api.requests.field_errors import summary
from api.requests.labels import LabelName, LabelValue, check_labels
from api.requests.submission import Submission
from api.requests.validation import RequestModel, TimeoutSeconds, from_json
from api.requests.webhook_choice import WEBHOOK, Webhooks
from api.schema.examples import shown_as
from api.schema.operations import ResponseSpec, error_response, operation
from api.schema.responses import JobView, job_view
from shared.datasets import Manifest
from shared.datasets.builtin.built_in import BuiltIn
from shared.errors import Damaged, FieldError, Invalid, NotFound, TooMany, Unavailable
from shared.idempotency import IdempotencyKeys
from shared.images.shapes import as_text, channels_of
from shared.jobs import Job, Kind, Priority, Progress
from shared.jobs.specifications import EvaluationSpecification
from shared.network.settings.validation import shown
from shared.registry import ModelVersion, Registry
from shared.registry.classifier import network_of
from shared.runtime.settings import Settings

NAMED = 10  # classes in a message


class EvaluationRequest(RequestModel):
    """An evaluation: the version, the data set, and the job's options."""

    model_config = shown_as({"model": "digits@champion", "dataset": "digits", "split": "test"})

    model: str = Field(description="`digits` (its newest version), `digits@champion` (an alias) or `digits@3`")
    dataset: str = Field(description="Data set: its id or name; `digits`, `mnist` and `fashion-mnist` are built in")
    split: Literal["train", "validation", "test"] = Field("test", description="The part of the data set")
    webhook: str | None = Field(None, description=WEBHOOK)
    timeout_seconds: TimeoutSeconds | None = Field(None, description="Time limit of the job in seconds")
    priority: Priority = Field("interactive", description="Priority: interactive jobs start before those of batch")
    labels: Annotated[dict[LabelName, LabelValue], Field(max_length=64)] = Field(
        default_factory=dict, description="Labels: texts by name that are kept with the job, at most 8 KiB together"
    )


def blueprint(
    registry: Registry,
    built_in: BuiltIn,
    submission: Submission,
    webhooks: Webhooks,
    keys: IdempotencyKeys,
    settings: Settings,
) -> Blueprint:
    """Return the route that submits evaluation jobs."""
    routes = Blueprint("evaluation-jobs", __name__)

    @routes.post("/v1/evaluation-jobs")
    @operation(
        "Evaluate a version on a data set",
        scope="submit",
        body=EvaluationRequest,
        responses={202: ResponseSpec((JobView,), "The job was accepted.", headers=("Location",))},
        errors=(
            error_response(NotFound, "model_not_found", "version_not_found", "version_deleted", "dataset_not_found"),
            error_response(Invalid, "invalid_reference", "classes_differ", "image_shape", "record_too_large"),
            error_response(Damaged, "version_damaged", "version_unreadable", "dataset_unreadable"),
            error_response(Unavailable, "dataset_unavailable"),
            error_response(TooMany, "queue_full", "job_quota_exceeded"),
        ),
    )
    @idempotent(keys)
    def submit() -> tuple[JobView, int, dict[str, str]]:
        """Both references are resolved now. The evaluation is at `/v1/jobs/{id}/evaluation` when the job has succeeded.

        The data set's images must have the version's shape and channels, as numbers for `predict` must. Each of its
        classes must be one of the version's, by name.
        """
        wanted = from_json(EvaluationRequest, settings)
        check_labels(wanted.labels, settings)
        webhook = webhooks.choose(wanted.webhook, pointer="#/webhook")
        version = registry.resolve(wanted.model)
        network_of(version)
        registry.weights_path(version, anew=False)
        dataset = built_in.get(wanted.dataset)
        check_split(wanted.split, dataset)
        check_shape(dataset, version)
        check_classes(dataset, version)
        specification = EvaluationSpecification(
            model=version.model, version=version.version, dataset=dataset.id, split=wanted.split
        )
        job, warnings = submission.submit(
            Job(
                id=id_to_make(),
                kind=Kind.EVALUATION,
                model=version.model,
                timeout_seconds=wanted.timeout_seconds,
                priority=wanted.priority,
                webhook=webhook,
                progress=Progress(total=dataset.splits[wanted.split], unit="images"),
                request=wanted.model_dump(mode="json", exclude_unset=True) | {"split": wanted.split},
                specification=specification.pinned(),
            )
        )
        return job_view(job, warnings, submission.waiting(job)), 202, {"Location": f"/v1/jobs/{job.id}"}

    return routes


def check_split(split: str, dataset: Manifest) -> None:
    """Raise `Invalid` if the data set has no images in the split."""
    if not dataset.splits.get(split):
        reason = f"this data set has no images for {split}; it has {', '.join(dataset.splits)}"
        fields = [FieldError(reason, pointer="#/split")]
        raise Invalid("validation_failed", summary(fields), fields)


def check_shape(dataset: Manifest, version: ModelVersion) -> None:
    """Raise `Invalid` if the data set's images do not have the shape of the version's."""
    given, expected = dataset.image_shape, version.image_shape
    if given == expected:
        return
    how = f"image_shape={expected[0]}x{expected[1]} and channels={channels_of(expected)}"
    reason = (
        f"the images of the data set are {as_text(given)}, those of {version.model}@{version.version} are"
        f" {as_text(expected)}: stored images are numbers, which are not converted; upload the image files as a"
        f" data set with {how}"
    )
    raise Invalid("image_shape", reason, [FieldError(reason, pointer="#/dataset")])


def check_classes(dataset: Manifest, version: ModelVersion) -> None:
    """Raise `Invalid` if the data set has a class that the version lacks."""
    known, given = set(version.classes), set(dataset.classes)
    if given <= known:
        return
    name = f"{version.model}@{version.version}"
    missing = _listed([each for each in dataset.classes if each not in known])
    unused = [each for each in version.classes if each not in given]
    lacks = f"; the data set lacks {_listed(unused)} of {name}" if unused else ""
    reason = (
        f"{name} lacks {missing} of the data set{lacks}: each class of the data set must be one of the version's, by"
        " name, in any order"
    )
    raise Invalid("classes_differ", reason, [FieldError(reason, pointer="#/dataset")])


def _listed(names: Sequence[str]) -> str:
    """Return the names in a message, the first of many."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    kind = "the class" if len(names) == 1 else "the classes"
    return f"{kind} {', '.join(map(shown, names[:NAMED]))}{more}"
