"""`GET /`: the dashboard for browsers, an index of links for programs."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify
from pydantic import with_config
from typing_extensions import TypedDict

from api.requests import accepted
from api.schema import examples
from api.schema.examples import shown_as
from api.schema.operations import ResponseSpec, operation
from shared.jobs.view import Links
from shared.runtime.version import VERSION

HTML = "text/html"


@with_config(shown_as(examples.SERVICE))
class ServiceView(TypedDict):
    """The service's name and version, and the paths from which a client finds everything else."""

    name: str
    version: str
    links: Links


METHODS = "GET, HEAD, POST, PUT, DELETE, OPTIONS"
"""All methods that resources support."""

LINKS = {
    "dashboard": "/ui/",
    "documentation": "/docs",
    "openapi": "/openapi.json",
    "readiness": "/readyz",
    "system": "/v1/system",
    "access": "/v1/me",
    "datasets": "/v1/datasets",
    "jobs": "/v1/jobs",
    "models": "/v1/models",
    "presets": "/v1/presets",
    "inference_protocol": "/v2",
}


def blueprint() -> Blueprint:
    """Return the route of the root, and that of `OPTIONS *`, which concerns the server and no resource."""
    routes = Blueprint("index", __name__)

    @routes.get("/")
    @operation(
        "Show where to begin",
        scope=None,
        responses={
            200: ServiceView,
            303: ResponseSpec(description="The client is a browser: see the dashboard.", headers=("Location",)),
        },
    )
    def index() -> Response:
        """A client whose `Accept` names `text/html`, as browsers' does, is redirected to `/ui/`."""
        service: ServiceView = {"name": "Glassbox", "version": VERSION, "links": LINKS}
        response = Response(status=303, headers={"Location": "/ui/"}) if _is_browser() else jsonify(service)
        response.vary.add("Accept")
        return response

    @routes.route("/*", methods=["OPTIONS"])  # Flask puts a slash before the target `*`
    @operation("List all methods", scope=None, responses={200: None})
    def options() -> Response:
        """This is no path, so the OpenAPI document omits it."""
        return Response(headers={"Allow": METHODS})

    return routes


def _is_browser() -> bool:
    """Return whether the client names HTML, and does not prefer JSON."""
    wanted = accepted.quality(HTML)
    return accepted.names(HTML) and 0 < wanted >= accepted.quality("application/json")
