"""Validation of JSON bodies and query parameters against typed models, with an error for each invalid field."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from flask import request
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from api.requests.bodies import fast_json
from api.requests.bodies.body import whole_body
from api.requests.field_errors import reason_of, summary
from shared.errors import FieldError, Invalid, Malformed, UnsupportedType
from shared.network import ConfigurationError
from shared.network.settings.fields import Field as Setting
from shared.network.settings.validation import shown
from shared.runtime.settings import Settings


class RequestModel(BaseModel):
    """A request's fields. An unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


MOST_UNKNOWN = 20  # fields that Pydantic reports one by one
AnyRequest = TypeVar("AnyRequest", bound=RequestModel)

TimeoutSeconds = Annotated[float, Field(gt=0, le=31_536_000)]
"""The time limit of a job in seconds, at most a year."""


@dataclass(frozen=True)
class Matching:
    """The annotation of a string that matches a regular expression. `reason` is the message if it does not."""

    pattern: str
    reason: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": f"^(?:{self.pattern})$"}

    def _checked(self, text: str) -> str:
        if re.fullmatch(self.pattern, text) is None:
            raise PydanticCustomError("pattern", "{reason}", {"reason": f"{self.reason}; got {shown(text)}"})
        return text


def from_json(model: type[AnyRequest], limits: Settings) -> AnyRequest:
    """Parse the request's JSON body as `model`, without conversion between strings and numbers."""
    if not request.is_json:
        raise UnsupportedType("json_expected", "send JSON with the header Content-Type: application/json")
    content = fast_json.read_exactly(whole_body(limits.limit("max_json_bytes")))
    return validated(model, content)


def from_json_text(model: type[AnyRequest], text: str, parameter: str) -> AnyRequest:
    """Parse the JSON in a parameter or a form's part as `model`, as strictly as a body. Raises `Invalid`."""
    try:
        return validated(model, fast_json.read_exactly(text.encode()))
    except Malformed as error:
        reason = f"must be JSON; {error.detail.removeprefix('the body is not JSON in UTF-8: ')}"
        raise Invalid(
            "validation_failed", f"{parameter}: {reason}", [FieldError(reason, parameter=parameter)]
        ) from error


def reject_fields(limits: Settings) -> None:
    """Raise `Invalid` if the request's body is not empty, an empty JSON object, or `null`."""
    body = whole_body(limits.limit("max_json_bytes"))
    content = fast_json.read_exactly(body) if body.strip() else None
    if content is not None:
        validated(RequestModel, content)


def validated(model: type[AnyRequest], content: Any) -> AnyRequest:
    """Validate parsed JSON as `model`, without conversion between strings and numbers. Raises `Invalid`."""
    if isinstance(content, dict) and len(content) > len(model.model_fields) + MOST_UNKNOWN:
        unknown = [name for name in content if name not in model.model_fields][:MOST_UNKNOWN]
        fields = [FieldError("is not a field of this request", pointer=_pointer([name])) for name in unknown]
        raise Invalid("validation_failed", summary(fields), fields)
    try:
        return model.model_validate(content, strict=True)
    except ValidationError as error:
        fields = [_field_error(item) for item in error.errors()]
        raise Invalid("validation_failed", summary(fields), fields) from error


def from_texts(model: type[AnyRequest], texts: Mapping[str, str]) -> AnyRequest:
    """Parse query parameters, or the parts of an HTML form, as `model`."""
    try:
        parsed = model.model_validate(dict(texts))
    except ValidationError as error:
        fields = [FieldError(reason_of(item), parameter=".".join(map(str, item["loc"]))) for item in error.errors()]
        raise Invalid("validation_failed", summary(fields), fields) from error
    if fields := list(_numbers_as_in_python(parsed, texts)):
        raise Invalid("validation_failed", summary(fields), fields)
    return parsed


def _numbers_as_in_python(parsed: RequestModel, texts: Mapping[str, str]) -> Iterator[FieldError]:
    """Yield an error for each number with an underscore, such as 1_000, which Pydantic accepts."""
    for name, field in type(parsed).model_fields.items():
        parameter = field.alias or name
        if "_" in (text := texts.get(parameter, "")) and type(getattr(parsed, name)) in {int, float}:
            yield FieldError(f"must be a number without underscores; got {shown(text)}", parameter=parameter)


def described_by(setting: Setting) -> Any:
    """Return the annotation of a request's field that `shared.network` validates and describes."""

    def check(value: object, info: ValidationInfo) -> Any:
        return setting.check_override(str(info.field_name), value)

    return Annotated[Any, PlainValidator(check), WithJsonSchema(setting.schema())]


def invalid_configuration(error: ConfigurationError) -> Invalid:
    """Return the error of the request's field for a setting that the network rejects."""
    field = _setting_error(error)
    return Invalid("validation_failed", summary([field]), [field])


def _field_error(item: Any) -> FieldError:
    cause = item.get("ctx", {}).get("error")
    if isinstance(cause, ConfigurationError):
        return _setting_error(cause)
    return FieldError(reason_of(item), pointer=_pointer(item["loc"]))


def _setting_error(error: ConfigurationError) -> FieldError:
    return FieldError(error.reason, pointer=_pointer(error.field.split(".")))


def _pointer(path: Any) -> str:
    """Return a JSON pointer as a URI fragment (RFC 6901, section 6)."""
    return "#" + "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
