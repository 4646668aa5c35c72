"""The headers of tus 1.0: parsed from requests, and built for responses."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any
from urllib.parse import urlsplit

from flask import request

from shared.errors import ChecksumMismatch, Malformed
from shared.storage.uploads.record import Upload

VERSION = "1.0.0"
EXTENSIONS = (
    "creation,creation-with-upload,creation-defer-length,checksum,expiration,termination,concatenation"  # in this order
)
ALGORITHMS = {"sha1": hashlib.sha1, "sha256": hashlib.sha256}
PATH = "/v1/uploads"
DIGITS = re.compile(r"[0-9]{1,18}")
PART = re.compile(rf"{PATH}/([0-9a-z]{{26}})/?")
METADATA = re.compile(r"[!-+\--~]+(?: [A-Za-z0-9+/]*={0,2})?")  # a key without commas; optionally a value in base64


@dataclass(frozen=True)
class Creation:
    """What a request for a new upload says. parts: the ids of the uploads to concatenate; None for another upload.

    start: the place of a part in the whole, if it has one. first: the id of the part at place 0, for another part.
    """

    length: int | None
    metadata: str
    partial: bool
    parts: tuple[str, ...] | None
    start: int | None = None
    first: str | None = None


def creation() -> Creation:
    """Return what the headers of a POST say. Raises `Malformed`."""
    concat = request.headers.get("Upload-Concat", "").strip()
    kind, _, urls = concat.partition(";")
    length = number("Upload-Length")
    deferred = request.headers.get("Upload-Defer-Length")
    if deferred not in {None, "1"}:
        raise Malformed("malformed_upload", f"Upload-Defer-Length must be 1; got {deferred!r}")
    metadata = checked_metadata(request.headers.get("Upload-Metadata", ""))
    if kind == "final":
        if length is not None or deferred:
            raise Malformed("malformed_upload", "a concatenation has the length of its parts: omit Upload-Length")
        return Creation(None, metadata, partial=False, parts=tuple(map(part_id, urls.split())))
    if concat not in {"", "partial"}:
        raise Malformed("malformed_concatenation", f"Upload-Concat must be partial, or final;<urls>; got {concat!r}")
    if (length is None) == (deferred is None):
        raise Malformed("malformed_upload", "send either Upload-Length, or Upload-Defer-Length: 1")
    start, first = place(is_part=concat == "partial" and length is not None)
    return Creation(length, metadata, partial=concat == "partial", parts=None, start=start, first=first)


def place(*, is_part: bool) -> tuple[int | None, str | None]:
    """Return the place of a part in the whole, and the id of the part at place 0. Raises `Malformed`."""
    start, url = number("Upload-Part-Start"), request.headers.get("Upload-Part-Of")
    if start is None and url is None:
        return None, None
    if not is_part:
        raise Malformed("malformed_upload", "only an upload with Upload-Concat: partial and Upload-Length has a place")
    if start is None or (start == 0) != (url is None):
        raise Malformed(
            "malformed_upload",
            "send Upload-Part-Start: 0 for the first part, and Upload-Part-Start with Upload-Part-Of, the URL of the"
            " first part, for each other part",
        )
    return start, None if url is None else part_id(url)


def part_id(url: str) -> str:
    """Return the id in the URL of an upload, which may be absolute. Raises `Malformed`."""
    try:
        match = PART.fullmatch(urlsplit(url).path)
    except ValueError:
        match = None
    if match is None:
        raise Malformed("malformed_concatenation", f"Upload-Concat names {url!r}, which is not the URL of an upload")
    return match[1]


def number(name: str) -> int | None:
    """Return the value of a header that is a number; None if it is missing. Raises `Malformed`."""
    text = request.headers.get(name)
    if text is None:
        return None
    if not DIGITS.fullmatch(text):
        raise Malformed("malformed_upload", f"{name} must be a number of bytes; got {text!r}")
    return int(text)


def offset() -> int:
    """Return the request's Upload-Offset. Raises `Malformed`."""
    found = number("Upload-Offset")
    if found is None:
        raise Malformed("malformed_upload", "send Upload-Offset, which a HEAD of the upload returns")
    return found


def checked_metadata(text: str) -> str:
    """Return the Upload-Metadata. Raises `Malformed`."""
    pairs = [pair.strip() for pair in text.split(",")] if text.strip() else []
    keys = [pair.split(" ")[0] for pair in pairs]
    if not all(METADATA.fullmatch(pair) for pair in pairs) or len(set(keys)) < len(keys):
        raise Malformed(
            "malformed_upload", "Upload-Metadata must be pairs separated by commas: a key, a space, the value in base64"
        )
    return ",".join(pairs)


class Checksum:
    """The checksum of a request's body, in `Upload-Checksum`. `expected` is None if the request has none."""

    def __init__(self) -> None:
        text = request.headers.get("Upload-Checksum")
        self.expected: bytes | None = None
        if text is None:
            return
        algorithm, _, encoded = text.strip().partition(" ")
        if algorithm not in ALGORITHMS:
            detail = f"Upload-Checksum must begin with one of {', '.join(ALGORITHMS)}; got {text!r}"
            raise Malformed("malformed_checksum", detail)
        self._digest: Any = ALGORITHMS[algorithm](usedforsecurity=False)
        try:
            self.expected = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            self.expected = b""
        if len(self.expected) != self._digest.digest_size:
            raise Malformed("malformed_checksum", f"Upload-Checksum must be {algorithm} <the digest in base64>")

    def update(self, block: bytes) -> None:
        """Add the body's next bytes."""
        if self.expected is not None:
            self._digest.update(block)

    def check(self) -> None:
        """Raise `ChecksumMismatch` if the body differs."""
        if self.expected is not None and not hmac.compare_digest(self.expected, self._digest.digest()):
            raise ChecksumMismatch(
                "checksum_mismatch",
                "the bytes that arrived do not match their Upload-Checksum; none of them is stored, send them again",
            )


def of_upload(upload: Upload) -> dict[str, str]:
    """Return the headers that describe an upload."""
    record = upload.record
    headers = {"Upload-Expires": formatdate(upload.expires_at, usegmt=True)}
    if not record.parts or upload.is_complete:  # an interrupted concatenation has no offset
        headers["Upload-Offset"] = str(upload.offset)
    if record.length is None:
        headers["Upload-Defer-Length"] = "1"
    else:
        headers["Upload-Length"] = str(record.length)
    if record.metadata:
        headers["Upload-Metadata"] = record.metadata
    if record.partial:
        headers["Upload-Concat"] = "partial"
    if record.parts:
        headers["Upload-Concat"] = f"final;{' '.join(f'{PATH}/{part}' for part in record.parts)}"
    return headers
