"""What a client still has to send when it gets its answer: little is read and dropped, for more the connection ends.

gunicorn reads and drops so much before the next request on a connection, and closes a connection that has more. It
decides so after the answer, which has promised by then that the connection goes on.
"""

from __future__ import annotations

from typing import Any

from gunicorn.http.body import ChunkedReader, LengthReader
from gunicorn.http.parser import _DRAIN_MAX_BYTES


def tell_the_end(request: Any) -> None:
    """Have the answer to this request of gunicorn's say `Connection: close` where it is going to be closed."""
    judged = request.should_close
    request.should_close = lambda: bool(judged()) or is_much(request.body)


def is_much(body: Any) -> bool:
    """Whether more of a body is unread than gunicorn drops."""
    match body.reader:
        case LengthReader() as reader:
            return bool(reader.length >= _DRAIN_MAX_BYTES)
        case ChunkedReader() as reader:
            return bool(reader.parser)
    return bool(body.failed)
