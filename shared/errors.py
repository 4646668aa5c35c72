"""Every error that is meant for a person, as one tree; `api/problems.py` alone knows their HTTP statuses.

    GlassboxError
    ├── Unauthenticated       no API key, or none that is known
    ├── Forbidden             a key that may not do this: `scope` says what it would have to be allowed
    ├── Malformed             the bytes are not what they claim to be: cut short, not JSON, a wrong digest
    ├── LengthRequired        an upload that does not say how long it is
    ├── TooLarge              more than a limit allows
    ├── UnsupportedType       a kind of file or body that is not taken here
    ├── Invalid               understood, and refused: `fields` names what is wrong with which field
    ├── NotFound              no such job, model, version, data set or page
    ├── Conflict              it cannot be done in the state that the thing is in
    ├── PreconditionFailed    the thing is not in the state that the request made a condition
    ├── Damaged               a stored file is not what was stored: its digest is wrong
    ├── TooMany               more requests, or more waiting jobs, than are taken; `retry_after` seconds help
    ├── StorageFull           the volume has no space left
    ├── NotInstalled          a part that this server was set up without
    └── Unavailable           a part that is needed does not answer; `retry_after` seconds may help

Each carries a stable `code` for programs and a `detail` that tells a person what happened and what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field of a request: a JSON pointer (`#/epochs`) or a query parameter's name."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None


class GlassboxError(Exception):
    """The root; never raised itself."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Unauthenticated(GlassboxError):
    """No API key, or none that is known."""


class Forbidden(GlassboxError):
    """A request that its sender may not make."""

    def __init__(self, code: str, detail: str, scope: str | None = None) -> None:
        super().__init__(code, detail)
        self.scope = scope


class Malformed(GlassboxError):
    """The bytes are not what they claim to be."""


class LengthRequired(GlassboxError):
    """An upload without a Content-Length."""


class TooLarge(GlassboxError):
    """More than a limit allows."""


class UnsupportedType(GlassboxError):
    """A kind of file or body that is not taken here."""


class Invalid(GlassboxError):
    """A request that was understood and is refused."""

    def __init__(self, code: str, detail: str, fields: Sequence[FieldError] = ()) -> None:
        super().__init__(code, detail)
        self.fields = tuple(fields)


class NotFound(GlassboxError):
    """No such thing."""


class Conflict(GlassboxError):
    """Not possible in the state that the thing is in."""


class PreconditionFailed(GlassboxError):
    """The thing is not in the state that the request made a condition."""


class Damaged(GlassboxError):
    """A stored file whose digest is wrong."""


class TooMany(GlassboxError):
    """More at once than is taken."""

    def __init__(self, code: str, detail: str, retry_after: int) -> None:
        super().__init__(code, detail)
        self.retry_after = retry_after


class StorageFull(GlassboxError):
    """The volume has no space left."""


class NotInstalled(GlassboxError):
    """A part that this server was set up without."""


class Unavailable(GlassboxError):
    """A part that is needed does not answer."""

    def __init__(self, code: str, detail: str, retry_after: int = 2) -> None:
        super().__init__(code, detail)
        self.retry_after = retry_after
