"""`/v1/uploads`: resumable uploads of archives and data sets, with the protocol tus 1.0."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from flask import Blueprint, Response, request

from api.auth.middleware import current_owner
from api.middleware.idempotency import id_to_make, idempotent
from api.resources.uploads import headers
from api.resources.uploads.headers import Checksum
from api.resources.uploads.receiving import CONTENT_TYPE, Room, check_content, receive
from api.schema.operations import BytesSpec, ErrorSpec, ResponseSpec, error_response, operation
from api.schema.uploads import UploadView, upload_view
from shared.errors import (
    ChecksumMismatch,
    Conflict,
    Forbidden,
    Gone,
    Locked,
    Malformed,
    NotFound,
    PreconditionFailed,
    TooLarge,
    UnsupportedType,
)
from shared.idempotency import IdempotencyKeys
from shared.storage.uploads.record import Upload, UploadRecord
from shared.storage.uploads.store import UploadStore

VERSIONED = frozenset({"POST", "PATCH", "HEAD", "DELETE"})
WRITES = (
    error_response(Malformed, "malformed_upload", "malformed_checksum"),
    error_response(PreconditionFailed, "tus_version"),
    error_response(TooLarge, "upload_too_long", "upload_too_large", "upload_quota_exceeded"),
    error_response(UnsupportedType, "upload_type"),
    error_response(Locked, "upload_locked"),
    error_response(ChecksumMismatch, "checksum_mismatch"),
)
MISSING: tuple[ErrorSpec, ...] = (error_response(NotFound, "upload_not_found"), error_response(Gone, "upload_expired"))
OF_AN_UPLOAD = (
    *("Tus-Resumable", "Upload-Offset", "Upload-Length", "Upload-Expires", "Upload-Metadata", "Upload-Concat"),
    "Upload-Defer-Length",
)


def blueprint(store: UploadStore, keys: IdempotencyKeys) -> Blueprint:
    """Return the routes of resumable uploads."""
    routes = Blueprint("uploads", __name__, url_prefix="/v1/uploads")

    @routes.before_request
    def check_version() -> None:
        version = request.headers.get("Tus-Resumable")
        if request.method in VERSIONED and version != headers.VERSION:
            raise PreconditionFailed(
                "tus_version", f"send Tus-Resumable: {headers.VERSION}, the version of the protocol; got {version}"
            )

    @routes.after_request
    def describe_server(response: Response) -> Response:
        response.headers["Tus-Resumable"] = headers.VERSION
        if request.method == "OPTIONS" or response.status_code == 412:
            response.headers["Tus-Version"] = headers.VERSION
        if request.method == "OPTIONS":
            response.headers["Tus-Extension"] = headers.EXTENSIONS
            response.headers["Tus-Checksum-Algorithm"] = ",".join(headers.ALGORITHMS)
            response.headers["Tus-Max-Size"] = str(store.most_bytes)
        return response

    @routes.post("")
    @operation(
        "Begin a resumable upload",
        scope="submit",
        body=BytesSpec("the first bytes of the upload, if the request has any", CONTENT_TYPE, required=False),
        responses={201: ResponseSpec((UploadView,), "The upload was created.", ("Location", *OF_AN_UPLOAD))},
        errors=(
            *WRITES,
            *MISSING,
            error_response(Malformed, "malformed_concatenation"),
            error_response(TooLarge, "too_many_uploads"),
            error_response(Conflict, "upload_incomplete", "upload_not_partial", "upload_concatenated", "upload_place"),
        ),
        headers=(
            *("Tus-Resumable", "Upload-Length", "Upload-Defer-Length", "Upload-Metadata", "Upload-Concat"),
            *("Upload-Checksum", "Upload-Part-Start", "Upload-Part-Of"),
        ),
    )
    @idempotent(keys)
    def create() -> tuple[UploadView, int, dict[str, str]]:
        """Send the bytes by PATCH to the `Location`, in as many requests as needed, or parallel ones by concatenation.

        The volume's space is weighed, and reserved, before the first byte. A data set or a batch then names the upload.
        """
        upload = begin(store)
        location = f"{headers.PATH}/{upload.record.id}"
        return upload_view(upload), 201, {"Location": location, **headers.of_upload(upload)}

    @routes.get("/<upload_id>")
    @operation(
        "Show a resumable upload",
        scope="submit",
        responses={200: ResponseSpec((UploadView,), headers=OF_AN_UPLOAD)},
        errors=(*MISSING, error_response(PreconditionFailed, "tus_version")),
    )
    def show(upload_id: str) -> tuple[UploadView, dict[str, str]]:
        """HEAD, with `Tus-Resumable`, returns the headers alone: the offset at which to continue."""
        upload = store.find(current_owner(), upload_id, durably=True)
        return upload_view(upload), headers.of_upload(upload)

    @routes.patch("/<upload_id>")
    @operation(
        "Send bytes of a resumable upload",
        scope="submit",
        body=BytesSpec("the bytes from Upload-Offset on", CONTENT_TYPE),
        responses={204: ResponseSpec(headers=OF_AN_UPLOAD)},
        errors=(
            *WRITES,
            *MISSING,
            error_response(Conflict, "upload_offset", "upload_length"),
            error_response(Forbidden, "upload_final"),
        ),
        headers=("Tus-Resumable", "Upload-Offset", "Upload-Length", "Upload-Checksum"),
    )
    def append(upload_id: str) -> tuple[str, int, dict[str, str]]:
        """What arrives before the connection breaks is kept, unless the request has an `Upload-Checksum`."""
        return "", 204, headers.of_upload(append_body(store, upload_id))

    @routes.delete("/<upload_id>")
    @operation(
        "Delete a resumable upload",
        scope="submit",
        responses={204: None},
        errors=(*MISSING, error_response(PreconditionFailed, "tus_version")),
        headers=("Tus-Resumable",),
    )
    def delete(upload_id: str) -> tuple[str, int]:
        """A request that still sends bytes to it fails. Data sets and jobs that were made from it stay."""
        store.remove(current_owner(), upload_id)
        return "", 204

    return routes


def begin(store: UploadStore) -> Upload:
    """Create the upload that the request describes, and store the bytes in its body."""
    wanted = headers.creation()
    checksum = Checksum()
    has_content = bool(request.content_length or "Transfer-Encoding" in request.headers)
    record = UploadRecord(
        id=id_to_make(),
        length=wanted.length,
        metadata=wanted.metadata,
        partial=wanted.partial,
        start=wanted.start,
        first=wanted.first,
    )
    if wanted.parts is not None:
        if has_content:
            raise Forbidden("upload_final", "a concatenation gets its bytes from its parts; send none")
        return store.concatenate(current_owner(), record.model_copy(update={"parts": wanted.parts}))
    room = room_of(store, wanted.length, 0)
    if has_content:
        check_content(room)
    upload = store.create(current_owner(), record)
    if has_content:
        with removed_if_refused(store, upload), store.writing(upload) as writer:
            receive(writer, room, checksum)
    return finished(store, upload)


@contextmanager
def removed_if_refused(store: UploadStore, upload: Upload) -> Iterator[None]:
    """Remove a new upload if the block raises: the client gets no `Location`, and would begin another one."""
    try:
        yield
    except BaseException:
        if not upload.offset:
            with suppress(NotFound, Gone):
                store.remove(upload.owner, upload.record.id)
        raise


def room_of(store: UploadStore, length: int | None, offset: int) -> Room:
    """Return how many bytes an upload may still receive. Without a length, the owner's quota limits it."""
    if length is not None:
        return Room(max(length - offset, 0))
    owner = current_owner()
    most = max(min(store.most_bytes - offset, store.left(owner)), 0)
    return Room(most, lambda: store.check_quota(owner, 0), "GLASSBOX_MAX_UPLOAD_BYTES and GLASSBOX_UPLOAD_QUOTA leave")


