"""How a job looks from outside: to those who ask the API, and in what webhooks are told."""

from __future__ import annotations

from typing import Any

from shared.clock import rfc3339
from shared.jobs.record import Job, Kind
from shared.jobs.states import State


def job_view(job: Job) -> dict[str, Any]:
    """A job as JSON: what `/v1/jobs/{id}` shows. Who works on it, and what is pinned for them, is nobody's business."""
    path = f"/v1/jobs/{job.id}"
    links = {"self": path, "events": f"{path}/events"}
    if job.kind is Kind.BATCH:
        links |= {"results": f"{path}/results", "errors": f"{path}/errors"}
    elif job.result is not None:
        links["version"] = f"/v1/models/{job.result['model']}/versions/{job.result['version']}"
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "created_at": rfc3339(job.created_at),
        "started_at": job.started_at and rfc3339(job.started_at),
        "finished_at": job.finished_at and rfc3339(job.finished_at),
        "attempt": job.attempt,
        "waiting": job.waiting if job.state is State.QUEUED else None,
        "progress": job.progress.model_dump(),
        "metrics": job.metrics,
        "request": job.request,
        "result": job.result,
        "error": job.error,
        "links": links,
    }
