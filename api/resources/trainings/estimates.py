"""`POST /v1/training-jobs/estimate`: what a training would need, without submitting it."""

from __future__ import annotations

from flask import Blueprint
from pydantic import with_config
from typing_extensions import TypedDict

from api.requests.validation import from_json
from api.requests.webhook_choice import Webhooks
from api.resources.trainings.training_jobs import TrainingRequest, check_options, resolved
from api.schema import examples
from api.schema.examples import shown_as
from api.schema.operations import error_response, operation
from shared.datasets.builtin.built_in import BuiltIn
from shared.errors import Damaged, Invalid, NotFound, Unavailable
from shared.jobs.capacity.training_memory import memory_of
from shared.json_types import JsonObject
from shared.network.selection.costs import training_cost
from shared.network.selection.plan import SHARE
from shared.registry import Registry
from shared.runtime.memory.limit import limit_at_submission
from shared.runtime.settings import Settings

FASTEST, SLOWEST = 80e9, 40e9
"""Multiply-adds of float32 that a core computes in a second (`shared/network/selection/costs.py`)."""

METHOD = (
    "the multiply-adds of all epochs, counted from the shapes, at 40 to 80 billion a second, the rate of one core"
    " (half of it in float64); without early stopping, loading and evaluation. Small networks and busy machines take"
    " longer"
)


@with_config(shown_as(examples.TRAINING_ESTIMATE))
class TrainingEstimateView(TypedDict):
    """What a training needs, estimated before it starts.

    configuration: all settings, the preset's included; with `auto`, those of the first of the `candidates`, of which
    the training chooses one. parameters: of the largest candidate. memory_bytes: what the trainer's process allocates
    at most; memory_limit_bytes: its limit, null if the server does not know it. operations: multiply-adds, with `auto`
    those of the race and of the most expensive candidate. seconds: from the least to the most, by `method`.
    """

    configuration: JsonObject
    candidates: int
    parameters: int
    memory_bytes: int
    memory_limit_bytes: int | None
    operations: int
    seconds: list[float]
    method: str


def blueprint(built_in: BuiltIn, registry: Registry, webhooks: Webhooks, settings: Settings) -> Blueprint:
    """Return the route that estimates trainings."""
    routes = Blueprint("training_estimates", __name__)

    @routes.post("/v1/training-jobs/estimate")
    @operation(
        "Estimate a training",
        scope="submit",
        body=TrainingRequest,
        responses={200: TrainingEstimateView},
        errors=(
            error_response(NotFound, "dataset_not_found", "model_not_found", "version_not_found", "version_deleted"),
            error_response(Invalid, "training_too_large", "invalid_reference"),
            error_response(Damaged, "version_unreadable"),
            error_response(Unavailable, "dataset_unavailable"),
        ),
    )
    def estimate() -> TrainingEstimateView:
        """Takes the body of `POST /v1/training-jobs` and rejects the same ones, but submits no job."""
        wanted = from_json(TrainingRequest, settings)
        check_options(wanted, webhooks, settings)
        dataset, _, networks = resolved(wanted, built_in, registry, settings)
        samples, validation = dataset.splits["train"], dataset.splits.get("validation", 0)
        operations = max(training_cost(network, samples, validation) for network in networks)
        if len(networks) > 1:
            operations += operations // SHARE  # the most that the race takes
        slower = 2 if networks[0].configuration.dtype == "float64" else 1
        return {
            "configuration": networks[0].configuration.to_dict(),
            "candidates": len(networks),
            "parameters": max(network.parameter_count for network in networks),
            "memory_bytes": memory_of(networks, dataset).allocated,
            "memory_limit_bytes": limit_at_submission(settings),
            "operations": operations,
            "seconds": [round(slower * operations / rate, 2) for rate in (FASTEST, SLOWEST)],
            "method": METHOD,
        }

    return routes
