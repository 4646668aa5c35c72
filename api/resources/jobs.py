"""`/v1/jobs`: list, show, cancel, retry and delete jobs, and read their logs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Annotated

from flask import Blueprint, Response, request
from pydantic import Field

from api.auth.keys import Scope
from api.auth.middleware import require
from api.requests.conditions import with_etag
from api.requests.labels import LabelText
from api.requests.pagination import Page, PageQuery, cursor_like, page
from api.requests.submission import Submission
from api.requests.validation import from_texts
from api.requests.waiting import WaitingReasons
from api.resources.events.connection import Connection
from api.resources.events.streams import (
    EVENT_ID,
    EVENT_STREAM,
    EventStreams,
    last_event_id,
    prefers_stream,
)
from api.schema.operations import PRECONDITIONS, MediaType, ResponseSpec, error_response, operation, revalidated
from api.schema.responses import EventView, JobView, event_view, job_view
from shared.errors import Conflict, Damaged, NotFound, TooMany, Unavailable
from shared.jobs import Job, JobStore, Kind, State
from shared.jobs.files import JobFiles, close
from shared.jobs.files import delete as delete_job
from shared.jobs.index import JobFilter
from shared.jobs.task_queue import TaskQueue

EVENT_EXAMPLE = (
    "id: 1769860805120-0\nevent: state\n"
    'data: {"time": "2026-01-31T12:00:05.120Z", "state": "running", "attempt": 1}\n\n'
)
BLOCK = 101  # records: a page of 100, and the one that shows that there are more
NOT_FOUND = error_response(NotFound, "job_not_found")
RECORD_ERRORS = (  # of an ended job, whose record is on the volume
    error_response(Damaged, "record_lost", "record_unreadable"),
    error_response(Unavailable, "volume_unavailable"),
)
WRONG_STATE = error_response(Conflict, "wrong_state")


class JobQuery(PageQuery):
    """Filters of the job list."""

    kind: Kind | None = Field(None, description="only jobs of this kind")
    state: State | None = Field(None, description="only jobs in this state")
    model: str | None = Field(None, description="only jobs that train or use this model")
    label: LabelText | None = Field(
        None, description="only jobs with this label: its name, a colon and its value, such as `team:vision`"
    )


class EventQuery(PageQuery):
    """The events to list or stream: those after `after`."""

    after: Annotated[str, cursor_like(EVENT_ID)] | None = Field(None, description="the id of an event")


def blueprint(
    jobs: JobStore,
    files: JobFiles,
    task_queue: TaskQueue,
    streams: EventStreams,
    submission: Submission,
    reasons: WaitingReasons,
) -> Blueprint:
    """Return the jobs' routes."""
    routes = Blueprint("jobs", __name__, url_prefix="/v1/jobs")

    def view(job: Job) -> JobView:
        waiting = reasons.of(job)
        return job_view(job, waiting=waiting, place=reasons.place(job, waiting))

    def in_blocks(ids: Iterator[str], most: int) -> Iterator[Job]:
        """Yield the jobs. Their records are read in blocks, because a page of large ones ends early."""
        while block := list(islice(ids, min(most, BLOCK))):
            yield from jobs.many(block)

    @routes.get("")
    @operation(
        "List the jobs", scope="read", query=JobQuery, responses=revalidated(Page[JobView]), headers=PRECONDITIONS
    )
    def index() -> Response:
        """Newest first. Several filters select the jobs that pass all of them."""
        query = from_texts(JobQuery, request.args)
        ids = jobs.ids(JobFilter(query.state, query.kind, query.model, query.label), query.after)
        return with_etag(page(in_blocks(ids, query.limit + 1), query, lambda job: job.id, view))

    @routes.get("/<job_id>")
    @operation("Show a job", scope="read", responses={200: JobView}, errors=(NOT_FOUND, *RECORD_ERRORS))
    def show(job_id: str) -> JobView:
        return view(jobs.get(job_id))

    @routes.delete("/<job_id>")
    @operation("Delete a job", scope="manage", responses={204: None}, errors=(NOT_FOUND, WRONG_STATE))
    def delete(job_id: str) -> tuple[str, int]:
        """Deletes the job's record and files, including a batch's rows. A version that a training published stays."""
        delete_job(jobs, files, job_id)
        return "", 204

    @routes.post("/<job_id>/cancel")
    @operation("Cancel a job", scope="submit", responses={202: JobView}, errors=(NOT_FOUND, WRONG_STATE))
    def cancel(job_id: str) -> tuple[JobView, int]:
        """A running job stops after its current mini-batch or shard. Its finished results are kept."""
        jobs.cancel(job_id)
        close(jobs, files, job_id)
        return view(jobs.get(job_id)), 202

    @routes.post("/<job_id>/retry")
    @operation(
        "Retry a job",
        scope="submit",
        responses={202: JobView},
        errors=(NOT_FOUND, WRONG_STATE, error_response(TooMany, "queue_full", "job_quota_exceeded")),
    )
    def retry(job_id: str) -> tuple[JobView, int]:
        """A failed or cancelled job resumes from its checkpoint or after its finished shards.

        The retry of a training with `promote` needs a key with the scope `manage`.
        """
        job = jobs.get(job_id)
        if alias := job.specification.get("promote"):
            require(Scope.MANAGE, f"job {job.id} moves the alias {alias!r}, so its retry")
        submission.retry(job)
        job = jobs.get(job_id)
        files.reopen(job)
        task_queue.send(job.kind, job.id)
        return view(job), 202

    @routes.get("/<job_id>/events")
    @operation(
        "Read or follow a job's log",
        scope="read",
        query=EventQuery,
        responses={
            200: (Page[EventView], MediaType(EVENT_STREAM, "an event for each entry", example=EVENT_EXAMPLE)),
            204: ResponseSpec(description="The job has ended, and no events follow."),
        },
        errors=(NOT_FOUND, *RECORD_ERRORS, error_response(Unavailable, "too_many_event_streams")),
        headers=("Last-Event-ID",),
    )
    def events(job_id: str) -> Response | Page[EventView]:
        """A JSON page; if the client accepts `text/event-stream`, a stream that closes when the job ends."""
        query = from_texts(EventQuery, request.args)
        job = jobs.get(job_id)
        if prefers_stream():
            return streams.open(job, last_event_id() or query.after, Connection(request.environ))
        log = jobs.events(job_id, query.after, query.limit + 1)
        return page(log, query, lambda event: event.id, event_view)

    return routes
