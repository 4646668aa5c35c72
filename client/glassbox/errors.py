"""What can go wrong, as one tree.

    GlassboxError
    ├── SettingsError          the settings of this program cannot be used
    ├── WrongArgument          an argument that cannot be meant; also a ValueError
    ├── LocalFileError         a file or folder here cannot be read or written
    ├── NotReachable           the server does not answer
    ├── UnexpectedAnswer       something answered that is no Glassbox, or one that this client does not understand
    ├── DownloadDamaged        what arrived is not what the server has
    ├── JobFailed              a job ended without success (`jobs.py`)
    ├── StillRunning           a job was not over in the time that was given for it
    └── Refused                the server answered with a problem
        ├── Malformed          400  the bytes are not what they claim to be
        ├── Unauthenticated    401  no API key, or none that is known
        ├── Forbidden          403  the key may not do this; `scope` says what it would have to be allowed
        ├── NotFound           404  no such job, model, version or data set
        ├── Conflict           409  not possible in the state that the thing is in
        ├── LengthRequired     411  an upload that does not say how long it is
        ├── PreconditionFailed 412  the thing is not in the state that was made a condition
        ├── TooLarge           413  more than a limit allows
        ├── UnsupportedType    415  not a kind of file that is taken
        ├── Invalid            422  understood, and refused; `fields` names what is wrong
        ├── TooMany            429  too many requests or waiting jobs; `retry_after` seconds help
        ├── ServerFault        500  a fault of the server's
        │   └── Damaged        500  a stored file is not what was stored
        ├── NotInstalled       501  a part that the server was set up without
        ├── Unavailable        503  a part that is needed does not answer; `retry_after` seconds may help
        └── StorageFull        507  the server's volume is full

What was refused carries the problem's stable `code`, its `status`, its `detail` for people, and the `request_id` that
the server's log has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class GlassboxError(Exception):
    """The root; never raised itself."""


class SettingsError(GlassboxError):
    """The settings of this program cannot be used."""


class WrongArgument(GlassboxError, ValueError):
    """An argument that cannot be meant."""


class LocalFileError(GlassboxError):
    """A file or a folder on this machine cannot be read or written."""


class NotReachable(GlassboxError):
    """The server does not answer."""


class UnexpectedAnswer(GlassboxError):
    """An answer that is not what a Glassbox server says."""


class DownloadDamaged(GlassboxError):
    """What arrived is not what the server has."""


class StillRunning(GlassboxError):
    """A job was not over in the time that was given for it; it goes on."""


class Refused(GlassboxError):
    """The server answered with a problem (RFC 9457); `problem` has all of it."""

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
        """What is wrong with which field: `detail`, and `pointer` or `parameter`."""
        return list(self.problem.get("errors", ()))


class Malformed(Refused):
    """The bytes are not what they claim to be."""


class Unauthenticated(Refused):
    """No API key, or none that is known."""


class Forbidden(Refused):
    """The key may not do this."""

    @property
    def scope(self) -> str | None:
        """What the key would have to be allowed."""
        return self.problem.get("scope")


class NotFound(Refused):
    """No such thing."""


class Conflict(Refused):
    """Not possible in the state that the thing is in."""


class LengthRequired(Refused):
    """An upload that does not say how long it is."""


class PreconditionFailed(Refused):
    """The thing is not in the state that was made a condition."""


class TooLarge(Refused):
    """More than a limit allows."""


class UnsupportedType(Refused):
    """Not a kind of file that is taken."""


class Invalid(Refused):
    """Understood, and refused."""


class TooMany(Refused):
    """Too many requests, or too many waiting jobs."""


class ServerFault(Refused):
    """A fault of the server's, not of the request."""


class Damaged(ServerFault):
    """A stored file is not what was stored."""


class NotInstalled(Refused):
    """A part that the server was set up without."""


class Unavailable(Refused):
    """A part that is needed does not answer."""


class StorageFull(Refused):
    """The server's volume is full."""


BY_STATUS: dict[int, type[Refused]] = {
    400: Malformed,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    411: LengthRequired,
    412: PreconditionFailed,
    413: TooLarge,
    415: UnsupportedType,
    422: Invalid,
    429: TooMany,
    500: Damaged,
    501: NotInstalled,
    503: Unavailable,
    507: StorageFull,
}


def refusal(problem: Mapping[str, Any], request_id: str = "", retry_after: float | None = None) -> Refused:
    """The exception that stands for a problem: by its status, and by its code where a status has several."""
    kind = BY_STATUS.get(int(problem["status"]), Refused)
    if kind is Damaged and problem["code"] == "internal_error":
        kind = ServerFault
    return kind(problem, request_id, retry_after)
