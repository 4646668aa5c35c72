"""CORS: web pages of another origin may use the API only if `GLASSBOX_CORS_ORIGINS` lists that origin."""

from __future__ import annotations

import re
from collections.abc import Sequence

from flask import Flask, Response
from flask_cors import CORS

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
ALLOWED_HEADERS = (
    "Authorization", "Cache-Control", "Content-Digest", "Content-Encoding", "Content-Type", "Idempotency-Key",
    "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since",
    "Inference-Header-Content-Length", "Last-Event-ID", "Range", "Repr-Digest", "Tus-Resumable",
    "Upload-Checksum", "Upload-Concat", "Upload-Defer-Length", "Upload-Length", "Upload-Metadata", "Upload-Offset",
    "Upload-Part-Of", "Upload-Part-Start",
    "X-API-Key", "X-HTTP-Method-Override", "X-Request-Id", "X-Requested-With", "traceparent", "tracestate",
)  # fmt: skip
EXPOSED_HEADERS = (
    "Accept-Encoding", "Accept-Ranges", "Content-Disposition", "Content-Range", "ETag", "Idempotent-Replayed",
    "Inference-Header-Content-Length", "Location", "Retry-After",
    "Tus-Checksum-Algorithm", "Tus-Extension", "Tus-Max-Size", "Tus-Resumable", "Tus-Version",
    "Upload-Concat", "Upload-Defer-Length", "Upload-Expires", "Upload-Length", "Upload-Metadata", "Upload-Offset",
    "WWW-Authenticate", "X-Request-Id",
)  # fmt: skip
PREFLIGHT_SECONDS = 600


def register(app: Flask, origins: Sequence[str]) -> None:
    """Respond to CORS preflight requests of these origins. Keys travel in headers, so no cookies are needed."""
    if origins:
        CORS(
            app,
            origins=[origin if origin == "*" else _exactly(origin) for origin in origins],
            methods=METHODS,
            allow_headers=ALLOWED_HEADERS,
            expose_headers=EXPOSED_HEADERS,
            max_age=PREFLIGHT_SECONDS,
            always_send=False,
            vary_header=False,
        )

        @app.after_request
        def vary_by_origin(response: Response) -> Response:
            response.vary.add("Origin")  # a cached response without CORS headers must not reach a web page
            return response


def _exactly(origin: str) -> re.Pattern[str]:
    """Return a pattern for one origin. flask-cors takes a text with characters such as `[` or `?` for a pattern."""
    return re.compile(rf"{re.escape(origin)}\Z")
