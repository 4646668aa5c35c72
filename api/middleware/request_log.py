"""The log context of a request: its lines share the request id, up to gunicorn's access log line."""

from __future__ import annotations

from flask import Flask, Response, g, request

from shared.runtime import log_context

ENVIRON = "glassbox.log_context"  # gunicorn's logger reads it after the response


def register(app: Flask) -> None:
    """Add the request id to every log line of a request."""

    @app.before_request
    def begin() -> None:
        log_context.clear()
        log_context.bind(request_id=g.request_id)

    @app.after_request
    def hand_over(response: Response) -> Response:
        request.environ[ENVIRON] = log_context.current()
        return response

    @app.teardown_request
    def end(_error: BaseException | None) -> None:
        log_context.clear()
