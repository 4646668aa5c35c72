"""Errors of an operation: declared ones, ones that the declaration implies, and ones of every operation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus

from api.problems import OUT_OF_MEMORY, STATUSES
from api.schema.operations import VALIDATED, BytesSpec, ErrorSpec, Operation, UploadSpec, error_response
from shared.errors import (
    Conflict,
    Forbidden,
    Invalid,
    LengthRequired,
    Malformed,
    NotFound,
    StorageFull,
    TooLarge,
    TooMany,
    TooSlow,
    Unauthenticated,
    Unavailable,
    UnsupportedType,
)
from shared.runtime.redis_faults import FAULTS

Codes = Mapping[int, tuple[str, ...]]

ANY: dict[int, tuple[str, ...]] = {
    HTTPStatus.BAD_REQUEST: ("bad_request", "malformed_host", "malformed_query"),
    HTTPStatus.INTERNAL_SERVER_ERROR: ("internal_error",),
}
WITH_AN_ETAG: dict[int, tuple[str, ...]] = {HTTPStatus.PRECONDITION_FAILED: ("precondition_failed",)}
WITH_A_RANGE: dict[int, tuple[str, ...]] = {
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: ("requested_range_not_satisfiable",)
}
WITH_A_KEY = (
    error_response(Unauthenticated, "key_missing", "key_unknown"),
    error_response(Forbidden, "scope_missing", "host_not_local", "origin_not_local"),
    error_response(TooMany, "too_many_requests"),
    error_response(Unavailable, *(fault.code for fault in FAULTS), OUT_OF_MEMORY),
)
WITH_A_CHANGE = (error_response(StorageFull, "storage_full"),)
WITH_A_PATH_PARAMETER = (error_response(NotFound, "not_found"),)
WITH_A_QUERY = (error_response(Invalid, "validation_failed"),)
WITH_A_NEEDLESS_BODY = (
    error_response(Malformed, "body_cut_short", "body_damaged", "malformed_json"),
    error_response(TooLarge, "body_too_large", "request_too_large"),
    error_response(UnsupportedType, "encoding_unknown"),
    error_response(Unavailable, "memory_busy"),
    error_response(TooSlow, "body_too_slow"),
)
WITH_JSON = (
    error_response(Malformed, "body_cut_short", "body_damaged", "malformed_json"),
    error_response(TooLarge, "body_too_large", "request_too_large"),
    error_response(UnsupportedType, "json_expected", "encoding_unknown"),
    error_response(Invalid, "validation_failed"),
    error_response(Unavailable, "memory_busy"),
)
WITH_A_FILE = (
    error_response(
        Malformed, "body_cut_short", "body_damaged", "malformed_form", "malformed_digest", "digest_mismatch"
    ),
    error_response(UnsupportedType, "encoding_unknown"),
    error_response(LengthRequired, "length_required"),
    error_response(TooLarge, "body_too_large", "form_too_large"),
    error_response(Invalid, "file_expected", "validation_failed"),
)
WITH_BYTES = (
    error_response(Malformed, "body_cut_short"),
    error_response(UnsupportedType, "encoding_unknown"),
)
WITH_A_BODY = (error_response(TooSlow, "body_too_slow"),)
WITH_AN_IDEMPOTENCY_KEY = (
    error_response(Malformed, "malformed_idempotency_key"),
    error_response(Conflict, "idempotency_key_in_use"),
    error_response(Invalid, "idempotency_key_reused"),
)


def codes_of(operation: Operation, path: str) -> Codes:
    """Return the error codes of the operation at this path, by status."""
    codes: dict[int, list[str]] = {}
    general: dict[int, tuple[str, ...]] = {
        **ANY,
        **(WITH_A_RANGE if "Range" in operation.headers else {}),
        **(WITH_AN_ETAG if any("ETag" in response.headers for response in operation.responses.values()) else {}),
    }
    for status, some in general.items():
        codes.setdefault(status, []).extend(some)
    for spec in _error_specs(operation, path):
        codes.setdefault(STATUSES[spec.error], []).extend(spec.codes)
    return {status: tuple(dict.fromkeys(codes[status])) for status in sorted(codes)}


def _error_specs(operation: Operation, path: str) -> Iterator[ErrorSpec]:
    yield from operation.errors
    if operation.scope is not None:
        yield from WITH_A_KEY
    if operation.scope in {"submit", "manage"}:  # a change writes to the volume
        yield from WITH_A_CHANGE
        if operation.body is None:
            yield from WITH_A_NEEDLESS_BODY
    if "<" in path:
        yield from WITH_A_PATH_PARAMETER
    if f"{path}/".startswith(VALIDATED):
        yield from WITH_A_QUERY
    if operation.body is not None:
        yield from WITH_A_BODY
    if isinstance(operation.body, UploadSpec):
        yield from WITH_A_FILE
        if operation.body.json is not None:
            yield from WITH_JSON
    elif isinstance(operation.body, BytesSpec):
        yield from WITH_BYTES
    elif operation.body is not None:
        yield from WITH_JSON
    if operation.creates:
        yield from WITH_AN_IDEMPOTENCY_KEY
