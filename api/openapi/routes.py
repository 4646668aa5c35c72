"""`/openapi.json`: the OpenAPI document. `/docs`: the same document in Swagger UI.

The package flask-swagger-ui has Swagger UI's files. This server serves them, so that the page loads no other host.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from flask import Blueprint, Response, current_app
from pydantic import with_config
from typing_extensions import TypedDict

from api.openapi import document
from api.requests.static_content import static_content
from api.schema.examples import shown_as
from api.schema.operations import MediaType, ResponseSpec, error_response, operation
from shared.errors import NotFound


@with_config(shown_as({"openapi": "3.1.0"}))
class OpenApi(TypedDict):
    """A document as OpenAPI 3.1 defines it."""

    openapi: str


ASSETS = {
    "favicon-32x32.png": "image/png",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
}
START = """\
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#viewer",
  deepLinking: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  docExpansion: "list",
  tryItOutEnabled: true,
  validatorUrl: null,
});
"""
PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Glassbox: the HTTP API</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<style>
body { margin: 0; background: #fff }
.swagger-ui .info { margin: 24px 0 }
.swagger-ui .scheme-container { padding: 12px 0; box-shadow: none; border-bottom: 1px solid #ddd }
</style>
</head>
<body>
<noscript><p>This page needs JavaScript; <a href="/openapi.json">the document</a> that it shows does not.</p></noscript>
<main id="viewer"></main>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""


def blueprint(*, keys_needed: bool) -> Blueprint:
    """Return the documentation routes. keys_needed: whether the other routes need an API key."""
    routes = Blueprint("docs", __name__)

    @cache
    def encoded() -> bytes:  # built on the first request, when all routes are registered
        return json.dumps(document(current_app, keys_needed=keys_needed), ensure_ascii=False).encode()

    @routes.get("/openapi.json")
    @operation(
        "Read this document",
        scope=None,
        responses={
            200: ResponseSpec((OpenApi,), headers=("ETag",)),
            304: ResponseSpec(description="The client's copy is current.", headers=("ETag",)),
        },
        headers=("If-Match", "If-None-Match"),
    )
    def openapi() -> Response:
        """The document is generated from the types with which the server validates requests."""
        return static_content(encoded(), "application/json")

    @routes.get("/docs")
    @operation("Show this document", scope=None, responses={200: MediaType("text/html", "an HTML page")})
    def docs() -> Response:
        return Response(PAGE, content_type="text/html; charset=utf-8")

    @routes.get("/docs/<file>")
    @operation(
        "Read a file of the documentation page",
        scope=None,
        responses={
            200: ResponseSpec(
                tuple(MediaType(name, "a file") for name in dict.fromkeys(ASSETS.values())), headers=("ETag",)
            ),
            304: ResponseSpec(description="The client's copy is current.", headers=("ETag",)),
        },
        errors=(error_response(NotFound, "not_found"),),
        headers=("If-Match", "If-None-Match"),
    )
    def asset(file: str) -> Response:
        if file == "start.js":
            return static_content(START.encode(), "text/javascript")
        if file not in ASSETS:
            raise NotFound("not_found", f"the documentation page has no file {file!r}")
        return static_content(_packaged(file), ASSETS[file])

    return routes


@cache
def _packaged(name: str) -> bytes:
    return files("flask_swagger_ui").joinpath("dist", name).read_bytes()
