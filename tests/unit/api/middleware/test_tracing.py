"""One trace from the caller's span through the request to its job's execution."""

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
    """An exporter that stores spans in memory."""
    return InMemorySpanExporter()


@pytest.fixture
def traces(exporter: InMemorySpanExporter) -> Iterator[Traces]:
    """Traces that the in-memory exporter receives."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield Traces(provider)
    provider.shutdown()


def test_span_of_a_request_is_a_child_of_the_callers_span(
    app: Flask, traces: Traces, exporter: InMemorySpanExporter
) -> None:
    tracing.register(app, traces)

    app.test_client().get("/v1/jobs/unknown", headers={"traceparent": CALLER})

    (span,) = exporter.get_finished_spans()
    assert span.name == "GET /v1/jobs/<job_id>"
    assert span.attributes is not None
    assert span.attributes["http.response.status_code"] == 404
    assert span.parent is not None
    assert f"{span.parent.trace_id:032x}-{span.parent.span_id:016x}" in CALLER


def test_span_of_a_job_is_a_child_of_the_request_that_submitted_it(
    app: Flask, jobs: JobStore, traces: Traces, exporter: InMemorySpanExporter
) -> None:
    tracing.register(app, traces)
    response = app.test_client().post("/v1/training-jobs", json={"model": "toy", "dataset": "digits"})
    job = jobs.get(response.get_json()["id"])

    traced(succeed, traces)(job, cast("Lease", None))

    request, execution = sorted(exporter.get_finished_spans(), key=lambda span: span.start_time or 0)
    assert (request.name, execution.name) == ("POST /v1/training-jobs", "job training")
    assert identity(execution)[0] == identity(request)[0]
    assert execution.parent is not None
    assert execution.parent.span_id == identity(request)[1]
    assert execution.attributes == {
        "glassbox.job.id": job.id, "glassbox.job.attempt": 0, "glassbox.job.state": "succeeded"
    }  # fmt: skip


def test_job_handler_is_unchanged_if_tracing_is_off() -> None:
    assert traced(succeed, None) is succeed


def succeed(job: Job, lease: Lease) -> JobOutcome:
    return JobOutcome(State.SUCCEEDED)


def identity(span: ReadableSpan) -> tuple[int, int]:
    assert span.context is not None
    return span.context.trace_id, span.context.span_id
