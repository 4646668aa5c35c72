"""OpenTelemetry traces, from a request to the work on its job: an optional extra, enabled by `GLASSBOX_TRACES`.

A job's record contains the request's trace as a W3C `traceparent`, so that messages still carry only an id.
OpenTelemetry's own variables (`OTEL_EXPORTER_OTLP_ENDPOINT` …) set the destination of the traces.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from shared.runtime.remedies import install_traces
from shared.runtime.settings import Settings
from shared.runtime.version import VERSION

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span


class TracesError(Exception):
    """Traces are enabled, but the packages that send them are not installed."""


class Traces:
    """The spans of one program. Only this module imports the extra's packages, and only if traces are enabled."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        self._tracer = provider.get_tracer("glassbox", VERSION)
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def span(self, name: str, parent: str | None, attributes: Mapping[str, str | int]) -> Iterator[Span]:
        """Open a span for the duration of a block, as a child of `parent`; it records an error from the block."""
        context = self._propagator.extract({"traceparent": parent} if parent else {})
        with self._tracer.start_as_current_span(name, context, attributes=dict(attributes)) as span:
            yield span

    def traceparent(self) -> str:
        """Return the current span as a `traceparent`, for spans in other processes."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier["traceparent"]


def check(settings: Settings) -> None:
    """Raise `TracesError` if traces are enabled and the extra is missing; called before a program starts processes."""
    try:
        if settings.traces and find_spec("opentelemetry.exporter.otlp.proto.http"):
            return
    except ModuleNotFoundError:
        pass
    if settings.traces:
        raise TracesError(
            "GLASSBOX_TRACES is set, but the packages of requirements/otel.txt, which send traces, are not installed."
            f" Install them (`{install_traces(settings)}`), or unset the variable"
        )


def traces_of(program: str, settings: Settings) -> Traces | None:
    """Create the traces of `api` or `worker`; None if they are disabled. Raises `TracesError` without the extra."""
    if not settings.traces:
        return None
    check(settings)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    resource = Resource.create({"service.name": f"glassbox-{program}", "service.version": VERSION})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Traces(provider)
