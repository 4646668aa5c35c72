"""`/v1/models/{name}/versions/{ref}/predictions`: a version's prediction for each test image, and a comparison."""

from __future__ import annotations

from flask import Blueprint, request

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
from api.schema.operations import error_response, operation
from shared.errors import Conflict, Damaged, NotFound
from shared.registry import Registry

NOT_FOUND = error_response(NotFound, "model_not_found", "version_not_found", "version_deleted", "predictions_not_found")
DAMAGED = error_response(Damaged, "version_damaged", "version_unreadable")


def blueprint(sources: Sources, registry: Registry) -> Blueprint:
    """Return the routes of versions' predictions for test images."""
    routes = Blueprint("version_predictions", __name__, url_prefix="/v1/models/<name>/versions/<reference>/predictions")

    @routes.get("")
    @operation(
        "List a version's predictions for the test images",
        scope="read",
        query=PredictionsQuery,
        responses={200: PredictionPage},
        errors=(NOT_FOUND, DAMAGED),
    )
    def index(name: str, reference: str) -> PredictionPage:
        """`label` and `predicted` together select a cell of the confusion matrix.

        An image's index is its position in the split `test` of the version's data set, whose images are at
        `/v1/datasets/{id}/images?split=test&indices=…`.
        """
        query = from_texts(PredictionsQuery, request.args)
        return prediction_page(sources.version(registry.get(name, reference)), query)

    @routes.get("/compare")
    @operation(
        "Compare two versions image by image",
        scope="read",
        query=ComparisonQuery,
        responses={200: ComparisonPage},
        errors=(NOT_FOUND, DAMAGED, error_response(Conflict, "datasets_differ")),
    )
    def compare(name: str, reference: str) -> ComparisonPage:
        """Both versions must have been trained on the same data set, so that their test images are the same."""
        query = from_texts(ComparisonQuery, request.args)
        this = sources.version(registry.get(name, reference))
        other = registry.resolve(query.with_) if "@" in query.with_ else registry.get(name, query.with_)
        return comparison_page(this, sources.version(other), query)

    return routes
