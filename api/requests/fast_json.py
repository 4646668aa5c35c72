"""JSON with many numbers: orjson parses and writes it ten times as fast as the standard library."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
from flask import Response

from shared.errors import Malformed, TooLarge


def read(text: bytes | memoryview, limit: int) -> Any:
    """Parse JSON. Raises `TooLarge` for more than `limit` bytes, or `Malformed`."""
    if len(text) > limit:
        raise TooLarge("body_too_large", f"the JSON of this request may have at most {limit} bytes; got {len(text)}")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Malformed("malformed_json", f"the body is not JSON: {error}") from error


def write(content: Any) -> bytes:
    """Encode a value as JSON, including NumPy arrays and numbers; float32 gets its shortest exact digits."""
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)


def joined(lists: Iterable[list[Any]]) -> orjson.Fragment:
    """Encode lists as one JSON list, one of them at a time."""
    return orjson.Fragment(b"[" + b",".join(write(part)[1:-1] for part in lists) + b"]")


def json_response(content: Any) -> Response:
    """Return a response that holds the value as JSON."""
    return Response(write(content), content_type="application/json")
