"""JSON of requests and large responses: orjson parses and writes it ten times as fast as the standard library.

All requests follow one set of rules (RFC 8259): the text is UTF-8, a byte order mark is ignored, of repeated members
the last one counts, and NaN, infinities and lone surrogates are errors.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable
from typing import Any, NoReturn, TypeVar

import orjson
from flask import Response

from shared.errors import Invalid, Malformed, TooLarge
from shared.runtime.settings import Limit

Text = TypeVar("Text", bytes, memoryview)

BOM = codecs.BOM_UTF8
TOO_LARGE = "number is infinity when parsed as double"
"""The start of orjson's message about a number that float64 cannot represent, such as 1e999."""
LONGEST_INTEGER = 309  # digits; a longer one is beyond float64


def read(text: Text, allowed: Limit) -> Any:
    """Parse JSON. Raises `TooLarge` for more bytes than allowed, `Malformed`, or `Invalid` for an infinite number."""
    if len(text) > allowed.most:
        detail = f"the JSON of this request may have at most {allowed.most} bytes ({allowed.variable})"
        raise TooLarge("body_too_large", f"{detail}; got {len(text)}")
    try:
        return orjson.loads(_without_bom(text))
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        if error.msg.startswith(TOO_LARGE):
            detail = f"the number at {place} is not finite: its absolute value must be below 1.8e308"
            raise Invalid("validation_failed", detail) from error
        raise Malformed("malformed_json", f"the body is not JSON in UTF-8: {error.msg} at {place}") from error


def read_exactly(text: bytes) -> Any:
    """Parse JSON with integers of any size. Raises `Malformed`.

    A number that float64 cannot represent becomes infinite, so that the validation of its field reports it.
    """
    try:
        content = json.loads(_without_bom(text).decode(), parse_constant=_reject_constant, parse_int=_integer)
        json.dumps(content, ensure_ascii=False).encode()  # rejects lone surrogates such as \ud800
    except (ValueError, RecursionError) as error:
        raise Malformed("malformed_json", f"the body is not JSON in UTF-8: {error}") from error
    return content


def _without_bom(text: Text) -> Text:
    return text[len(BOM) :] if text[: len(BOM)] == BOM else text


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= LONGEST_INTEGER else float(digits)


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def write(content: Any) -> bytes:
    """Encode a value as JSON, including NumPy arrays and numbers; float32 gets its shortest exact digits."""
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)


def joined(lists: Iterable[list[Any]]) -> orjson.Fragment:
    """Encode lists as one JSON list, one of them at a time."""
    return orjson.Fragment(b"[" + b",".join(write(part)[1:-1] for part in lists) + b"]")


def json_response(content: Any) -> Response:
    """Return a response that holds the value as JSON."""
    return Response(write(content), content_type="application/json")
