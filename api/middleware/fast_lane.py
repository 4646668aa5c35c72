"""The fast path of inference requests: it bypasses Flask, with the same checks and the same response.

Flask's routing, contexts and request hooks take longer than the network's forward pass. This middleware handles
ordinary requests. Flask handles unusual and large requests, and all errors, with the original body, so that error
responses are built in one place.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from werkzeug.wrappers import Request

from api.auth.keys import Scope
from api.auth.middleware import Authorizer
from api.loaded_models import OnlineModels
from api.middleware import compression, headers, request_log
from api.middleware.http_metrics import HttpMetrics
from api.open_inference.inference import run
from api.open_inference.responses import InferResponse
from api.problems import request_id
from api.requests.online.memory import SMALL, held
from shared.runtime import log_context
from shared.runtime.settings import Settings
from shared.storage.names import NAME

INFER = re.compile(rf"/v2/models/({NAME})(/versions/({NAME}))?/infer")
# By whether the path has a version.
ROUTES = {False: "/v2/models/<name>/infer", True: "/v2/models/<name>/versions/<version>/infer"}
SPECIAL = {"HTTP_CONTENT_ENCODING", "HTTP_ORIGIN", "HTTP_TRANSFER_ENCODING"}


class FastLane:
    """A WSGI middleware around Flask's application."""

    def __init__(
        self,
        application: WSGIApplication,
        authorizer: Authorizer,
        models: OnlineModels,
        metrics: HttpMetrics,
        limits: Settings,
    ) -> None:
        self._application = application
        self._authorizer = authorizer
        self._models = models
        self._metrics = metrics
        self._limits = limits

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Handle the request here, or pass it to Flask."""
        match = INFER.fullmatch(environ["PATH_INFO"])
        length = self._length(environ)
        if match is None or length is None:
            return self._application(environ, start_response)
        started = time.perf_counter()
        request = Request(environ)
        name = request_id(environ.get("HTTP_X_REQUEST_ID", ""))
        log_context.clear()
        log_context.bind(request_id=name)
        body = None
        try:
            self._authorizer.admit(request, Scope.READ)
            body = environ["wsgi.input"].read(length)
            classifier = self._models.classifier(match[1], match[3] or "latest")
            header_length = environ.get("HTTP_INFERENCE_HEADER_CONTENT_LENGTH")
            response = (
                run(classifier, body, header_length, self._limits, held(environ)) if len(body) == length else None
            )
            environ[request_log.ENVIRON] = log_context.current()
        except Exception:  # Flask repeats the request, and reports the error
            response = None
        finally:
            log_context.clear()
        if response is None or _needs_compression(response, environ):
            if body is not None:
                environ["wsgi.input"] = io.BytesIO(body)
            return self._application(environ, start_response)
        self._metrics.observe(ROUTES[match[2] is not None], "POST", 200, started)
        start_response(
            "200 OK",
            [
                *response.headers,
                ("Content-Length", str(len(response.body))),
                ("X-Request-Id", name),
                *(() if response.header_length else (("Vary", "Accept-Encoding"),)),
                *headers.OF_DATA,
            ],
        )
        return [response.body]

    def _length(self, environ: WSGIEnvironment) -> int | None:
        """Return the body's length in bytes; None for a request that Flask must handle."""
        if environ["REQUEST_METHOD"] != "POST" or environ.get("QUERY_STRING") or not SPECIAL.isdisjoint(environ):
            return None
        length = environ.get("CONTENT_LENGTH", "")
        if not (length.isascii() and length.isdecimal() and len(length) < 12):
            return None
        return int(length) if int(length) <= min(SMALL, self._limits.max_online_bytes) else None


def _needs_compression(response: InferResponse, environ: WSGIEnvironment) -> bool:
    large = response.header_length is None and len(response.body) >= compression.MIN_BYTES
    return large and "HTTP_ACCEPT_ENCODING" in environ
