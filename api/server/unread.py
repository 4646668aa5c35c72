"""Unread request bodies: the response announces `Connection: close` if gunicorn will close the connection.

After a response, gunicorn reads and discards the unread rest of the body. If the rest is too long, it closes the
connection instead, although the headers of the response have already announced that it stays open.
"""

from __future__ import annotations

from typing import Any

from gunicorn.http.body import ChunkedReader, LengthReader
from gunicorn.http.parser import _DRAIN_MAX_BYTES


def announce_close(request: Any) -> None:
    """Add `Connection: close` to the response to gunicorn's request if the connection will be closed."""
    should_close = request.should_close
    request.should_close = lambda: bool(should_close()) or exceeds_drain_limit(request.body)


def exceeds_drain_limit(body: Any) -> bool:
    """Return whether the unread rest of a body is longer than gunicorn drains."""
    match body.reader:
        case LengthReader() as reader:
            return bool(reader.length >= _DRAIN_MAX_BYTES)
        case ChunkedReader() as reader:
            return bool(reader.parser)
    return bool(body.failed)
