"""`/v1/jobs/{id}/results` and `/errors`: a batch's rows so far, in the archive's order, streamed in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from flask import Blueprint, Response, request
from pydantic import Field

from api.requests.validation import RequestModel, from_texts
from api.schema.operations import MediaType, error_response, operation
from api.schema.responses import RowErrorView, RowView
from shared.errors import Conflict, NotFound
from shared.jobs import Job, JobStore, Kind
from shared.jobs.specifications import BatchSpecification
from shared.registry import Registry
from shared.results.chosen_rows import ChosenRows
from shared.results.files import ShardFiles
from shared.results.formats.csv_rows import as_csv, errors_as_csv
from shared.results.formats.npz import as_npz
from shared.results.formats.parquet import as_parquet
from shared.results.selection import RowFilter
from shared.results.shard import error_blocks
from shared.storage.volume import Volume

JSON_LINES = "application/x-ndjson"
HARMLESS = (
    "(RFC 4180); a text that begins with =, +, -, @, a tab, a line break or an apostrophe has an apostrophe in front,"
    " so that a spreadsheet does not execute it"
)
CSV_EXAMPLE = "path,label,confidence\r\nmnist-test/00000.png,7,0.9991\r\n"
ERRORS_EXAMPLE = "path,code,detail\r\na/b.png,image_damaged,the image ends early\r\n"
NOT_FOUND = error_response(NotFound, "job_not_found")
NOT_A_BATCH = error_response(Conflict, "not_a_batch")
TYPES = {
    "jsonl": JSON_LINES,
    "csv": "text/csv; charset=utf-8",
    "npz": "application/octet-stream",
    "parquet": "application/vnd.apache.parquet",
}


class RowConditions(RequestModel):
    """The rows to read."""

    label: str | None = Field(None, max_length=255, description="only rows with this label")
    above: float | None = Field(None, ge=0, le=1, description="only rows with at least this confidence")
    below: float | None = Field(None, ge=0, le=1, description="only rows with less than this confidence")
    path: str | None = Field(
        None, min_length=1, max_length=255, description="only rows whose path contains this text; case matters"
    )

    def condition(self) -> RowFilter:
        """Return the filter."""
        return RowFilter(self.label, self.above, self.below, self.path)


class ResultsQuery(RowConditions):
    """The format of a batch's rows, and which rows."""

    format: Literal["jsonl", "csv", "npz", "parquet"] = Field(
        "jsonl", description="JSON lines, CSV, NumPy arrays, or Parquet"
    )


class ErrorsQuery(RequestModel):
    """The format of a batch's errors."""

    format: Literal["jsonl", "csv"] = Field("jsonl", description="JSON lines or CSV")


def blueprint(jobs: JobStore, registry: Registry, volume: Volume) -> Blueprint:
    """Return the routes of a batch's results and errors."""
    routes = Blueprint("results", __name__, url_prefix="/v1/jobs/<job_id>")

    def finished(job: Job) -> list[Path]:
        return ShardFiles(volume, job.id, job.retries).in_order()

    @routes.get("/results")
    @operation(
        "Read a batch's rows",
        scope="read",
        query=ResultsQuery,
        responses={
            200: (
                MediaType(JSON_LINES, "one row per line", item=RowView),
                MediaType("text/csv", f"a header, then one row per line {HARMLESS}", example=CSV_EXAMPLE),
                MediaType("application/octet-stream", "a NumPy .npz with one array per column"),
                MediaType("application/vnd.apache.parquet", "a Parquet file with the columns of the CSV"),
            )
        },
        errors=(
            error_response(NotFound, "job_not_found", "model_not_found", "version_not_found"),
            NOT_A_BATCH,
        ),
    )
    def results(job_id: str) -> Response:
        """Rows in the archive's order. While the batch runs, the response holds the rows of finished shards.

        A response with a filter by `path` begins when the rows' text was read once, if the format is `npz`.
        """
        query = from_texts(ResultsQuery, request.args)
        job = batch_of(jobs, job_id)
        rows = ChosenRows(finished(job), query.condition())
        response = Response(written(job, rows, query.format), content_type=TYPES[query.format])
        if query.format in {"npz", "parquet"}:
            response.headers["Content-Disposition"] = f"attachment; filename={job.id}.{query.format}"
        return response

    def written(job: Job, rows: ChosenRows, file_format: str) -> Iterator[bytes]:
        specification = BatchSpecification.described_by(job.specification)
        match file_format:
            case "csv":
                return as_csv(rows, specification.top_k)
            case "npz":
                version = registry.get(specification.model, str(specification.version))
                return as_npz(rows, version.classes, specification.top_k)
            case "parquet":
                return as_parquet(rows, specification.top_k)
        return rows.blocks()

    @routes.get("/errors")
    @operation(
        "Read a batch's unreadable images",
        scope="read",
        query=ErrorsQuery,
        responses={
            200: (
                MediaType(JSON_LINES, "one unreadable image per line", item=RowErrorView),
                MediaType(
                    "text/csv", f"a header, then one unreadable image per line {HARMLESS}", example=ERRORS_EXAMPLE
                ),
            )
        },
        errors=(NOT_FOUND, NOT_A_BATCH),
    )
    def errors(job_id: str) -> Response:
        """In the archive's order. While the batch runs, the response holds the errors of finished shards."""
        query = from_texts(ErrorsQuery, request.args)
        shards = finished(batch_of(jobs, job_id))
        if query.format == "csv":
            return Response(errors_as_csv(shards), content_type=TYPES["csv"])
        return Response((block for path in shards for block in error_blocks(path)), content_type=JSON_LINES)

    return routes


def batch_of(jobs: JobStore, job_id: str) -> Job:
    """Return a batch; raises `NotFound`, or `Conflict` if the job is of another kind."""
    job = jobs.get(job_id)
    if job.kind is not Kind.BATCH:
        detail = f"job {job.id} is a {job.kind} job and has no rows; read its result at /v1/jobs/{job.id}"
        raise Conflict("not_a_batch", detail)
    return job


@contextmanager
def reads_archive(job: Job) -> Iterator[None]:
    """Report a missing file of a batch's archive, which the block reads: raises `NotFound` for a FileNotFoundError."""
    try:
        yield
    except FileNotFoundError:
        detail = f"the archive of job {job.id} is not on the volume: the job was deleted, or is not accepted yet"
        raise NotFound("archive_not_found", detail) from None
