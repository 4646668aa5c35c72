"""The client's exceptions.

    GlassboxError
    ├── SettingsError          the client's settings are invalid
    ├── WrongArgument          an argument is invalid; also a ValueError
    ├── LocalFileError         a local file or folder cannot be read or written
    ├── NotReachable           the server does not answer
    ├── UnexpectedAnswer       the response is not one of a Glassbox server that this client supports
    ├── DownloadDamaged        the downloaded bytes differ from those on the server
    ├── JobFailed              a job failed or was cancelled (`jobs.py`)
    ├── StillRunning           a job did not end within the timeout
    └── Refused                the server responded with an error
        ├── Malformed          400  the bytes are not in the declared format
        ├── Unauthenticated    401  the API key is missing or unknown
        ├── Forbidden          403  the key lacks a scope, which is in `scope`
        ├── NotFound           404  the job, model, version or data set does not exist
        ├── TooSlow            408  the request's body arrived too slowly
        ├── Conflict           409  the resource's state does not allow this
        ├── Gone               410  the upload has expired
        ├── LengthRequired     411  an upload has no length
        ├── PreconditionFailed 412  the resource's state does not meet the request's condition
        ├── TooLarge           413  a limit is exceeded
        ├── UnsupportedType    415  the type of the file is not supported
        ├── Invalid            422  a value is invalid; `fields` lists the invalid fields
        ├── Locked             423  another request changes the upload now
        ├── TooMany            429  too many requests or waiting jobs; try again after `retry_after` seconds
        ├── ChecksumMismatch   460  the bytes that arrived differ from those that were sent
        ├── ServerFault        500  an internal error of the server
        │   └── Damaged        500  a stored file is damaged
        ├── NotInstalled       501  an optional part of the server is not installed
        ├── Unavailable        503  a part of the service does not answer; try again after `retry_after` seconds
        └── StorageFull        507  the server's volume is full

A `Refused` has the error's stable `code`, its `status`, its `detail` for people, and the `request_id` of the server's
log.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class GlassboxError(Exception):
    """The base class of the client's exceptions; never raised itself."""


class SettingsError(GlassboxError):
    """The client's settings are invalid."""


class WrongArgument(GlassboxError, ValueError):
    """An argument is invalid."""


class LocalFileError(GlassboxError):
    """A local file or folder cannot be read or written."""


class NotReachable(GlassboxError):
    """The server does not answer."""


class UnexpectedAnswer(GlassboxError):
    """The response is not one of a Glassbox server that this client supports."""


class DownloadDamaged(GlassboxError):
    """The downloaded bytes differ from those on the server."""


class StillRunning(GlassboxError):
    """A job did not end within the timeout; it continues on the server."""


class Refused(GlassboxError):
    """The server responded with an error. problem: its JSON (RFC 9457)."""

    def __init__(self, problem: Mapping[str, Any], request_id: str = "", retry_after: float | None = None) -> None:
        super().__init__(str(problem["detail"]))
        self.problem = problem
        self.code = str(problem["code"])
        self.status = int(problem["status"])
        self.detail = str(problem["detail"])
        self.request_id = request_id
        self.retry_after = retry_after

    @property
    def fields(self) -> list[dict[str, str]]:
        """The invalid fields: each has a `detail`, and a `pointer` or a `parameter`."""
        return list(self.problem.get("errors", ()))


class Malformed(Refused):
    """The bytes are not in the declared format."""


class Unauthenticated(Refused):
    """The API key is missing or unknown."""


class Forbidden(Refused):
    """The API key does not allow this."""

    @property
    def scope(self) -> str | None:
        """The scope that the key lacks, or None if the reason is another one."""
        return self.problem.get("scope")


class NotFound(Refused):
    """The job, model, version or data set does not exist."""


class Conflict(Refused):
    """The resource's state does not allow this."""


class Gone(Refused):
    """The upload has expired."""


class Locked(Refused):
    """Another request changes the upload now."""


class ChecksumMismatch(Refused):
    """The bytes that arrived differ from those that were sent."""


class LengthRequired(Refused):
    """An upload has no length."""


class PreconditionFailed(Refused):
    """The resource's state does not meet the request's condition."""


class TooSlow(Refused):
    """The request's body arrived too slowly."""


class TooLarge(Refused):
    """A limit is exceeded."""


class UnsupportedType(Refused):
    """The type of the file is not supported."""


class Invalid(Refused):
    """A value is invalid."""


class TooMany(Refused):
    """Too many requests, or too many waiting jobs."""


class ServerFault(Refused):
    """An internal error of the server."""


class Damaged(ServerFault):
    """A stored file is damaged."""


class NotInstalled(Refused):
    """An optional part of the server is not installed."""


class Unavailable(Refused):
    """A part of the service does not answer."""


class StorageFull(Refused):
    """The server's volume is full."""


BY_STATUS: dict[int, type[Refused]] = {
    400: Malformed,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    408: TooSlow,
    409: Conflict,
    410: Gone,
    411: LengthRequired,
    412: PreconditionFailed,
    413: TooLarge,
    415: UnsupportedType,
    422: Invalid,
    423: Locked,
    429: TooMany,
    460: ChecksumMismatch,
    500: Damaged,
    501: NotInstalled,
    503: Unavailable,
    507: StorageFull,
}


def refusal(problem: Mapping[str, Any], request_id: str = "", retry_after: float | None = None) -> Refused:
    """Return the exception for an error response: by its status, and by its code if a status has two classes."""
    kind = BY_STATUS.get(int(problem["status"]), Refused)
    if kind is Damaged and problem["code"] == "internal_error":
        kind = ServerFault
    return kind(problem, request_id, retry_after)
