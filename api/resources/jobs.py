"""`/v1/jobs`: list, show, cancel, retry, delete, and the log."""

from __future__ import annotations

import re
from typing import Annotated

from flask import Blueprint, Response, request
from pydantic import Field

from api.requests.pagination import Cursor, Page, PageQuery, page
from api.requests.submission import Submission
from api.requests.validation import from_texts
from api.requests.waiting import WaitingReasons
from api.resources.event_streams import EVENT_STREAM, Connection, EventStreams
from api.schema.operations import MediaType, ResponseSpec, error_response, operation
from api.schema.responses import EventView, JobView, event_view, job_view
from shared.errors import Conflict, FieldError, Invalid, NotFound, TooMany, Unavailable
from shared.jobs import Job, JobStore, Kind, State
from shared.jobs.files import JobFiles, close
from shared.jobs.task_queue import TaskQueue

EVENT_ID = r"[0-9]{1,19}-[0-9]{1,19}"
EVENT_EXAMPLE = (
    "id: 1769860805120-0\nevent: state\n"
    'data: {"time": "2026-01-31T12:00:05.120Z", "state": "running", "attempt": 1}\n\n'
)
NOT_FOUND = error_response(NotFound, "job_not_found")
WRONG_STATE = error_response(Conflict, "wrong_state")


class JobQuery(PageQuery):
    """Which jobs to list."""

    kind: Kind | None = Field(None, description="only jobs of this kind")
    state: State | None = Field(None, description="only jobs in this state")
    model: str | None = Field(None, description="only jobs that train or use this model")


class EventQuery(PageQuery):
    """Which events to list or to stream: those behind `after`."""

    after: Annotated[str, Cursor(EVENT_ID)] | None = Field(None, description="the id of an event")


def blueprint(
    jobs: JobStore,
    files: JobFiles,
    task_queue: TaskQueue,
    streams: EventStreams,
    submission: Submission,
    reasons: WaitingReasons,
) -> Blueprint:
    """The jobs' routes."""
    routes = Blueprint("jobs", __name__, url_prefix="/v1/jobs")

    def view(job: Job) -> JobView:
        return job_view(job, waiting=reasons.of(job))

    @routes.get("")
    @operation("List the jobs", scope="read", query=JobQuery, responses={200: Page[JobView]})
    def index() -> Page[JobView]:
        """The newest come first."""
        query = from_texts(JobQuery, request.args)
        found = (
            job
            for job in jobs.newest_first(query.state, before=query.after)
            if query.kind in {None, job.kind} and query.model in {None, job.model}
        )
        return page(found, query, lambda job: job.id, view)

    @routes.get("/<job_id>")
    @operation("Show a job", scope="read", responses={200: JobView}, errors=(NOT_FOUND,))
    def show(job_id: str) -> JobView:
        return view(jobs.get(job_id))

    @routes.delete("/<job_id>")
    @operation("Delete a job", scope="manage", responses={204: None}, errors=(NOT_FOUND, WRONG_STATE))
    def delete(job_id: str) -> tuple[str, int]:
        """Its record and its files go, with a batch's rows; a version that a training published stays."""
        jobs.delete(job_id)
        files.remove(job_id)
        return "", 204

    @routes.post("/<job_id>/cancel")
    @operation("Cancel a job", scope="submit", responses={202: JobView}, errors=(NOT_FOUND, WRONG_STATE))
    def cancel(job_id: str) -> tuple[JobView, int]:
        """A running job stops at its next stopping point; what is finished of it is kept."""
        jobs.cancel(job_id)
        close(jobs, files, job_id)
        return view(jobs.get(job_id)), 202

    @routes.post("/<job_id>/retry")
    @operation(
        "Retry a job",
        scope="submit",
        responses={202: JobView},
        errors=(NOT_FOUND, WRONG_STATE, error_response(TooMany, "queue_full")),
    )
    def retry(job_id: str) -> tuple[JobView, int]:
        """A failed or cancelled job goes on from its checkpoint or behind its finished shards."""
        if (job := jobs.get(job_id)).state.is_terminal:  # else it waits already, or is refused for its state
            submission.refuse_if_full(job.kind)
        jobs.retry(job_id)
        job = jobs.get(job_id)
        files.reopen(job)
        task_queue.send(job.kind, job.id)
        return view(job), 202

    @routes.get("/<job_id>/events")
    @operation(
        "Read a job's log, or follow it",
        scope="read",
        query=EventQuery,
        responses={
            200: (Page[EventView], MediaType(EVENT_STREAM, "an event for each entry", example=EVENT_EXAMPLE)),
            204: ResponseSpec(description="A stream that goes on behind the last event of a job that is over."),
        },
        errors=(NOT_FOUND, error_response(Unavailable, "too_many_event_streams")),
        headers=("Last-Event-ID",),
    )
    def events(job_id: str) -> Response | Page[EventView]:
        """A page of it as JSON; where `text/event-stream` is accepted, a stream that ends when the job is over."""
        query = from_texts(EventQuery, request.args)
        job = jobs.get(job_id)
        if _wants_stream():
            return streams.open(job, _last_event_id() or query.after, Connection(request.environ))
        log = jobs.events(job_id, query.after, query.limit + 1)
        return page(log, query, lambda event: event.id, event_view)

    return routes


def _wants_stream() -> bool:
    """Whether a stream is accepted no less than JSON; where both are by a pattern such as `*/*`, it is not wanted."""
    accepted = request.accept_mimetypes
    stream, page = accepted.quality(EVENT_STREAM), accepted.quality("application/json")
    named = any(name.partition(";")[0].strip().lower() == EVENT_STREAM for name in accepted.values())
    return stream > page or (named and stream == page > 0)


def _last_event_id() -> str | None:
    """The event behind which a stream that broke off goes on."""
    given = request.headers.get("Last-Event-ID")
    if given and not re.fullmatch(EVENT_ID, given):
        reason = "is not the id of an event: it has two numbers, as in 1700000000000-0"
        raise Invalid("validation_failed", f"Last-Event-ID: {reason}", [FieldError(reason, parameter="Last-Event-ID")])
    return given
