"""`/v1/jobs/{id}/results/rows` and `/summary`: a batch's rows as filtered and ordered pages, and their counts."""

from __future__ import annotations

from typing import Annotated, Literal

from flask import Blueprint, Response, request
from pydantic import Field, with_config
from typing_extensions import TypedDict

from api.requests.pagination import Page, cursor_like
from api.requests.validation import from_texts
from api.resources.batches.results import NOT_A_BATCH, NOT_FOUND, RowConditions, batch_of, reads_archive
from api.resources.image_selection import invalid
from api.schema import examples
from api.schema.examples import shown_as
from api.schema.operations import error_response, operation
from api.schema.responses import RowView
from shared.archives import load as load_index
from shared.errors import Damaged, NotFound
from shared.jobs import Job, JobStore
from shared.results.files import ShardFiles
from shared.results.selection import Order, select
from shared.results.summary import EDGES, Summaries, Summary
from shared.storage.volume import Volume

ORDERS: dict[Order, str] = {"archive": "a", "least_confident": "l", "most_confident": "m"}
DAMAGED = error_response(Damaged, "shard_damaged", "plan_damaged")


class RowsQuery(RowConditions):
    """The rows of a page."""

    order: Literal["archive", "least_confident", "most_confident"] = Field(
        "archive", description="the archive's order, or by confidence; equal ones in the archive's order"
    )
    limit: int = Field(50, ge=1, le=500, description="maximum number of items per page")
    after: Annotated[str, cursor_like(r"[alm][0-9a-f]{16}")] | None = Field(
        None, description="the `next` of the previous page, with the same filter and order"
    )


@with_config(shown_as({"index": 0, **examples.ROW}))
class IndexedRowView(RowView):
    """A row, with the `index` of its image among the archive's images."""

    index: int


class LabelCountsView(TypedDict):
    """The number of rows with a label, in all and in each bin of confidence."""

    label: str
    count: int
    bins: list[int]


class ErrorCountView(TypedDict):
    """The number of errors with a code."""

    code: str
    count: int


@with_config(
    shown_as(
        {
            "state": "running",
            "rows": 6143,
            "errors": 1,
            "edges": [0.0, 0.5, 1.0],
            "labels": [{"label": "7", "count": 6143, "bins": [3, 6140]}],
            "codes": [{"code": "not_an_image", "count": 1}],
        }
    )
)
class BatchSummaryView(TypedDict):
    """The counts of a batch's rows and errors so far.

    `edges` are the bins' limits: a bin has the rows with at least its lower and less than its upper limit; the last
    one includes 1. `labels` are sorted by their names, `codes` from the most frequent one.
    """

    state: str
    rows: int
    errors: int
    edges: list[float]
    labels: list[LabelCountsView]
    codes: list[ErrorCountView]


def blueprint(jobs: JobStore, volume: Volume) -> Blueprint:
    """Return the routes of a batch's pages of rows and of their summary."""
    routes = Blueprint("result_rows", __name__, url_prefix="/v1/jobs/<job_id>/results")
    summaries = Summaries()

    @routes.get("/rows")
    @operation(
        "List a batch's rows",
        scope="read",
        query=RowsQuery,
        responses={200: Page[IndexedRowView]},
        errors=(error_response(NotFound, "job_not_found", "archive_not_found"), NOT_A_BATCH, DAMAGED),
    )
    def rows(job_id: str) -> Response:
        """While the batch runs, the pages have the rows of finished shards. A page has at most 4 MiB of rows."""
        query = from_texts(RowsQuery, request.args)
        job = batch_of(jobs, job_id)
        prefix = ORDERS[query.order]
        if query.after is not None and query.after[0] != prefix:
            raise invalid("after", "must be the `next` of a page with the same order")
        after = None if query.after is None else int(query.after[1:], 16)
        with reads_archive(job):  # of rows that an older release wrote, it has the order
            found, more = select(
                ShardFiles(volume, job.id, job.retries).in_order(),
                query.condition(),
                query.order,
                after,
                query.limit,
                lambda start, stop: load_index(volume.archive_index(job.id)).paths(start, stop),
            )
        following = f'"{prefix}{found[-1].key:016x}"' if more else "null"
        lines = b", ".join(b'{"index": %d, %s' % (row.index, row.line[1:]) for row in found)
        return Response(b'{"items": [%s], "next": %s}' % (lines, following.encode()), mimetype="application/json")

    @routes.get("/summary")
    @operation(
        "Count a batch's rows",
        scope="read",
        responses={200: BatchSummaryView},
        errors=(NOT_FOUND, NOT_A_BATCH, DAMAGED),
    )
    def summary(job_id: str) -> BatchSummaryView:
        """By label and confidence, and the errors by code. While the batch runs, of the finished shards."""
        job = batch_of(jobs, job_id)
        return _summary_view(job, summaries.of(job.id, ShardFiles(volume, job.id, job.retries).in_order()))

    return routes


def _summary_view(job: Job, counted: Summary) -> BatchSummaryView:
    return {
        "state": job.state,
        "rows": counted.rows,
        "errors": counted.errors,
        "edges": [round(float(edge), 4) for edge in EDGES],
        "labels": [
            {"label": label, "count": int(bins.sum()), "bins": bins.tolist()}
            for label, bins in sorted(counted.bins.items())
        ],
        "codes": [{"code": code, "count": count} for code, count in counted.codes.most_common()],
    }
