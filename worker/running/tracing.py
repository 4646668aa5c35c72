"""A span for each attempt at a job, where traces are on: below the request that submitted the job."""

from __future__ import annotations

from shared.jobs import Job
from shared.runtime.traces import Traces
from worker.running.lease import Lease
from worker.running.runner import JobHandler, JobOutcome


def traced(step: JobHandler, traces: Traces | None) -> JobHandler:
    """The step, in a span; the step itself where traces are off."""
    if traces is None:
        return step

    def run(job: Job, lease: Lease) -> JobOutcome:
        attributes: dict[str, str | int] = {"glassbox.job.id": job.id, "glassbox.job.attempt": job.attempt}
        with traces.span(f"job {job.kind}", job.traceparent, attributes) as span:
            outcome = step(job, lease)
            span.set_attribute("glassbox.job.state", outcome.state)
            return outcome

    return run
