"""`/v1/jobs`: list, show, cancel, retry, delete, the log, and what a batch has found so far."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from itertools import count
from typing import Any, Literal

from flask import Blueprint, Response, request
from pydantic import Field

from api.operations import MediaType, operation, refusal
from api.pages import Page, PageQuery, page
from api.validation import Form, from_texts
from api.views import EventView, JobView, RowErrorView, RowView, event_view, job_view
from shared.broker import Outbox
from shared.errors import Conflict, NotFound
from shared.job_files import JobFiles, close
from shared.jobs import Job, JobStore, Kind, State
from shared.volume import Volume

JSON_LINES = "application/x-ndjson"
EVENT_ID = r"[0-9]{1,19}-[0-9]{1,19}"
CSV_EXAMPLE = "path,label,confidence\r\nmnist-test/00000.png,7,0.9991\r\n"
NOT_FOUND = refusal(NotFound, "job_not_found")
WRONG_STATE = refusal(Conflict, "wrong_state")
NOT_A_BATCH = refusal(Conflict, "not_a_batch")


class JobQuery(PageQuery):
    """Which jobs to list."""

    kind: Kind | None = Field(None, description="only jobs of this kind")
    state: State | None = Field(None, description="only jobs in this state")
    model: str | None = Field(None, description="only jobs that train or use this model")


class EventQuery(PageQuery):
    """Which events to list: those behind `after`."""

    after: str | None = Field(None, pattern=f"^{EVENT_ID}$", description="the id of an event")


class ResultsQuery(Form):
    """How to write a batch's rows."""

    format: Literal["jsonl", "csv"] = Field("jsonl", description="lines of JSON, or of CSV")


def blueprint(jobs: JobStore, files: JobFiles, outbox: Outbox, volume: Volume) -> Blueprint:
    """The jobs' routes."""
    routes = Blueprint("jobs", __name__, url_prefix="/v1/jobs")

    @routes.get("")
    @operation("List the jobs", scope="read", query=JobQuery, answers={200: Page[JobView]})
    def index() -> Page[JobView]:
        """The newest come first."""
        query = from_texts(JobQuery, request.args)
        found = (
            job
            for job in jobs.newest_first(query.state, before=query.after)
            if query.kind in {None, job.kind} and query.model in {None, job.model}
        )
        return page(found, query, lambda job: job.id, job_view)

    @routes.get("/<job_id>")
    @operation("Show a job", scope="read", answers={200: JobView}, errors=(NOT_FOUND,))
    def show(job_id: str) -> JobView:
        return job_view(jobs.get(job_id))

    @routes.delete("/<job_id>")
    @operation("Delete a job", scope="manage", answers={204: None}, errors=(NOT_FOUND, WRONG_STATE))
    def delete(job_id: str) -> tuple[str, int]:
        """Its record and its files go, with a batch's rows; a version that a training published stays."""
        jobs.delete(job_id)
        files.remove(job_id)
        return "", 204

    @routes.post("/<job_id>/cancel")
    @operation("Cancel a job", scope="submit", answers={202: JobView}, errors=(NOT_FOUND, WRONG_STATE))
    def cancel(job_id: str) -> tuple[JobView, int]:
        """A running job stops at its next stopping point; what is finished of it is kept."""
        jobs.cancel(job_id)
        close(jobs, files, job_id)
        return job_view(jobs.get(job_id)), 202

    @routes.post("/<job_id>/retry")
    @operation("Retry a job", scope="submit", answers={202: JobView}, errors=(NOT_FOUND, WRONG_STATE))
    def retry(job_id: str) -> tuple[JobView, int]:
        """A failed or cancelled job goes on from its checkpoint or behind its finished shards."""
        jobs.retry(job_id)
        files.reopen(job_id)
        job = jobs.get(job_id)
        outbox.send(job.kind, job.id)
        return job_view(job), 202

    @routes.get("/<job_id>/events")
    @operation("Read a job's log", scope="read", query=EventQuery, answers={200: Page[EventView]}, errors=(NOT_FOUND,))
    def events(job_id: str) -> Page[EventView]:
        query = from_texts(EventQuery, request.args)
        jobs.get(job_id)
        log = jobs.events(job_id, query.after, query.limit + 1)
        return page(log, query, lambda event: event.id, event_view)

    @routes.get("/<job_id>/results")
    @operation(
        "Read a batch's rows",
        scope="read",
        query=ResultsQuery,
        answers={
            200: (
                MediaType(JSON_LINES, "a row in each line", item=RowView),
                MediaType("text/csv", "a header and a row in each line (RFC 4180)", example=CSV_EXAMPLE),
            )
        },
        errors=(NOT_FOUND, NOT_A_BATCH),
    )
    def results(job_id: str) -> Response:
        """In the archive's order; readable while the batch runs, as far as it is."""
        query = from_texts(ResultsQuery, request.args)
        job = _batch(jobs.get(job_id))
        shards = _shards(volume, job)
        if query.format == "csv":
            return Response(_as_csv(shards, job.specification["top_k"]), content_type="text/csv; charset=utf-8")
        return Response(shards, content_type=JSON_LINES)

    @routes.get("/<job_id>/errors")
    @operation(
        "Read which images of a batch failed",
        scope="read",
        answers={200: MediaType(JSON_LINES, "an image that could not be read in each line", item=RowErrorView)},
        errors=(NOT_FOUND, NOT_A_BATCH),
    )
    def errors(job_id: str) -> Response:
        return Response(_shards(volume, _batch(jobs.get(job_id)), errors=True), content_type=JSON_LINES)

    return routes


def _batch(job: Job) -> Job:
    if job.kind is not Kind.BATCH:
        raise Conflict(
            "not_a_batch", f"job {job.id} is a {job.kind}: it has no rows, its result is in /v1/jobs/{job.id}"
        )
    return job


def _shards(volume: Volume, job: Job, *, errors: bool = False) -> Iterator[bytes]:
    """The lines of the finished shards, one shard at a time, up to the first that is not finished."""
    for number in count():
        try:
            rows = volume.rows(job.id, number).read_bytes()  # its being there says that the shard is finished
        except FileNotFoundError:
            return
        yield volume.errors(job.id, number).read_bytes() if errors else rows


def _as_csv(shards: Iterator[bytes], top_k: int) -> Iterator[str]:
    """The rows as CSV (RFC 4180): path, label, confidence, then the further classes."""
    further = [f"{name}_{rank}" for rank in range(2, top_k + 1) for name in ("label", "confidence")]
    yield _csv_lines([["path", "label", "confidence", *further]])
    for shard in shards:
        rows = map(json.loads, shard.splitlines())
        yield _csv_lines(
            [row["path"], *(value for best in row["top"] for value in (best["label"], best["probability"]))]
            for row in rows
        )


def _csv_lines(rows: Any) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
