"""Objects of a store, by `s3:` URLs, in the buckets that the operator has named.

An object is read in place, by ranges. Its size and its ETag are pinned, and another object is not read.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import IO, Any

from shared.errors import Conflict, Forbidden, Invalid, NotFound, TooLarge, Unavailable
from shared.runtime.settings import KiB, MiB, Settings
from shared.storage.objects.access import access_by
from shared.storage.objects.bucket import Bucket, StoredObject, open_bucket
from shared.storage.objects.faults import ObjectChanged, ObjectMissing, StoreError, StoreUnavailable
from shared.storage.objects.places import ObjectPlace

SETTING = "GLASSBOX_IMPORT_BUCKETS"
LEAST_PIECE, LARGEST_PIECE = 256 * KiB, 8 * MiB  # of one request
GAP = MiB  # between two ranges that one request reads together

Span = tuple[int, int]  # the offsets of a range's first byte and of the byte after its last


@dataclass(frozen=True)
class PinnedObject:
    """An object as it was when it was named, or a prefix, whose objects are pinned one by one."""

    bucket: str
    key: str
    size: int = 0
    etag: str = ""

    @property
    def is_folder(self) -> bool:
        """Whether it is a prefix."""
        return not self.key or self.key.endswith("/")

    @property
    def path(self) -> str:
        """The place, `s3://bucket/key`."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def stored(self) -> StoredObject:
        """The object as the store describes it."""
        return StoredObject(self.key, self.size, self.etag)

    def opened(self, settings: Settings) -> Bucket:
        """Return its bucket. Sends no request; raises `NotInstalled`, or `Invalid` for a wrong credentials file."""
        with source_errors():
            return open_bucket(self.bucket, access_by(settings))

    def check(self) -> None:
        """Do nothing: the store compares the ETag whenever it sends a range."""

    def as_json(self) -> dict[str, Any]:
        """Return the fields as JSON."""
        return asdict(self)


def stored_source(url: str, settings: Settings) -> PinnedObject:
    """Return the object or the prefix of an `s3:` URL, which must be in a bucket that the operator has named.

    Raises `Invalid` for a URL that is not valid or that the store refuses, `Forbidden` for a bucket or prefix that is
    not named, whether it exists or not, `NotFound`, `NotInstalled`, and `Unavailable`.
    """
    try:
        place = ObjectPlace.parse(url)
    except ValueError as error:
        raise Invalid("source_invalid", f"the URL of the source {error}") from error
    allowed = settings.import_buckets
    if not allowed:
        raise Forbidden("source_not_allowed", f"this server reads no object stores: {SETTING} names no bucket")
    if not place.is_in(allowed):
        named = ", ".join(allowed)
        raise Forbidden("source_not_allowed", f"{place} is not in a bucket that may be read: {SETTING} has {named}")
    pinned = PinnedObject(place.bucket, place.key)
    bucket = pinned.opened(settings)
    if place.is_prefix:
        return pinned
    with source_errors():
        try:
            found = bucket.stat(place.key)
        except ObjectMissing as error:
            raise NotFound(
                "source_not_found", f"there is no object {place}; the URL of a prefix of images ends with /"
            ) from error
    return PinnedObject(place.bucket, found.key, found.size, found.etag)


@contextmanager
def source_errors() -> Iterator[None]:
    """Translate the errors of a store into those of a source."""
    try:
        yield
    except ObjectMissing as error:
        raise NotFound(
            "source_not_found",
            f"{error.place} {error.reason}, or does not exist any more: bring it back, or name another source",
        ) from error
    except ObjectChanged as error:
        raise Conflict(
            "source_changed",
            f"{error.place} {error.reason} since the request named it, and nothing of it was used after that: submit it"
            " again when it no longer changes",
        ) from error
    except StoreUnavailable as error:
        raise Unavailable(
            "source_unavailable", f"{error.place} cannot be read: {error.reason}, after several tries", 60
        ) from error
    except StoreError as error:
        raise Invalid("source_refused", f"{error.place} cannot be read: {error.reason}") from error


def copy_object(source: PinnedObject, file: IO[bytes], settings: Settings, most: int) -> None:
    """Copy an object of at most `most` bytes to an open file.

    Raises `TooLarge`, `Conflict` if the object changes meanwhile, or `Unavailable`.
    """
    if source.size > most:
        raise TooLarge(
            "source_too_large",
            f"{source.path} has {source.size} bytes; an object that is copied may have at most {most}"
            " (GLASSBOX_MAX_SOURCE_BYTES). Batches read a zip or a plain tar without a copy",
        )
    ends_at = time.monotonic() + settings.source_seconds
    bucket = source.opened(settings)
    with source_errors():
        for chunk in bucket.chunks(source.stored):
            file.write(chunk)
            if time.monotonic() > ends_at:
                raise Unavailable(
                    "source_unavailable",
                    f"the copy of {source.path} takes longer than {settings.source_seconds:g} s"
                    " (GLASSBOX_SOURCE_SECONDS); nothing was kept",
                    60,
                )


class StoredBytes:
    """The bytes of an object, read in large pieces of which one is in memory. It belongs to one thread."""

    def __init__(self, source: PinnedObject, bucket: Bucket, seconds: float | None = None) -> None:
        """seconds: the time after which a read raises `Unavailable`; by default there is no limit."""
        self.size = source.size
        self._source = source
        self._bucket = bucket
        self._seconds = seconds
        self._ends_at = None if seconds is None else time.monotonic() + seconds
        self._start, self._piece = 0, b""
        self._size_of_next = LEAST_PIECE
        self._spans: Sequence[Span] = ()

    def expect(self, spans: Sequence[Span]) -> None:
        """Announce the ranges that are read next, in ascending order; the pieces do not reach beyond them."""
        self._spans = spans

    def read_at(self, start: int, least: int, most: int) -> bytes:
        """Return at least `least` bytes from `start`, and at most `most`; fewer at the object's end."""
        stop = min(start + least, self.size)
        if start < self._start or stop > self._start + len(self._piece):
            self._load(start, stop)
        at = start - self._start
        return self._piece[at : at + most]

    def _load(self, start: int, stop: int) -> None:
        if self._ends_at is not None and time.monotonic() > self._ends_at:
            raise Unavailable(
                "source_unavailable",
                f"reading the index of {self._source.path} takes longer than {self._seconds:g} s"
                " (GLASSBOX_SOURCE_SECONDS); a zip has its index at one place, a tar all over the file",
                60,
            )
        gap = start - self._start - len(self._piece)
        follows = -len(self._piece) <= gap <= self._size_of_next  # else most of a larger piece would be skipped
        self._size_of_next = min(LARGEST_PIECE, 2 * self._size_of_next) if follows else LEAST_PIECE
        span = next((span for span in self._spans if span[0] <= start < span[1]), None)
        end = start + self._size_of_next if span is None else min(span[1], start + LARGEST_PIECE)
        end = min(self.size, max(stop, end))
        self._piece = b""  # frees it before the next is read
        with source_errors():
            self._start, self._piece = start, self._bucket.read(self._source.stored, start, end)


def coalesced(spans: Sequence[Span]) -> list[Span]:
    """Join ascending spans that overlap or lie close together."""
    joined: list[Span] = []
    for start, stop in spans:
        if joined and start <= joined[-1][1] + GAP:
            joined[-1] = joined[-1][0], max(stop, joined[-1][1])
        else:
            joined.append((start, stop))
    return joined
