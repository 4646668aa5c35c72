"""gzip compression of large JSON and text if the client accepts it; never of events, files or encoded content.

A response whose length is known is compressed as a whole. A streamed one, such as a batch's rows, is compressed block
by block, in constant memory.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator

from flask import Flask, Response

from api.requests.bodies.content_coding import accepts_gzip, mark_as_gzip

COMPRESSIBLE = frozenset(
    {
        "application/json",
        "application/problem+json",
        "application/x-ndjson",
        "application/openmetrics-text",
        "text/csv",
        "text/plain",
        "text/html",
        "text/css",
        "text/javascript",
    }
)
MIN_BYTES = 1400  # a smaller response fits into one network packet
LEVEL = 1  # the fastest; higher levels shrink JSON little more
GZIP = 16 + zlib.MAX_WBITS  # zlib's number for a stream with gzip's header and checksum


def register(app: Flask) -> None:
    """Compress the application's responses."""

    @app.after_request
    def compress(response: Response) -> Response:
        if response.mimetype not in COMPRESSIBLE or response.direct_passthrough:
            return response
        if "Content-Encoding" in response.headers or response.status_code in {206, 304}:
            return response
        response.vary.add("Accept-Encoding")
        if not accepts_gzip():
            return response
        if response.is_streamed:
            _compress_stream(response)
        elif (response.content_length or 0) >= MIN_BYTES:
            response.set_data(gzip.compress(response.get_data(), LEVEL, mtime=0))
            mark_as_gzip(response)
        return response


def _compress_stream(response: Response) -> None:
    blocks = response.response
    if close := getattr(blocks, "close", None):
        response.call_on_close(close)  # also if the stream is never read, as for HEAD
    response.response = _compressed(response.iter_encoded())
    response.headers.pop("Content-Length", None)
    mark_as_gzip(response)


def _compressed(blocks: Iterable[bytes]) -> Iterator[bytes]:
    compressor = zlib.compressobj(LEVEL, wbits=GZIP)
    for block in blocks:
        if compressed := compressor.compress(block):
            yield compressed
    yield compressor.flush()
