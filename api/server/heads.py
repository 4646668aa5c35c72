"""What the bytes received from a client already contain: a whole head of a request, and all of its body."""

from __future__ import annotations

import re

END = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\n(?:content-length|(transfer-encoding)):[ \t]*(\d*)", re.IGNORECASE)

LIVENESS = (b"GET /healthz ", b"HEAD /healthz ", b"GET /v2/health/live ", b"HEAD /v2/health/live ")


def is_liveness_check(received: bytes) -> bool:
    """Return whether the request asks only whether this process responds, which needs neither Redis nor a file."""
    return received.startswith(LIVENESS)


def is_complete(received: bytes) -> bool:
    """Return whether gunicorn can parse these bytes without more of them: a whole head, or a line that it rejects."""
    if received.find(END, 2 if received.startswith(b"\r\n") else 0) >= 0:  # it skips one empty line
        return True
    line = received.find(b"\n")
    return line == 0 or (line > 0 and received[line - 1 : line] != b"\r")


def has_bare_line_feed(received: bytes) -> bool:
    """Return whether a line of an incomplete head ends with LF alone: its end, CR LF CR LF, may then never come."""
    return received.count(b"\n") != received.count(b"\r\n")


def lacks_body(received: bytes) -> bool:
    """Return whether the request, whose head is complete, has a body of which bytes are missing."""
    end = received.find(END, 2)
    match = LENGTH.search(received, 0, end + 2)
    if match is None:
        return False
    is_chunked = match[1] is not None
    return is_chunked or int(match[2][:20] or b"0") > len(received) - end - len(END)
