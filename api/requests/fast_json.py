"""JSON with many numbers: read and written by orjson, which takes a tenth of the standard library's time for it."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Response

from shared.errors import Malformed, TooLarge


def read(text: bytes | memoryview, limit: int) -> Any:
    """The value that a JSON text stands for; raises `TooLarge` for more than `limit` bytes, or `Malformed`."""
    if len(text) > limit:
        raise TooLarge("body_too_large", f"the JSON of such a request may have at most {limit} bytes")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Malformed("malformed_json", f"the body is not JSON: {error}") from error


def write(content: Any) -> bytes:
    """A value as JSON; NumPy's arrays and numbers are taken, single precision with as many digits as it has."""
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)


def answer(content: Any) -> Response:
    """A response that holds the value."""
    return Response(write(content), content_type="application/json")
