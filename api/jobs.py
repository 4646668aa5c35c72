"""`/v1/jobs`: list, show, cancel, retry, delete, and the log."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint, request
from pydantic import Field

from api.pages import PageQuery, page
from api.validation import from_texts
from api.views import job_view
from shared.broker import Outbox
from shared.job_files import JobFiles, close
from shared.jobs import JobStore, Kind, State


class JobQuery(PageQuery):
    """Which jobs to list."""

    kind: Kind | None = None
    state: State | None = None
    model: str | None = None


class EventQuery(PageQuery):
    """Which events to list: those behind `after`."""

    after: str | None = Field(None, pattern=r"^\d+-\d+$")


def blueprint(jobs: JobStore, files: JobFiles, outbox: Outbox) -> Blueprint:
    """The jobs' routes."""
    routes = Blueprint("jobs", __name__, url_prefix="/v1/jobs")

    @routes.get("")
    def index() -> dict[str, Any]:
        query = from_texts(JobQuery, request.args)
        found = (
            job
            for job in jobs.newest_first(query.state, before=query.after)
            if query.kind in {None, job.kind} and query.model in {None, job.model}
        )
        return page(found, query, lambda job: job.id, job_view)

    @routes.get("/<job_id>")
    def show(job_id: str) -> dict[str, Any]:
        return job_view(jobs.get(job_id))

    @routes.delete("/<job_id>")
    def delete(job_id: str) -> tuple[str, int]:
        jobs.delete(job_id)
        files.remove(job_id)
        return "", 204

    @routes.post("/<job_id>/cancel")
    def cancel(job_id: str) -> tuple[dict[str, Any], int]:
        jobs.cancel(job_id)
        close(jobs, files, job_id)
        return job_view(jobs.get(job_id)), 202

    @routes.post("/<job_id>/retry")
    def retry(job_id: str) -> tuple[dict[str, Any], int]:
        jobs.retry(job_id)
        job = jobs.get(job_id)
        files.reopen(job)
        outbox.send(job.kind, job.id)
        return job_view(job), 202

    @routes.get("/<job_id>/events")
    def events(job_id: str) -> dict[str, Any]:
        query = from_texts(EventQuery, request.args)
        jobs.get(job_id)
        log = jobs.events(job_id, query.after, query.limit + 1)
        return page(log, query, lambda event: event.id, asdict)

    return routes
