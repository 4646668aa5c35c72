"""Parsing of forms (multipart/form-data, RFC 7578) as streams: files, and texts by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import IO

from flask import request
from werkzeug.datastructures import Headers
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from api.requests.bodies.content_coding import BLOCK
from api.requests.field_errors import summary
from shared.errors import FieldError, Invalid, Malformed, TooLarge
from shared.runtime.settings import Limit

LONGEST_BUFFER = 4 * BLOCK
"""The most bytes of a form that are buffered: a block, and the headers of a part or the text around the parts."""

UNENCODED = frozenset({"7bit", "8bit", "binary"})
"""The values of Content-Transfer-Encoding that leave the bytes as they are (RFC 2045, section 6.2)."""
UTF_8 = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})


@dataclass(frozen=True)
class FormLimits:
    """The limits of a form: its number of parts, and the bytes of its texts. `advice` ends the message about them."""

    parts: Limit
    text_bytes: Limit
    advice: str = ""


def read_form(
    blocks: Iterable[bytes], file_part: str, open_file: Callable[[], IO[bytes]], limits: FormLimits
) -> dict[str, str]:
    """Write each part named `file_part` to a file of its own, and return the other parts, which are texts.

    A part of that name is a file even without a file name. Raises `TooLarge`, `Malformed`, or `Invalid` for a repeated
    text, one that is not UTF-8, or a file in another part.
    """
    texts: dict[str, bytes] = {}
    names: list[str] = []
    total = 0
    write: Callable[[bytes], object] = len
    name, is_file = "", False
    for event in _events(blocks, limits):
        if isinstance(event, Field | File):
            name = event.name or ""
            names.append(name)
            is_file = name == file_part
            _check_encoding(name, event.headers, is_file=is_file)
            if is_file:
                write = open_file().write
            elif isinstance(event, File):
                raise Invalid("file_expected", f"the form has a file in the part {name!r}; send it as {file_part!r}")
        elif is_file:
            write(event.data)
        else:
            total += len(event.data)
            if total > limits.text_bytes.most:
                raise _too_large(limits)
            texts[name] = texts.get(name, b"") + event.data
    _check_once(name for name in names if name != file_part)
    return {name: _decoded(name, text) for name, text in texts.items()}


def options_of(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the options of a request: its query parameters and the texts of its form. Raises `Invalid` for repeats."""
    parameters = request.args.to_dict()
    _check_once([*parameters, *texts])
    return {**parameters, **texts}


def _events(blocks: Iterable[bytes], limits: FormLimits) -> Iterator[Field | File | Data]:
    """Yield the form's parts, each followed by its data."""
    boundary = request.mimetype_params.get("boundary", "").encode()
    if not boundary:
        raise Malformed("malformed_form", "the form cannot be parsed: its Content-Type has no boundary")
    decoder = MultipartDecoder(boundary, LONGEST_BUFFER, max_parts=limits.parts.most)
    try:
        for block in chain(blocks, [None]):
            decoder.receive_data(block)
            while not isinstance(event := decoder.next_event(), NeedData | Epilogue):
                if isinstance(event, Field | File | Data):
                    yield event
    except RequestEntityTooLarge as error:
        raise _too_large(limits) from error
    except ValueError as error:
        raise Malformed("malformed_form", f"the form cannot be parsed: {error}") from error


def _check_encoding(name: str, headers: Headers, *, is_file: bool) -> None:
    """Check that a part has the bytes themselves, and a text is UTF-8. Raises `Malformed` or `Invalid`.

    RFC 7578 deprecates transfer encodings in forms (section 4.7).
    """
    encoding = headers.get("Content-Transfer-Encoding", "binary").strip()
    if encoding.lower() not in UNENCODED:
        detail = f"the part {name!r} has the Content-Transfer-Encoding {encoding!r}; send its bytes without an encoding"
        raise Malformed("malformed_form", detail)
    charset = parse_options_header(headers.get("Content-Type"))[1].get("charset", "utf-8")
    if not is_file and charset.lower() not in UTF_8:
        field = FieldError(f"must be in UTF-8; got the charset {charset!r}", parameter=name)
        raise Invalid("validation_failed", summary([field]), [field])


def _too_large(limits: FormLimits) -> TooLarge:
    parts, text = limits.parts, limits.text_bytes
    detail = (
        f"a form may have at most {parts.most} parts ({parts.variable}), and {text.most} bytes besides its files"
        f" ({text.variable})"
    )
    return TooLarge("form_too_large", f"{detail}{limits.advice}")


def _decoded(name: str, text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        field = FieldError("is not UTF-8", parameter=name)
        raise Invalid("validation_failed", summary([field]), [field]) from error


def _check_once(names: Iterable[str]) -> None:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    repeated = [(name, count) for name, count in counts.items() if count > 1]
    if repeated:
        fields = [FieldError(f"must be given once; got {count} values", parameter=name) for name, count in repeated]
        raise Invalid("validation_failed", summary(fields), fields)
