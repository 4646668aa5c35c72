"""Traces from end to end: the spans of a job that a collector receives over OTLP from the API and a worker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.servers.receiver import Receiver, receiving
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.stack import Stack, running_stack
from tests.support.waiting import eventually

DATABASE = 8
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@dataclass(frozen=True)
class Traced:
    """A service with tracing, and its collector."""

    stack: Stack
    collector: Receiver

    def span(self, service: str, name: str) -> Span | None:
        """The service's span with this name in the caller's trace."""
        for message in list(self.collector.messages):
            exported: Any = ExportTraceServiceRequest.FromString(message.body)
            for sent in exported.resource_spans:
                names = {pair.key: pair.value.string_value for pair in sent.resource.attributes}
                spans: list[Span] = [span for scope in sent.scope_spans for span in scope.spans]
                for span in spans:
                    if (names["service.name"], span.name, span.trace_id.hex()) == (service, name, TRACE):
                        return span
        return None


@pytest.fixture
def traced(redis_server: RedisServer, tmp_path: Path) -> Iterator[Traced]:
    with receiving() as collector:
        settings = {
            "GLASSBOX_TRACES": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }
        with running_stack(tmp_path, redis_server.url(DATABASE), **settings) as stack:
            yield Traced(stack, collector)


def test_the_request_and_the_work_on_its_job_are_spans_of_the_callers_trace(traced: Traced) -> None:
    response = traced.stack.http.post(
        "/v1/training-jobs",
        json={"model": "traced", "dataset": "digits", "epochs": 1},
        headers={"traceparent": f"00-{TRACE}-{CALLER}-01"},
    )
    traced.stack.finished(response.json()["id"])

    request = eventually(lambda: traced.span("glassbox-api", "POST /v1/training-jobs"))
    work = eventually(lambda: traced.span("glassbox-worker", "job training"))
    assert request.parent_span_id.hex() == CALLER
    assert work.parent_span_id == request.span_id
    attributes = {pair.key: pair.value.string_value for pair in work.attributes}
    assert attributes["glassbox.job.id"] == response.json()["id"]
    assert attributes["glassbox.job.state"] == "succeeded"
    assert {message.path for message in traced.collector.messages} == {"/v1/traces"}
