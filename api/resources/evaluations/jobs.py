"""`/v1/jobs/{id}/evaluation` and `/predictions`: what an evaluation job has found."""

from __future__ import annotations

from flask import Blueprint, request
from pydantic import Field

from api.requests.validation import from_texts
from api.resources.evaluations.pages import (
    ComparisonPage,
    ComparisonQuery,
    PredictionPage,
    PredictionsQuery,
    comparison_page,
    prediction_page,
)
from api.resources.evaluations.sources import Sources
from api.resources.evaluations.versions import EvaluationView, evaluation_view
from api.schema.operations import error_response, operation
from shared.errors import Conflict, Damaged, NotFound, Unavailable
from shared.registry import Registry

ERRORS = (
    error_response(NotFound, "job_not_found", "evaluation_not_found"),
    error_response(Conflict, "not_an_evaluation"),
    error_response(Damaged, "evaluation_damaged", "record_lost", "record_unreadable"),
    error_response(Unavailable, "volume_unavailable"),
)


class JobComparisonQuery(ComparisonQuery):
    """The predictions to compare with, and the images of a page; `label` … `order` are by this job's predictions."""

    with_: str = Field(
        alias="with",
        max_length=255,
        description="the other predictions: another evaluation job, by its id, or a version's own, `digits@champion`",
    )


def blueprint(sources: Sources, registry: Registry) -> Blueprint:
    """Return the routes of evaluation jobs' findings."""
    routes = Blueprint("job_evaluations", __name__, url_prefix="/v1/jobs/<job_id>")

    @routes.get("/evaluation")
    @operation("Show the evaluation of a job", scope="read", responses={200: EvaluationView}, errors=ERRORS)
    def show(job_id: str) -> EvaluationView:
        """The classes are the version's; those that the data set lacks have a `support` of 0. `history` is empty."""
        _, found = sources.evaluation(job_id)
        return evaluation_view(found, found.evaluation, found.split)

    @routes.get("/predictions")
    @operation(
        "List the predictions of an evaluation job",
        scope="read",
        query=PredictionsQuery,
        responses={200: PredictionPage},
        errors=ERRORS,
    )
    def predictions(job_id: str) -> PredictionPage:
        """`label` and `predicted` together select a cell of the confusion matrix.

        An image's index is its position in the split of the data set, whose images are at
        `/v1/datasets/{id}/images?split=…&indices=…`.
        """
        query = from_texts(PredictionsQuery, request.args)
        return prediction_page(sources.job(job_id), query)

    @routes.get("/predictions/compare")
    @operation(
        "Compare an evaluation job image by image",
        scope="read",
        query=JobComparisonQuery,
        responses={200: ComparisonPage},
        errors=(
            error_response(
                NotFound,
                *("job_not_found", "evaluation_not_found", "predictions_not_found"),
                *("model_not_found", "version_not_found", "version_deleted"),
            ),
            error_response(Conflict, "not_an_evaluation", "datasets_differ"),
            error_response(
                Damaged,
                *("evaluation_damaged", "record_lost", "record_unreadable", "version_damaged", "version_unreadable"),
            ),
            error_response(Unavailable, "volume_unavailable"),
        ),
    )
    def compare(job_id: str) -> ComparisonPage:
        """Both must have predictions for the same split of one data set; a version has some for its test images."""
        query = from_texts(JobComparisonQuery, request.args)
        this = sources.job(job_id)
        if "@" in query.with_:
            return comparison_page(this, sources.version(registry.resolve(query.with_)), query)
        return comparison_page(this, sources.job(query.with_), query)

    return routes
