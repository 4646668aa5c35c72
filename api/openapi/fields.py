"""Descriptions of path parameters and headers for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from api.requests.bodies.content_coding import ACCEPTED
from api.schema.examples import DATASET_ID, JOB_ID, UPLOAD_ID, WEIGHTS_SHA256
from shared.json_types import JsonObject


def _text(description: str, example: str, **schema: Any) -> JsonObject:
    return {"description": description, "schema": {"type": "string", **schema}, "example": example}


def _header(description: str, **schema: Any) -> JsonObject:
    return {"description": description, "schema": {"type": "string", **schema}}


IN_PATHS: dict[str, JsonObject] = {
    "alias": _text("an alias: a movable name of one version", "champion"),
    "file": _text("a file of the documentation page", "swagger-ui.css"),
    "job_id": _text("a job's id", JOB_ID),
    "name": _text("a model's name", "digits"),
    "upload_id": _text("an upload's id", UPLOAD_ID),
    "reference": _text("a version: its number, an alias, or `latest`", "latest"),
    "version": _text("a version: its number, an alias, or `latest`", "latest"),
}
IN_DATASET_PATHS: dict[str, JsonObject] = {"reference": _text("a data set: its id or a name", DATASET_ID)}
IN_DASHBOARD_PATHS: dict[str, JsonObject] = {
    "path": _text("a page of the dashboard", "jobs"),
    "file": _text("a file of the dashboard", "main.js"),
    "version": _text("the version of the dashboard's files, from its page", "0123456789abcdef"),
}

# Without `example`, because Swagger UI would prefill it and send it with every request.
REQUEST_HEADERS: dict[str, JsonObject] = {
    "X-Request-Id": _header("Request id, returned in the response and logged by the server. Generated if absent."),
    "Idempotency-Key": _header(
        "Makes retries safe: for a day, a request with the same key gets the first response again.",
        minLength=1,
        maxLength=255,
    ),
    "Content-Digest": _header(
        "Digest of the body as sent (RFC 9530), `sha-256=:<base64>:`, which the server verifies. Repr-Digest is equal."
    ),
    "Content-Encoding": _header("The body's compression: `gzip` or `deflate`."),
    "Inference-Header-Content-Length": _header("Length of the JSON in bytes, if binary tensors follow it."),
    "If-Match": _header("For GET: return 412 unless the resource has this ETag. Else: change it only if it has."),
    "If-Modified-Since": _header("Return 304 if the resource has not changed since; ignored with If-None-Match."),
    "If-Unmodified-Since": _header("Return 412 if the resource has changed since; ignored with If-Match."),
    "If-None-Match": _header(
        "For GET: return 304 if the resource has this ETag. For PUT: `*` requires a new resource."
    ),
    "If-Range": _header("Return the range only if the resource has this ETag, else the whole resource."),
    "Last-Event-ID": _header("Resume the stream after this event."),
    "Tus-Resumable": _header(
        "The version of the upload protocol; without it, or with another one: 412.", enum=["1.0.0"]
    ),
    "Upload-Length": _header("Length of the whole upload in bytes.", pattern="^[0-9]+$"),
    "Upload-Defer-Length": _header("`1`: a later PATCH announces the length.", enum=["1"]),
    "Upload-Metadata": _header("Pairs, separated by commas: a key, a space, and the value in base64."),
    "Upload-Concat": _header("`partial`: the upload becomes a part; `final;<url> <url> …`: concatenate these parts."),
    "Upload-Checksum": _header("Checksum of this body: `sha1` or `sha256`, a space, and the digest in base64."),
    "Upload-Offset": _header("Offset of the body's first byte in the upload.", pattern="^[0-9]+$"),
    "Upload-Part-Start": _header(
        "The place of a part's first byte in the whole: parts with a place are concatenated without a copy.",
        pattern="^[0-9]+$",
    ),
    "Upload-Part-Of": _header("URL of the part at place 0, for each other part with a place."),
    "Range": _header("Return this range only: `bytes=0-1023`."),
}

RESPONSE_HEADERS: dict[str, JsonObject] = {
    "X-Request-Id": _text("The request's id, from the client or generated.", "order-17"),
    "Location": _text("URL of the created resource.", f"/v1/jobs/{JOB_ID}", format="uri-reference"),
    "ETag": _text("Identifies the current state of the resource.", f'"{WEIGHTS_SHA256}"'),
    "Retry-After": {"description": "Seconds to wait before a retry.", "schema": {"type": "integer"}, "example": 2},
    "WWW-Authenticate": _text("How to authenticate.", 'Bearer realm="glassbox"'),
    "Idempotent-Replayed": _text("`true` if the response is a replay of an earlier one.", "true"),
    "Inference-Header-Content-Length": _text("Length of the JSON in bytes, before binary tensors.", "190"),
    "Accept-Encoding": _text("The content codings that a request may have.", ACCEPTED),
    "Content-Range": _text("The returned range.", "bytes 0-1023/68294"),
    "Tus-Resumable": _text("The version of the upload protocol.", "1.0.0"),
    "Upload-Offset": _text("The bytes received so far: continue here.", "1073741824"),
    "Upload-Length": _text("Length of the whole upload in bytes.", "21474836480"),
    "Upload-Expires": _text("When the upload expires, unless more bytes arrive.", "Tue, 03 Feb 2026 12:04:31 GMT"),
    "Upload-Metadata": _text("The metadata of the upload's creation.", "filename c2NhbnMuemlw"),
    "Upload-Concat": _text("`partial`, or `final;` and the parts, if the upload is one of these.", "partial"),
    "Upload-Defer-Length": _text("`1` if the length is not known yet.", "1"),
    "Accept-Ranges": _text("The supported range unit.", "bytes"),
}
