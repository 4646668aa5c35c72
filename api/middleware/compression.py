"""Large JSON is sent packed with gzip to whoever takes it so; streams, files and what is packed already are not."""

from __future__ import annotations

import gzip

from flask import Flask, Response, request

PACKED = frozenset({"application/json", "application/problem+json"})
WORTH_IT = 1400  # bytes: what is smaller fits into one packet of the network as it is
LEVEL = 1  # the quickest; the next ones save little more of JSON


def register(app: Flask) -> None:
    """Pack the application's answers."""

    @app.after_request
    def pack(response: Response) -> Response:
        if response.mimetype not in PACKED or response.is_streamed or response.direct_passthrough:
            return response
        if "Content-Encoding" in response.headers or response.status_code in {206, 304}:
            return response
        response.vary.add("Accept-Encoding")
        if (response.content_length or 0) < WORTH_IT or not request.accept_encodings.quality("gzip"):
            return response
        response.set_data(gzip.compress(response.get_data(), LEVEL, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
        if (etag := response.get_etag())[0] is not None:
            response.set_etag(etag[0], weak=True)  # other bytes of the same thing
        return response
