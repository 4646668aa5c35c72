"""The JSON of resumable uploads, for the OpenAPI document."""

from __future__ import annotations

import base64

from pydantic import with_config
from typing_extensions import TypedDict

from api.schema.examples import UPLOAD, shown_as
from shared.jobs.view import Time
from shared.runtime.clock import rfc3339
from shared.storage.uploads.record import Upload


@with_config(shown_as(UPLOAD))
class UploadView(TypedDict):
    """A resumable upload. `offset` bytes of `length` are on the volume; `length` is null until it is announced.

    A `partial` upload can only become a part of a concatenation.
    """

    id: str
    offset: int
    length: int | None
    complete: bool
    partial: bool
    metadata: dict[str, str]
    created_at: Time
    expires_at: Time


def upload_view(upload: Upload) -> UploadView:
    """Return the JSON of an upload."""
    return {
        "id": upload.record.id,
        "offset": upload.offset,
        "length": upload.record.length,
        "complete": upload.is_complete,
        "partial": upload.record.partial,
        "metadata": metadata_of(upload.record.metadata),
        "created_at": upload.record.created_at,
        "expires_at": rfc3339(int(upload.expires_at * 1000)),
    }


def metadata_of(text: str) -> dict[str, str]:
    """Return the pairs of an `Upload-Metadata`; bytes that are not UTF-8 are replaced."""
    pairs = (pair.partition(" ") for pair in text.split(",") if pair)
    return {key: base64.b64decode(value).decode(errors="replace") for key, _, value in pairs}
