"""Request spans, if tracing is enabled: children of the caller's span if it sends `traceparent`."""

from __future__ import annotations

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask, Response, request

from shared.runtime import log_context
from shared.runtime.traces import Traces

SPAN = "glassbox.span"


def register(app: Flask, traces: Traces) -> None:
    """Trace every request, and add its trace to its jobs and log lines."""
    application = app.wsgi_app

    def traced(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        with traces.span(method, environ.get("HTTP_TRACEPARENT"), {"http.request.method": method}) as span:
            environ[SPAN] = span
            return application(environ, start_response)

    app.wsgi_app = traced  # type: ignore[method-assign]

    @app.before_request
    def bind() -> None:
        log_context.bind(traceparent=traces.traceparent())

    @app.after_request
    def describe(response: Response) -> Response:
        span = request.environ[SPAN]
        if request.url_rule is not None:
            span.update_name(f"{request.method} {request.url_rule.rule}")
            span.set_attribute("http.route", request.url_rule.rule)
        span.set_attribute("http.response.status_code", response.status_code)
        return response
