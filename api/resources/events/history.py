"""`GET /v1/jobs/{id}/history`: the report of each epoch of a training, in pages, while it runs and afterwards."""

from __future__ import annotations

from typing import Annotated, cast

from flask import Blueprint, request
from pydantic import Field, with_config
from typing_extensions import TypedDict

from api.requests.pagination import Page, PageQuery, cursor_like
from api.requests.validation import from_texts
from api.schema import examples
from api.schema.examples import shown_as
from api.schema.operations import error_response, operation
from shared.errors import Conflict, Damaged, NotFound, Unavailable
from shared.jobs import Job, JobStore, Kind
from shared.jobs.store import MAX_EVENTS
from shared.json_types import JsonObject
from shared.registry import Registry

MOST_EVENTS = 2 * MAX_EVENTS  # of a log: its length is limited approximately
EPOCH = r"[1-9][0-9]{0,8}"


@with_config(shown_as(examples.EPOCH))
class EpochView(TypedDict):
    """The report of an epoch. What was not measured is null, or an empty list.

    `gradient_norm` is the mean over the mini-batches, `layer_gradient_norms` that of each layer over at most 8 of them,
    both before clipping. `dead_units` has the share of each hidden layer, `predicted_classes` how many classes the
    network predicts, both for at most 512 training images.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    gradient_norm: float | None
    layer_gradient_norms: list[float]
    predicted_classes: int | None
    dead_units: list[float]
    learning_rate: float | None
    seconds: float | None


class HistoryQuery(PageQuery):
    """The epochs to list: those after `after`."""

    after: Annotated[str, cursor_like(EPOCH)] | None = Field(None, description="the number of an epoch")


def blueprint(jobs: JobStore, registry: Registry) -> Blueprint:
    """Return the route of a training's history."""
    routes = Blueprint("history", __name__, url_prefix="/v1/jobs/<job_id>/history")

    @routes.get("")
    @operation(
        "Read the history of a training",
        scope="read",
        query=HistoryQuery,
        responses={200: Page[EpochView]},
        errors=(
            error_response(NotFound, "job_not_found"),
            error_response(Conflict, "not_a_training"),
            error_response(Damaged, "record_lost", "record_unreadable", "version_damaged", "version_unreadable"),
            error_response(Unavailable, "volume_unavailable"),
        ),
    )
    def show(job_id: str) -> Page[EpochView]:
        """By epoch. The history of a published version has every epoch.

        Before that, or if the job publishes no version, it has the epochs of the job's log: of its newest about 2,000
        events, and without some of the epochs if they are shorter than about 12 ms. An evaluation job has no epochs.
        """
        query = from_texts(HistoryQuery, request.args)
        job = jobs.get(job_id)
        if job.kind is Kind.EVALUATION:  # it looks at a version, and trains for no epoch
            return {"items": [], "next": None}
        if job.kind not in {Kind.TRAINING, Kind.REPRODUCTION}:
            detail = f"job {job.id} is a {job.kind} job and has no epochs; read its result at /v1/jobs/{job.id}"
            raise Conflict("not_a_training", detail)
        after, wanted = int(query.after or 0), query.limit + 1
        epochs = stored(job, after, wanted)
        if epochs is None:
            epochs = [report for report in logged(job) if int(report["epoch"]) > after][:wanted]
        shown = epochs[: query.limit]
        return {
            "items": [_view(report) for report in shown],
            "next": str(shown[-1]["epoch"]) if len(epochs) > query.limit else None,
        }

    def stored(job: Job, after: int, count: int) -> list[JsonObject] | None:
        """Return the epochs of the version that the job has published; None if it has none."""
        try:
            version = registry.version_of_job(job.model, job.id) if job.kind is Kind.TRAINING else None
        except NotFound:  # the version was deleted
            return None
        return None if version is None else registry.history(version, after + 1, count)

    def logged(job: Job) -> list[JsonObject]:
        """Return the epochs of the job's log; of an epoch that was trained again, the latest report."""
        events = jobs.events(job.id, limit=MOST_EVENTS)
        epochs = {event.data["metrics"]["epoch"]: event.data["metrics"] for event in events if event.type == "epoch"}
        return [epochs[number] for number in sorted(epochs)]

    return routes


def _view(report: JsonObject) -> EpochView:
    view = {name: report.get(name) for name in EpochView.__annotations__}
    lists = {name: report.get(name) or [] for name in ("layer_gradient_norms", "dead_units")}
    return cast("EpochView", view | lists)
