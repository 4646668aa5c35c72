"""Downloads of files that requests name by `https:` URLs, to a file on the volume.

A broken connection is resumed by a range, if the server has them and the content is still the same (`If-Range`).
Redirects are followed a few times; each address is checked as those of webhooks are. The URL's query, which may hold a
signature, is in no message and no log.
"""

from __future__ import annotations

import http.client
import logging
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import IO, NoReturn
from urllib.parse import urljoin, urlsplit

from shared.addresses import Target
from shared.errors import Conflict, GlassboxError, Invalid, NotFound, StorageFull, TooLarge, Unavailable
from shared.storage import durable
from shared.storage.sources.connections import Connection, Refused, Unreachable, ended_after, resolve

log = logging.getLogger(__name__)

WHAT = "requests for files"
BLOCK = 256 * 1024
MOST_REDIRECTS = 5
MOST_FAILURES = 5  # in succession, without a byte between them
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0  # seconds between two tries
RATE_AFTER = 10.0  # seconds of a response after which its rate counts
REDIRECTS = frozenset({301, 302, 303, 307, 308})
TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
Headers = Mapping[str, str] | Message
HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "glassbox"}


@dataclass(frozen=True)
class DownloadLimits:
    """The limits of one download: its bytes and seconds, and the seconds and rate (bytes/s) below which it stalls.

    free: returns the free bytes of the disk. allow_private: also from private networks and this machine, and by http.
    """

    nbytes: int
    seconds: float
    idle_seconds: float
    rate: float
    free: Callable[[], int]
    allow_private: bool = False


class Interrupted(Exception):
    """A response that ended early, or none; the message says why. retry_after: the seconds that the server asks for."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


def redacted(url: str) -> str:
    """Return a URL without its query, its fragment, and a user's name and password: what may hold credentials."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "the URL"
    netloc = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=netloc, query="…" if parts.query else "", fragment="").geturl()


def download(url: str, file: IO[bytes], limits: DownloadLimits) -> None:
    """Download the URL to an empty file.

    Raises `Invalid` or `NotFound` if the server or the limits refuse it, `Conflict` if the content changes meanwhile,
    `TooLarge`, `StorageFull`, or `Unavailable` if the server does not answer in time, after several tries.
    """
    Download(url, file, limits).run()


