"""`POST /v1/models/{name}/versions/{ref}/reproduce`: submits a job that retrains a version and compares the bits."""

from __future__ import annotations

from flask import Blueprint

from api.middleware.idempotency import id_to_make, idempotent
from api.requests.submission import Submission
from api.requests.webhook_choice import Webhooks
from api.schema.operations import ResponseSpec, error_response, operation
from api.schema.responses import JobView, job_view
from shared.datasets import DatasetStore, Manifest
from shared.errors import Conflict, Damaged, Invalid, NotFound, TooMany
from shared.idempotency import IdempotencyKeys
from shared.jobs import Job, Kind, Progress
from shared.jobs.capacity.training_memory import fitting
from shared.jobs.specifications import ReproductionSpecification
from shared.registry import ModelVersion, Registry
from shared.registry.classifier import network_of
from shared.runtime.memory.limit import limit_at_submission
from shared.runtime.settings import Settings


def blueprint(
    registry: Registry,
    datasets: DatasetStore,
    submission: Submission,
    webhooks: Webhooks,
    keys: IdempotencyKeys,
    settings: Settings,
) -> Blueprint:
    """Return the route that submits reproductions."""
    routes = Blueprint("reproductions", __name__)

    @routes.post("/v1/models/<name>/versions/<reference>/reproduce")
    @operation(
        "Train a version again and compare the bits",
        scope="submit",
        responses={202: ResponseSpec((JobView,), "The job was accepted.", headers=("Location",))},
        errors=(
            error_response(NotFound, "model_not_found", "version_not_found", "version_deleted"),
            error_response(Conflict, "dataset_deleted"),
            error_response(Damaged, "version_damaged", "version_unreadable"),
            error_response(Invalid, "training_too_large"),
            error_response(TooMany, "queue_full", "job_quota_exceeded"),
        ),
    )
    @idempotent(keys)
    def submit(name: str, reference: str) -> tuple[JobView, int, dict[str, str]]:
        """The job trains with the same data, settings, seed and number of threads, and publishes no version.

        It succeeds even if the bits differ. Its result says whether they agree.
        """
        version = registry.get(name, reference)
        registry.weights_path(version, anew=False)
        fitting([network_of(version)], _dataset_of(version, datasets), limit_at_submission(settings))
        specification = ReproductionSpecification(model=name, version=version.version, dataset=version.dataset)
        job, warnings = submission.submit(
            Job(
                id=id_to_make(),
                kind=Kind.REPRODUCTION,
                model=name,
                webhook=webhooks.choose(None),
                progress=Progress(total=version.configuration["epochs"], unit="epochs"),
                request={"model": f"{name}@{reference}"},
                specification=specification.pinned(),
            )
        )
        return job_view(job, warnings, submission.waiting(job)), 202, {"Location": f"/v1/jobs/{job.id}"}

    return routes


def _dataset_of(version: ModelVersion, datasets: DatasetStore) -> Manifest:
    try:
        return datasets.get(version.dataset)
    except NotFound as error:
        raise Conflict(
            "dataset_deleted",
            f"{version.model}@{version.version} was trained on {version.dataset}, which is deleted; "
            "upload the same data again to reproduce it",
        ) from error
