"""`POST /v1/batch-jobs`: an archive of images and a model become a job that ends in a row for each image."""

from __future__ import annotations

from typing import Any

from flask import Blueprint
from pydantic import Field

from api.submission import Submission
from api.uploads import received
from api.validation import Form, from_texts
from api.views import job_view
from api.webhooks import Webhooks
from shared.archives import judge
from shared.errors import FieldError, Invalid
from shared.jobs import Job, Kind, Progress
from shared.names import new_id
from shared.registry import Registry
from shared.settings import Settings
from shared.specifications import BatchSpecification, Invert
from shared.volume import Volume


class BatchOptions(Form):
    """Which model, and how."""

    model: str
    top_k: int = Field(1, ge=1)
    invert: Invert = "never"
    error_threshold: float = Field(1.0, ge=0, le=1)
    webhook: str | None = None
    timeout_seconds: float | None = Field(None, gt=0)


def blueprint(
    registry: Registry, submission: Submission, webhooks: Webhooks, volume: Volume, settings: Settings
) -> Blueprint:
    """The route that takes batch jobs."""
    routes = Blueprint("batch-jobs", __name__)

    @routes.post("/v1/batch-jobs")
    def submit() -> tuple[dict[str, Any], int, dict[str, str]]:
        with received("archive", volume, settings) as upload:
            options = from_texts(BatchOptions, upload.options)
            webhook = webhooks.choose(options.webhook, parameter="webhook")
            version = registry.resolve(options.model)
            if options.top_k > len(version.classes):
                reason = f"the model has only {len(version.classes)} classes"
                raise Invalid("validation_failed", f"top_k: {reason}", [FieldError(reason, parameter="top_k")])
            plan = judge(upload.path, settings)
            specification = BatchSpecification(
                model=version.model,
                version=version.version,
                top_k=options.top_k,
                invert=options.invert,
                error_threshold=options.error_threshold,
                passed_over=plan.passed_over,
            )
            job, warnings = submission.submit(
                Job(
                    id=new_id(),
                    kind=Kind.BATCH,
                    model=version.model,
                    timeout_seconds=options.timeout_seconds,
                    webhook=webhook,
                    progress=Progress(total=len(plan), unit="images"),
                    request=options.model_dump(exclude_none=True),
                    specification=specification.model_dump(mode="json"),
                ),
                archive=upload.path,
                plan=plan,
            )
        return job_view(job, warnings), 202, {"Location": f"/v1/jobs/{job.id}"}

    return routes
