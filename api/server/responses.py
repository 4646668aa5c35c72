"""gunicorn's response, which sends its head and its body together if the body is in one piece."""

from __future__ import annotations

from typing import Any

from gunicorn import util
from gunicorn.http import wsgi


class OnePieceResponse(wsgi.Response):  # type: ignore[misc]
    """A response to one request. Two sends would take twice as long, and wake the client twice."""

    headers_sent: bool

    def write(self, arg: Any) -> None:
        """Send a part of the body, and before the first one the head."""
        is_whole = isinstance(arg, bytes) and len(arg) == self.response_length and not self._omits_body
        if self.headers_sent or not is_whole:
            super().write(arg)
            return
        lines = [*self.default_headers(), *(f"{name}: {value}\r\n" for name, value in self.headers), "\r\n"]
        self.headers_sent = True
        self.sent = len(arg)
        util.write(self.sock, "".join(lines).encode("latin-1") + arg)
