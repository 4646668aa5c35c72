"""Digests that a client sends with a body (RFC 9530), so that damage on the way is an error and not a job."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re

from flask import request

from shared.errors import Malformed

HEADERS = ("Content-Digest", "Repr-Digest")  # the same here: no body is coded
ALGORITHMS = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}
ENTRY = re.compile(r"([a-z0-9*_.-]+)=:([A-Za-z0-9+/=]*):")


class AnnouncedDigests:
    """What the current request's headers say of its body; others' algorithms are passed over, as the standard says."""

    def __init__(self) -> None:
        self._checks = []
        for header in HEADERS:
            for entry in request.headers.get(header, "").split(","):
                if not entry.strip():
                    continue
                match = ENTRY.fullmatch(entry.strip())
                if match is None:
                    raise Malformed("malformed_digest", f"{header} must be like sha-256=:<base64>:")
                if match[1] in ALGORITHMS:
                    self._checks.append((header, _decode(header, match[2]), ALGORITHMS[match[1]]()))

    def update(self, content: bytes) -> None:
        """Take in the body's next bytes."""
        for _, _, digest in self._checks:
            digest.update(content)

    def check(self) -> None:
        """Raise `Malformed` where the body, which is all read, is not what was announced."""
        for header, announced, digest in self._checks:
            if not hmac.compare_digest(announced, digest.digest()):
                raise Malformed("digest_mismatch", f"the body that arrived is not the one that {header} announced")


def _decode(header: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Malformed("malformed_digest", f"{header} has no base64 in it") from error
