"""The short way of an inference request: around Flask, through the same checks, to the same answer.

To find the view, to keep a context, and to ask all who hang on to requests and answers takes Flask longer than it takes
the network to answer. An ordinary request is answered here. What is special about one, and whatever goes wrong, is
Flask's, which gets the request with its body as it came: there is one place that tells errors.
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
from api.open_inference.responses import Answered
from api.problems import request_id
from shared.runtime import log_context
from shared.runtime.settings import Settings
from shared.storage.names import NAME

INFER = re.compile(rf"/v2/models/({NAME})(/versions/({NAME}))?/infer")
ROUTES = {False: "/v2/models/<name>/infer", True: "/v2/models/<name>/versions/<version>/infer"}  # with a version or not
SPECIAL = {"HTTP_CONTENT_ENCODING", "HTTP_ORIGIN", "HTTP_TRANSFER_ENCODING"}


class FastLane:
    """A WSGI application in front of Flask's."""

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
        """Answer the request, or have Flask do it."""
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
            answered = run(classifier, body, header_length, self._limits) if len(body) == length else None
            environ[request_log.ENVIRON] = log_context.current()
        except Exception:  # Flask meets it again, and tells it
            answered = None
        finally:
            log_context.clear()
        if answered is None or _is_to_be_packed(answered, environ):
            if body is not None:
                environ["wsgi.input"] = io.BytesIO(body)
            return self._application(environ, start_response)
        self._metrics.observe(ROUTES[match[2] is not None], "POST", 200, started)
        start_response(
            "200 OK",
            [
                *answered.headers,
                ("Content-Length", str(len(answered.body))),
                ("X-Request-Id", name),
                *(() if answered.header_length else (("Vary", "Accept-Encoding"),)),
                *headers.OF_DATA,
            ],
        )
        return [answered.body]

    def _length(self, environ: WSGIEnvironment) -> int | None:
        """How long the body is; None for a request that is not ordinary."""
        if environ["REQUEST_METHOD"] != "POST" or environ.get("QUERY_STRING") or not SPECIAL.isdisjoint(environ):
            return None
        length = environ.get("CONTENT_LENGTH", "")
        if not (length.isascii() and length.isdecimal() and len(length) < 12):
            return None
        return int(length) if int(length) <= self._limits.max_online_bytes else None


def _is_to_be_packed(answered: Answered, environ: WSGIEnvironment) -> bool:
    large = answered.header_length is None and len(answered.body) >= compression.WORTH_IT
    return large and "HTTP_ACCEPT_ENCODING" in environ
