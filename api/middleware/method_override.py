"""`X-HTTP-Method-Override` of tus: a client that can only send POST names PATCH or DELETE in this header.

It applies to the paths of resumable uploads alone, before the request is authorized as the method that it names.
"""

from __future__ import annotations

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

PATH = "/v1/uploads/"
METHODS = frozenset({"PATCH", "DELETE"})


class MethodOverride:
    """A WSGI middleware around the application."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Handle the request as the method that its header names."""
        if environ["REQUEST_METHOD"] == "POST" and environ.get("PATH_INFO", "").startswith(PATH):
            method = environ.get("HTTP_X_HTTP_METHOD_OVERRIDE", "").strip().upper()
            if method in METHODS:
                environ["REQUEST_METHOD"] = method
        return self._application(environ, start_response)
