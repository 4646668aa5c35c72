"""The fingerprint of a request: two have the same one if they ask for the same."""

from __future__ import annotations

import hashlib

from flask import request


class Fingerprint:
    """The SHA-256 of the current request's path, query and body, taken while the body is read.

    A form's boundary is left out: a client that sends a form again makes up another one.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256(b"\0".join((request.path.encode(), request.query_string, b"")))
        self._boundary = request.mimetype_params.get("boundary", "").encode()
        self._tail = b""  # may be the beginning of a boundary
        self.length = 0

    def update(self, content: bytes) -> None:
        """Take in the body's next bytes."""
        if self._boundary:
            *parts, last = (self._tail + content).split(self._boundary)
            kept = min(len(last), len(self._boundary) - 1)
            self._tail = last[len(last) - kept :]
            content = b"".join([*parts, last[: len(last) - kept]])
        self._digest.update(content)
        self.length += len(content)

    def digest(self) -> tuple[str, int]:
        """The fingerprint, and how many bytes it is of, when the body is read to its end."""
        whole = self._digest.copy()
        whole.update(self._tail)
        return whole.hexdigest(), self.length + len(self._tail)
