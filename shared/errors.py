"""The errors that are shown to users, as one tree; only `api/problems.py` maps them to HTTP statuses.

    GlassboxError
    ├── Unauthenticated       no API key, or an unknown one
    ├── Forbidden             the key does not allow the request: `scope` is the scope that it needs
    ├── Malformed             the content does not have its declared format: cut short, not JSON, a wrong digest
    ├── LengthRequired        an upload without its length
    ├── TooSlow               a body that arrives too slowly
    ├── TooLarge              more than a limit allows
    ├── UnsupportedType       a type of file or body that this operation does not accept
    ├── Invalid               well-formed, and refused: `fields` says what is wrong with which field
    ├── NotFound              the job, model, version, data set or page does not exist
    ├── Gone                  it existed, and has expired
    ├── Conflict              the operation is not possible in the resource's state
    ├── PreconditionFailed    the resource is not in the state that the request requires
    ├── Locked                another request changes the resource now
    ├── ChecksumMismatch      the bytes that arrived differ from those that the client sent
    ├── Damaged               a stored file has changed: its digest is wrong
    ├── TooMany               more requests, or more waiting jobs, than allowed; try again after `retry_after` seconds
    ├── StorageFull           the volume has no space left
    ├── NotInstalled          an optional part that is not installed on this server
    └── Unavailable           a required service does not answer; try again after `retry_after` seconds

Each has a stable `code` for programs and a `detail` that says to a person what happened and what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FieldError:
    """An error in one field of a request, given by its JSON pointer (`#/epochs`) or its query parameter's name."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None


class GlassboxError(Exception):
    """The base class; never raised itself."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Unauthenticated(GlassboxError):
    """No API key, or an unknown one."""


class Forbidden(GlassboxError):
    """A request that the API key does not allow."""

    def __init__(self, code: str, detail: str, scope: str | None = None) -> None:
        super().__init__(code, detail)
        self.scope = scope


class Malformed(GlassboxError):
    """Content that does not have its declared format."""


class LengthRequired(GlassboxError):
    """An upload without a Content-Length."""


class TooSlow(GlassboxError):
    """A body that arrives too slowly."""


class TooLarge(GlassboxError):
    """More than a limit allows."""


class UnsupportedType(GlassboxError):
    """A type of file or body that the operation does not accept."""


class Invalid(GlassboxError):
    """A well-formed request with values that are refused."""

    def __init__(self, code: str, detail: str, fields: Sequence[FieldError] = ()) -> None:
        super().__init__(code, detail)
        self.fields = tuple(fields)


class NotFound(GlassboxError):
    """A resource that does not exist."""


class Gone(GlassboxError):
    """A resource that has expired."""


class Locked(GlassboxError):
    """A resource that another request changes now."""


class ChecksumMismatch(GlassboxError):
    """Bytes that differ from those of which the client sent the checksum."""


class Conflict(GlassboxError):
    """An operation that is not possible in the resource's state."""


class PreconditionFailed(GlassboxError):
    """A resource that is not in the state that the request requires."""


class Damaged(GlassboxError):
    """A stored file whose digest is wrong."""


class TooMany(GlassboxError):
    """More requests or waiting jobs than allowed."""

    def __init__(self, code: str, detail: str, retry_after: int) -> None:
        super().__init__(code, detail)
        self.retry_after = retry_after


class StorageFull(GlassboxError):
    """The volume has no space left."""


class NotInstalled(GlassboxError):
    """An optional part that is not installed on this server."""


class Unavailable(GlassboxError):
    """A required service that does not answer."""

    def __init__(self, code: str, detail: str, retry_after: int = 2) -> None:
        super().__init__(code, detail)
        self.retry_after = retry_after
