"""Resumable uploads, as the server describes them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Upload:
    """A resumable upload. offset: the bytes on the server. length: of the whole; None until it is announced.

    partial: whether it can only become a part of a concatenation. metadata: what the client said when it began it.
    """

    id: str
    offset: int
    length: int | None
    complete: bool
    partial: bool
    created_at: str
    expires_at: str
    metadata: dict[str, str] = field(default_factory=dict)
