"""gzip compression of large JSON responses if the client accepts it; never of streams, files or encoded content."""

from __future__ import annotations

import gzip

from flask import Flask, Response, request

COMPRESSIBLE = frozenset({"application/json", "application/problem+json"})
MIN_BYTES = 1400  # a smaller response fits into one network packet
LEVEL = 1  # the fastest; higher levels shrink JSON little more


def register(app: Flask) -> None:
    """Compress the application's responses."""

    @app.after_request
    def compress(response: Response) -> Response:
        if response.mimetype not in COMPRESSIBLE or response.is_streamed or response.direct_passthrough:
            return response
        if "Content-Encoding" in response.headers or response.status_code in {206, 304}:
            return response
        response.vary.add("Accept-Encoding")
        if (response.content_length or 0) < MIN_BYTES or not request.accept_encodings.quality("gzip"):
            return response
        response.set_data(gzip.compress(response.get_data(), LEVEL, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
        if (etag := response.get_etag())[0] is not None:
            response.set_etag(etag[0], weak=True)  # same resource, other bytes
        return response
