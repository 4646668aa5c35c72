"""The head of a receiver's response: its status and, if it failed, when to try again (RFC 9110)."""

from __future__ import annotations

import http.client
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import IO

MOST_BYTES = 64 * 1024  # of the head, with all interim responses
STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9][0-9][0-9])(?: [^\r\n]*)?\r?\n")
SWITCHING = 101


@dataclass(frozen=True)
class Response:
    """The status of a response, and the seconds that its `Retry-After` asks to wait, None without a valid one."""

    status: int
    retry_after: float | None = None


def read_response(file: IO[bytes]) -> Response:
    """Read a response up to its body, which stays unread. Skips interim responses (1xx).

    Raises `http.client.HTTPException` if it is not HTTP, or if its head is too large.
    """
    left = MOST_BYTES
    while True:
        head = _read_head(file, left)
        left -= len(head)
        line, _, rest = head.partition(b"\n")
        match = STATUS_LINE.fullmatch(line + b"\n")
        if match is None:
            raise http.client.BadStatusLine(repr(line[:100])[1:])
        status = int(match[1])
        if status >= 200 or status == SWITCHING:
            return Response(status, retry_after(http.client.parse_headers(io.BytesIO(rest))))


def retry_after(headers: Message | Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return the seconds that `Retry-After` asks to wait, a number or a date; None without a valid one.

    A date counts from the response's own date, so that the receiver's clock may be wrong.
    """
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]+", text, re.ASCII):
        return float(text[:12])
    until = _date(text)
    if until is None:
        return None
    begun = _date(headers.get("Date", "")) or now or datetime.now(UTC)
    return max(0.0, (until - begun).total_seconds())


def _read_head(file: IO[bytes], most: int) -> bytes:
    lines: list[bytes] = []
    while not lines or lines[-1] not in {b"\r\n", b"\n"}:
        line = file.readline(most + 1)
        most -= len(line)
        if most < 0:
            raise http.client.HTTPException(f"the head of the response is larger than {MOST_BYTES} bytes")
        if not line.endswith(b"\n"):
            raise http.client.RemoteDisconnected("the receiver closed the connection before the end of the head")
        lines.append(line)
    return b"".join(lines)


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
