"""Declarations of bodies by reference: the models of their JSON, and the errors of operations that take them."""

from __future__ import annotations

from typing import Any

from pydantic import Field, create_model

from api.requests.bodies.references import BodyReference, SeveralReferences
from api.requests.validation import RequestModel
from api.schema.examples import ARCHIVES_BY_REFERENCE, BY_REFERENCE, WITH_A_SINK, shown_as
from api.schema.operations import error_response
from shared.errors import Conflict, Forbidden, Gone, Invalid, NotFound, NotInstalled, TooLarge, Unavailable

ERRORS = (
    error_response(Forbidden, "source_not_allowed"),
    error_response(NotFound, "source_not_found", "source_unreadable", "upload_not_found"),
    error_response(Gone, "upload_expired"),
    error_response(Conflict, "source_changed", "upload_incomplete", "upload_partial"),
    error_response(Invalid, "source_invalid", "source_not_a_file", "source_refused", "source_internal"),
    error_response(TooLarge, "source_too_large"),
    error_response(Unavailable, "source_unavailable", "downloads_busy"),
    error_response(NotInstalled, "s3_not_installed"),
)
"""The errors of an operation that takes a body by reference."""

STORE_ERRORS = (
    error_response(Invalid, "source_refused"),
    error_response(Unavailable, "source_unavailable"),
    error_response(NotInstalled, "s3_not_installed"),
)
"""The errors of an operation that reads an archive, if that is in an object store."""


class _Shown(BodyReference):
    """What a request names in place of a body, and its options, which the query may have as well."""

    model_config = shown_as(*BY_REFERENCE) | {"extra": "forbid", "frozen": True}


class _SeveralShown(SeveralReferences):
    """What a request names in place of a body, and its options, which the query may have as well."""

    model_config = shown_as(*BY_REFERENCE, ARCHIVES_BY_REFERENCE, WITH_A_SINK) | {"extra": "forbid", "frozen": True}


def reference_with(name: str, options: type[RequestModel], *, several: bool = False) -> type[BodyReference]:
    """Return the model of a body by reference that may also have the operation's options, all of them optional.

    several: whether it may name several archives.
    """
    fields: dict[str, Any] = {
        each: (field.rebuild_annotation() | None, Field(None, description=field.description, examples=field.examples))
        for each, field in options.model_fields.items()
    }
    return create_model(name, __base__=_SeveralShown if several else _Shown, __doc__=_Shown.__doc__, **fields)
