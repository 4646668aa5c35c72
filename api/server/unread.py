"""Unread request bodies: the response announces `Connection: close` if gunicorn will close the connection.

After a response, gunicorn drains a short rest of the body, and closes the connection if the rest is longer. It decides
that after the response, whose headers have already promised to keep the connection open.
"""

from __future__ import annotations

from typing import Any

from gunicorn.http.body import ChunkedReader, LengthReader
from gunicorn.http.parser import _DRAIN_MAX_BYTES


def announce_close(request: Any) -> None:
    """Make the response to gunicorn's request say `Connection: close` if the connection will be closed."""
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
