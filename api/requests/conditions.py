"""Preconditions and ranges of requests, in the order that RFC 9110 gives them (sections 13.2.2 and 14.2)."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime

from flask import Response, jsonify, request
from werkzeug.exceptions import RequestedRangeNotSatisfiable

from shared.errors import PreconditionFailed

RANGE = re.compile(r"bytes=[ \t]*(\d{0,4000})-(\d{0,4000})[ \t]*", re.ASCII | re.IGNORECASE)  # int() takes 4300


def with_etag(document: object) -> Response:
    """Return a JSON response whose ETag is the digest of its content, or 304 if the client has it.

    Raises `PreconditionFailed`.
    """
    response = jsonify(document)
    response.set_etag(hashlib.sha256(response.get_data()).hexdigest())
    return conditional(response)


def conditional(response: Response, *, ranges: bool = False) -> Response:
    """Apply the request's preconditions to the response of GET or HEAD, which has an ETag.

    ranges: whether the request may select a range of the body, whose length the response has. A `Range` that is
    malformed, in another unit, or has several ranges is ignored, as section 14.2 allows; so is each of a HEAD. Raises
    `PreconditionFailed`, or `RequestedRangeNotSatisfiable`.
    """
    etag, modified = str(response.get_etag()[0]), response.last_modified
    if not _matches(etag, modified):
        response.close()
        detail = "the resource does not match If-Match or If-Unmodified-Since; read it again"
        raise PreconditionFailed("precondition_failed", detail)
    if _is_current(etag, modified):
        response.status_code = 304
    elif ranges:
        response.accept_ranges = "bytes"
        if request.method == "GET" and _range_applies(etag, modified):
            _select_range(response)
    return response


def _matches(etag: str, modified: datetime | None) -> bool:
    if "If-Match" in request.headers:
        return request.if_match.contains(etag)
    since = request.if_unmodified_since
    return modified is None or since is None or modified <= since


def _is_current(etag: str, modified: datetime | None) -> bool:
    """Return whether the client's copy is the response's content."""
    if "If-None-Match" in request.headers:
        return request.if_none_match.contains_weak(etag)
    since = request.if_modified_since
    return modified is not None and since is not None and modified <= since


def _range_applies(etag: str, modified: datetime | None) -> bool:
    """Return whether `If-Range` names the current content; a weak ETag never does (section 13.1.5)."""
    if "If-Range" not in request.headers:
        return True
    wanted = request.if_range
    if wanted.date is not None:
        return wanted.date == modified
    return request.headers["If-Range"].strip() == f'"{etag}"'


def _select_range(response: Response) -> None:
    match = RANGE.fullmatch(request.headers.get("Range", ""))
    if match is None or not (match[1] or match[2]):
        return
    first, last, length = match[1], match[2], response.content_length
    if first and last and int(last) < int(first):
        return  # malformed
    start = int(first) if first else max(length - int(last), 0)
    stop = min(int(last) + 1, length) if first and last else length
    if start >= stop:
        response.close()
        raise RequestedRangeNotSatisfiable(length)
    selected = {"REQUEST_METHOD": "GET", "HTTP_RANGE": f"bytes={start}-{stop - 1}"}
    response.make_conditional(selected, accept_ranges=True, complete_length=length)