@dataclass
class Download:
    """A download, and the part of it that is done.

    is_certain: whether the end of the last response shows that it is whole: it had a length, or chunks. pinned: called
    when a response with the whole content begins, if what arrived is kept for a later request.
    """

    url: str
    file: IO[bytes]
    limits: DownloadLimits
    done: int = 0
    length: int | None = None  # of the whole content, if the server states it
    validator: str | None = None  # the strong ETag, or the time of the last change
    ended: bool = False
    is_certain: bool = True
    pinned: Callable[[Download], None] | None = None
    ends_at: float = field(init=False)

    def __post_init__(self) -> None:
        self.ends_at = time.monotonic() + self.limits.seconds

    def run(self) -> None:
        """Try until the content is complete."""
        failures = 0
        while not self.ended:
            before = self.done
            try:
                self._attempt()
            except Interrupted as error:
                failures = 1 if self.done > before else failures + 1
                pause = max(error.retry_after or 0.0, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (failures - 1)))
                if failures >= MOST_FAILURES or time.monotonic() + pause >= self.ends_at:
                    raise self._unavailable(str(error)) from error
                log.info("the download of %s is tried again in %.1f s: %s", redacted(self.url), pause, error)
                time.sleep(pause)

    def _unavailable(self, reason: str) -> Unavailable:
        if self.pinned is not None and self.validator is not None and self.done:
            kept = f"{self.done} bytes are kept: send the request again to continue"
        else:
            kept = "nothing was kept: try again later"
        detail = f"{redacted(self.url)} cannot be downloaded: {reason}; {kept}"
        return Unavailable("source_unavailable", detail, 60)

    def _refuse(self, reason: str, code: str = "source_refused") -> NoReturn:
        raise Invalid(code, f"{redacted(self.url)} cannot be downloaded: {reason}")

    def _attempt(self) -> None:
        """Request the rest of the content, and write what arrives. Raises `Interrupted` if it is not complete."""
        url = self.url
        for _ in range(MOST_REDIRECTS + 1):
            target = self._target(url)
            left = self.ends_at - time.monotonic()
            if left <= 0:
                raise self._too_long()
            connection = self._connection(target)
            try:
                with ended_after(left, connection):
                    connection.request("GET", target.path, headers={**HEADERS, **self._range()})
                    response = connection.getresponse()
                    if response.status not in REDIRECTS:
                        self._receive(response)
                        return
                    url = self._redirected(url, response.headers)
            except TimeoutError as error:
                if time.monotonic() >= self.ends_at - 0.001:
                    raise self._too_long() from error
                raise Interrupted(f"no data for {self.limits.idle_seconds:g} s") from error
            except ssl.SSLCertVerificationError as error:
                self._refuse(f"its certificate is not valid: {error.verify_message}")
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise Interrupted(f"the connection failed: {str(error) or type(error).__name__}") from error
            finally:
                connection.close()
        self._refuse(f"it redirects more than {MOST_REDIRECTS} times")

    def _too_long(self) -> Unavailable:
        return self._unavailable(f"it takes longer than {self.limits.seconds:g} s (GLASSBOX_SOURCE_SECONDS)")

    def _target(self, url: str) -> Target:
        try:
            target = Target.parse(url)
        except ValueError as error:
            self._refuse(f"its URL, or one that it redirects to, {error}", "source_invalid")
        if target.scheme != "https" and not self.limits.allow_private:
            self._refuse("its URL, or one that it redirects to, must begin with https://", "source_invalid")
        return target

    def _connection(self, target: Target) -> Connection:
        try:
            addresses = resolve(target, WHAT, allow_private=self.limits.allow_private)
        except Refused as error:
            self._refuse(f"{error} (GLASSBOX_SOURCE_ALLOW_PRIVATE)", "source_internal")
        except Unreachable as error:
            raise Interrupted(str(error)) from error
        return Connection(target, addresses, self.limits.idle_seconds)

    def _range(self) -> dict[str, str]:
        if not (self.done and self.validator):
            return {}
        return {"Range": f"bytes={self.done}-", "If-Range": self.validator}

    def _redirected(self, url: str, headers: Headers) -> str:
        location = headers.get("Location", "")
        if not location:
            self._refuse("it redirects without a Location")
        following = urlsplit(urljoin(url, location))._replace(fragment="").geturl()
        if url.lower().startswith("https:") and not following.lower().startswith("https:"):
            self._refuse("it redirects from https to another scheme")
        return following

    def _receive(self, response: http.client.HTTPResponse) -> None:
        """Check the head of a response that is no redirect, and write its content."""
        status, headers = response.status, response.headers
        if status in TRANSIENT:
            raise Interrupted(f"the server answered {status} {response.reason}".strip(), _retry_after(headers))
        if status == 206:
            self._check_range(headers)
        elif status == 416:
            raise self._changed()
        elif status in {404, 410}:
            raise NotFound("source_not_found", f"{redacted(self.url)} does not exist: the server answered {status}")
        elif status in {401, 403}:
            self._refuse(f"the server answered {status}: the URL needs credentials, or its signature has expired")
        elif status != 200:
            self._refuse(f"the server answered {status} {response.reason}".strip())
        else:
            self._begin(headers)
        if headers.get("Content-Encoding", "identity").strip().lower() not in {"identity", ""}:
            self._refuse(f"the server sends it with the Content-Encoding {headers['Content-Encoding'][:40]!r}")
        self.is_certain = self.length is not None or (status == 200 and response.chunked)
        self._write(response)

    def _begin(self, headers: Headers) -> None:
        """Begin with the first byte, or again if the server has no ranges."""
        length = _number(headers.get("Content-Length"))
        validator = _validator(headers)
        if self.validator is not None and validator != self.validator:
            raise self._changed()
        if self.length is not None and length != self.length:
            raise self._changed()
        self.length, self.validator = length, validator
        self._check_length()
        self.file.seek(0)
        self.file.truncate()
        self.done = 0
        if self.pinned is not None:
            self.pinned(self)

    def _check_range(self, headers: Headers) -> None:
        """Check that a partial response has the rest of the same content."""
        match = CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
        if match is None or int(match[1]) != self.done or not self.done:
            self._refuse("the server sent another range than was requested")
        total = _number(match[3])
        if (total is not None and self.length is not None and total != self.length) or (
            (validator := _validator(headers)) is not None and validator != self.validator
        ):
            raise self._changed()
        self.length = self.length if total is None else total
        self._check_length()

    def _check_length(self) -> None:
        if self.length is None:
            return
        if self.length > self.limits.nbytes:
            raise self._too_large(self.length)
        needed, free = self.length - self.done, self.limits.free()
        if needed > free:
            raise StorageFull(
                "storage_full",
                f"{redacted(self.url)} needs {needed:,} bytes, but the volume has {free:,} free: {needed - free:,}"
                " bytes are missing; delete uploads, data sets or ended jobs, or make the volume larger; try again",
            )

    def _too_large(self, length: int) -> TooLarge:
        return TooLarge(
            "source_too_large",
            f"{redacted(self.url)} has {length} bytes or more, but a download may have at most {self.limits.nbytes}"
            " bytes (GLASSBOX_MAX_SOURCE_BYTES)",
        )

    def _changed(self) -> GlassboxError:
        return Conflict(
            "source_changed",
            f"{redacted(self.url)} changed while it was downloaded, and nothing was kept: try again when it no longer"
            " changes",
        )

    def _write(self, response: http.client.HTTPResponse) -> None:
        begun, first = time.monotonic(), self.done
        while block := response.read1(BLOCK):
            self.done += len(block)
            if self.done > self.limits.nbytes:
                raise self._too_large(self.done)
            with durable.translated_errors():
                self.file.write(block)
            seconds = time.monotonic() - begun
            if seconds > RATE_AFTER and self.done - first < self.limits.rate * seconds:
                raise Interrupted(f"less than {self.limits.rate:g} bytes per second arrive (GLASSBOX_CLIENT_RATE)")
        if self.length is not None and self.done != self.length:
            raise Interrupted(f"the connection ended after {self.done} of {self.length} bytes")
        self.ended = True


def _validator(headers: Headers) -> str | None:
    """Return what identifies the content: its strong ETag, else the time of its last change."""
    etag = headers.get("ETag", "").strip()
    if re.fullmatch(r'"[\x21\x23-\x7e]{1,500}"', etag):
        return etag
    return headers.get("Last-Modified", "").strip()[:100] or None


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"[0-9]{1,18}", text.strip(), re.ASCII) else None


def _retry_after(headers: Headers) -> float | None:
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text, re.ASCII):
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
