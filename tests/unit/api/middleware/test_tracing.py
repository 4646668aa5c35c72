"""One trace, from the caller's span over the request to the work on its job."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest
from flask import Flask
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from api.middleware import tracing
from shared.jobs import Job, JobStore, State
from shared.runtime.traces import Traces
from worker.running.lease import Lease
from worker.running.runner import JobOutcome
from worker.running.tracing import traced

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    """Where the spans go."""
    return InMemorySpanExporter()


@pytest.fixture
def traces(exporter: InMemorySpanExporter) -> Iterator[Traces]:
    """Traces that are kept in this process."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield Traces(provider)
    provider.shutdown()


def test_a_request_is_a_span_below_its_callers(app: Flask, traces: Traces, exporter: InMemorySpanExporter) -> None:
    tracing.register(app, traces)

    app.test_client().get("/v1/jobs/unknown", headers={"traceparent": CALLER})

    (span,) = exporter.get_finished_spans()
    assert span.name == "GET /v1/jobs/<job_id>"
    assert span.attributes is not None
    assert span.attributes["http.response.status_code"] == 404
    assert span.parent is not None
    assert f"{span.parent.trace_id:032x}-{span.parent.span_id:016x}" in CALLER


def test_the_work_on_a_job_is_a_span_below_the_request_that_submitted_it(
    app: Flask, jobs: JobStore, traces: Traces, exporter: InMemorySpanExporter
) -> None:
    tracing.register(app, traces)
    response = app.test_client().post("/v1/training-jobs", json={"model": "toy", "dataset": "digits"})
    job = jobs.get(response.get_json()["id"])

    traced(succeed, traces)(job, cast("Lease", None))

    request, work = sorted(exporter.get_finished_spans(), key=lambda span: span.start_time or 0)
    assert (request.name, work.name) == ("POST /v1/training-jobs", "job training")
    assert identity(work)[0] == identity(request)[0]
    assert work.parent is not None
    assert work.parent.span_id == identity(request)[1]
    assert work.attributes == {"glassbox.job.id": job.id, "glassbox.job.attempt": 0, "glassbox.job.state": "succeeded"}


def test_a_step_is_left_alone_where_traces_are_off() -> None:
    assert traced(succeed, None) is succeed


def succeed(job: Job, lease: Lease) -> JobOutcome:
    return JobOutcome(State.SUCCEEDED)


def identity(span: ReadableSpan) -> tuple[int, int]:
    assert span.context is not None
    return span.context.trace_id, span.context.span_id
