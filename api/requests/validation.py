"""Requests as typed values: JSON bodies and query parameters, with an error for each field that is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, NoReturn, TypeVar

from flask import request
from pydantic import BaseModel, ConfigDict, PlainValidator, ValidationError, ValidationInfo, WithJsonSchema

from api.requests.body import whole_body
from shared.errors import FieldError, Invalid, Malformed, UnsupportedType
from shared.network import ConfigurationError
from shared.network.settings.fields import Field
from shared.runtime.settings import Settings
from shared.storage.names import NAME


class RequestModel(BaseModel):
    """What a request may hold; an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


AnyForm = TypeVar("AnyForm", bound=RequestModel)


def from_json(form: type[AnyForm], limits: Settings) -> AnyForm:
    """Read the request's JSON body as `form`; numbers are not taken from texts, nor texts from numbers."""
    if not request.is_json:
        raise UnsupportedType("json_expected", "send JSON, with the header Content-Type: application/json")
    body = whole_body(limits.max_json_bytes)
    try:
        content = json.loads(body, parse_constant=_refuse_constant)
        json.dumps(content, ensure_ascii=False).encode()  # half a character, as \ud800 is one, is no text
    except (ValueError, RecursionError) as error:
        raise Malformed("malformed_json", f"the body is not JSON: {error}") from error
    try:
        return form.model_validate(content, strict=True)
    except ValidationError as error:
        fields = [_field_error(item) for item in error.errors()]
        raise Invalid("validation_failed", _summary(fields), fields) from error


def from_texts(form: type[AnyForm], texts: Mapping[str, str]) -> AnyForm:
    """Read query parameters, or the parts of an HTML form, as `form`."""
    try:
        return form.model_validate(dict(texts))
    except ValidationError as error:
        fields = [FieldError(_describe(item), parameter=".".join(map(str, item["loc"]))) for item in error.errors()]
        raise Invalid("validation_failed", _summary(fields), fields) from error


def described_by(field: Field) -> Any:
    """The annotation of a request's field that the network checks and describes."""

    def check(value: object, info: ValidationInfo) -> Any:
        return field.check_override(str(info.field_name), value)

    return Annotated[Any, PlainValidator(check), WithJsonSchema(field.schema())]


def invalid_configuration(error: ConfigurationError) -> Invalid:
    """A setting that the network rejects, as an error of the request's field."""
    field = _setting_error(error)
    return Invalid("validation_failed", _summary([field]), [field])


def _field_error(item: Any) -> FieldError:
    cause = item.get("ctx", {}).get("error")
    if isinstance(cause, ConfigurationError):
        return _setting_error(cause)
    return FieldError(_describe(item), pointer=_pointer(item["loc"]))


def _setting_error(error: ConfigurationError) -> FieldError:
    return FieldError(error.reason, pointer=_pointer(error.field.split(".")))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _pointer(path: Any) -> str:
    """A JSON pointer as a URI fragment (RFC 6901, section 6)."""
    return "#" + "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _describe(item: Any) -> str:
    """What is wrong with a field, in the caller's words rather than in our library's."""
    match item["type"]:
        case "extra_forbidden":
            return "is not a field of this request"
        case "model_type":
            return "must be a JSON object"
        case "string_pattern_mismatch" if NAME in item["ctx"]["pattern"]:
            return "must be 1 to 64 of a-z, 0-9, dot, underscore and hyphen, beginning with a letter or digit"
    return str(item["msg"])


def _summary(fields: list[FieldError]) -> str:
    return "; ".join(f"{field.pointer or field.parameter}: {field.detail}" for field in fields)
