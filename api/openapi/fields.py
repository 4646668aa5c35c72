"""What the document says of parameters in paths and of headers: a line for each name that routes use."""

from __future__ import annotations

from typing import Any

from api.schema.examples import DATASET_ID, JOB_ID, WEIGHTS_SHA256
from shared.json_types import JsonObject


def _text(description: str, example: str, **schema: Any) -> JsonObject:
    return {"description": description, "schema": {"type": "string", **schema}, "example": example}


def _header(description: str, **schema: Any) -> JsonObject:
    return {"description": description, "schema": {"type": "string", **schema}}


IN_PATHS: dict[str, JsonObject] = {
    "alias": _text("a name that points to one version and can be moved", "champion"),
    "file": _text("a file of the page", "swagger-ui.css"),
    "job_id": _text("a job's id", JOB_ID),
    "name": _text("a model's name", "digits"),
    "reference": _text("a version: its number, an alias, or `latest`", "latest"),
    "version": _text("a version: its number, an alias, or `latest`", "latest"),
}
IN_DATASET_PATHS: dict[str, JsonObject] = {"reference": _text("a data set: its id, or a name", DATASET_ID)}

# Without `example`: the page would fill it in, and so send one key, digest or range with every request.
REQUEST_HEADERS: dict[str, JsonObject] = {
    "X-Request-Id": _header("Comes back with the answer, and is in the server's log. One is made where none is sent."),
    "Idempotency-Key": _header(
        "Makes it safe to send this again: for a day, the first answer to this key is given once more.",
        minLength=1,
        maxLength=255,
    ),
    "Content-Digest": _header("The body's digest (RFC 9530), held against what arrives: `sha-256=:<base64>:`."),
    "Content-Encoding": _header("How the body is packed: `gzip` or `deflate`."),
    "Inference-Header-Content-Length": _header("The length of the JSON in bytes, where binary tensors follow it."),
    "If-Match": _header("Do it only where the thing still has this ETag."),
    "If-None-Match": _header("Answer 304 where the thing still has this ETag."),
    "If-Range": _header("Send the part only where the thing still has this ETag, else all of it."),
    "Last-Event-ID": _header("Go on behind this event."),
    "Range": _header("Send this part only: `bytes=0-1023`."),
}

RESPONSE_HEADERS: dict[str, JsonObject] = {
    "X-Request-Id": _text("The request's id, as it was sent or as it was made.", "order-17"),
    "Location": _text("Where the thing is that was made.", f"/v1/jobs/{JOB_ID}", format="uri-reference"),
    "ETag": _text("Changes when the thing does.", f'"{WEIGHTS_SHA256}"'),
    "Retry-After": {"description": "Seconds until it may go better.", "schema": {"type": "integer"}, "example": 2},
    "WWW-Authenticate": _text("How to show a key.", 'Bearer realm="glassbox"'),
    "Idempotent-Replayed": _text("`true` where an earlier answer is given once more.", "true"),
    "Inference-Header-Content-Length": _text("The length of the JSON in bytes, before binary tensors.", "190"),
    "Content-Range": _text("Which part this is.", "bytes 0-1023/68294"),
    "Accept-Ranges": _text("That parts can be asked for.", "bytes"),
}