def append_body(store: UploadStore, upload_id: str) -> Upload:
    """Append the request's body to the upload."""
    upload = store.find(current_owner(), upload_id)
    offset, length, checksum = headers.offset(), headers.number("Upload-Length"), Checksum()
    if upload.record.parts:
        raise Forbidden("upload_final", f"the upload {upload_id} is a concatenation, to which no bytes are added")
    if upload.record.length is not None and length not in {None, upload.record.length}:
        raise Conflict("upload_length", f"the upload has the length {upload.record.length}; it cannot change")
    total = upload.record.length if length is None else length
    if offset != upload.offset:
        raise wrong_offset(upload.offset, offset)
    room = room_of(store, total, offset)
    check_content(room)
    if upload.is_complete:  # also if its bytes have moved into a concatenation
        return upload
    with store.writing(upload) as writer:
        if writer.offset != offset:
            raise wrong_offset(writer.offset, offset)
        if upload.record.length is None and length is not None:
            if length < offset:
                detail = f"the upload has {offset} bytes already; got Upload-Length: {length}"
                raise Conflict("upload_length", detail)
            store.set_length(upload, length)
        receive(writer, room, checksum)
    return finished(store, upload)


def finished(store: UploadStore, upload: Upload) -> Upload:
    """Return the upload as it is now; if it is complete, it shares its bytes with an equal one."""
    upload = store.find(upload.owner, upload.record.id)
    if upload.is_complete and not upload.record.partial:
        store.completed(upload.owner, upload.record.id)
    return upload


def wrong_offset(offset: int, given: int) -> Conflict:
    """Return the error for a request that does not continue at the upload's offset."""
    return Conflict("upload_offset", f"the upload has {offset} bytes: continue there; got Upload-Offset: {given}")
