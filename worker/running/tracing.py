"""A span for each attempt at a job, if tracing is enabled: a child of the request that submitted the job."""

from __future__ import annotations

from shared.jobs import Job
from shared.runtime.traces import Traces
from worker.running.lease import Lease
from worker.running.runner import JobHandler, JobOutcome


def traced(handler: JobHandler, traces: Traces | None) -> JobHandler:
    """Wrap a handler in a span; return the handler itself if tracing is disabled."""
    if traces is None:
        return handler

    def run(job: Job, lease: Lease) -> JobOutcome:
        attributes: dict[str, str | int] = {"glassbox.job.id": job.id, "glassbox.job.attempt": job.attempt}
        with traces.span(f"job {job.kind}", job.traceparent, attributes) as span:
            outcome = handler(job, lease)
            span.set_attribute("glassbox.job.state", outcome.state)
            return outcome

    return run
