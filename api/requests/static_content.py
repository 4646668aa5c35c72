"""Files that are served from memory: revalidated by their ETag, and compressed once."""

from __future__ import annotations

import gzip
import hashlib
from functools import cache

from flask import Response

from api.requests.bodies.content_coding import accepts_gzip, mark_as_gzip
from api.requests.conditions import conditional

REVALIDATED = "no-cache"
IMMUTABLE = "public, max-age=31536000, immutable"  # of a path that has a hash of the content


def static_content(content: bytes, media_type: str, caching: str = REVALIDATED) -> Response:
    """Return the response to GET or HEAD of a file; a client may cache it as `caching` says."""
    response = Response(content, mimetype=media_type)
    response.set_etag(_digest(content))
    response.headers["Cache-Control"] = caching
    response.vary.add("Accept-Encoding")
    response = conditional(response)
    if media_type != "image/png" and response.status_code == 200 and accepts_gzip():
        response.set_data(_compressed(content))
        mark_as_gzip(response)
    return response


@cache
def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@cache
def _compressed(content: bytes) -> bytes:
    """Return the content compressed as far as gzip can; each process compresses each file once."""
    return gzip.compress(content, 9, mtime=0)
