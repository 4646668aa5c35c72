"""Web pages from elsewhere: none may use the API, unless `GLASSBOX_CORS_ORIGINS` names where they come from."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask, Response
from flask_cors import CORS

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
TAKEN = ("Authorization", "Content-Digest", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match",
         "Inference-Header-Content-Length", "Last-Event-ID", "Range", "X-API-Key", "X-Request-Id")  # fmt: skip
SHOWN = ("Content-Range", "ETag", "Idempotent-Replayed", "Inference-Header-Content-Length", "Location", "Retry-After",
         "WWW-Authenticate", "X-Request-Id")  # fmt: skip
PREFLIGHT_SECONDS = 600


def register(app: Flask, origins: Sequence[str]) -> None:
    """Answer browsers that ask whether a page may use the API. A key is in a header, so no cookies are involved."""
    if origins:
        CORS(
            app,
            origins=list(origins),
            methods=METHODS,
            allow_headers=TAKEN,
            expose_headers=SHOWN,
            max_age=PREFLIGHT_SECONDS,
            always_send=False,
            vary_header=False,
        )

        @app.after_request
        def tell_caches(response: Response) -> Response:
            response.vary.add("Origin")  # one that answered no page must not be shown to one
            return response
