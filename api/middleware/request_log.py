"""What the log's lines of a request have in common, from its beginning to gunicorn's line about its end."""

from __future__ import annotations

from flask import Flask, Response, g, request

from shared.runtime import log_context

ENVIRON = "glassbox.log_context"  # by which gunicorn's logger finds it, when the request is over


def register(app: Flask) -> None:
    """Have each request's lines name it."""

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
