"""Bodies of requests for predictions: as they are or packed, whole or refused."""

from __future__ import annotations

import gzip
import io
import zlib

import pytest
from flask import Flask

from api.requests.body import whole_body
from shared.errors import Malformed, TooLarge, UnsupportedType

LIMIT = 1000
CONTENT = bytes(range(250)) * 4


def read(body: bytes, encoding: str | None = None, length: int | None = None) -> bytes:
    """What `whole_body` makes of a request."""
    headers = {} if encoding is None else {"Content-Encoding": encoding}
    environ = {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body) if length is None else length)}
    with Flask("test").test_request_context("/", method="POST", headers=headers, environ_overrides=environ):
        return whole_body(LIMIT)


def test_a_body_is_itself() -> None:
    assert read(CONTENT) == read(CONTENT, "identity") == CONTENT
    assert read(b"") == b""


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(CONTENT, mtime=0)),
        ("GZIP", gzip.compress(CONTENT, mtime=0)),
        ("deflate", zlib.compress(CONTENT)),
    ],
)
def test_a_packed_body_is_unpacked(encoding: str, packed: bytes) -> None:
    assert read(packed, encoding) == CONTENT


def test_more_than_the_limit_is_refused_packed_or_not() -> None:
    for body, encoding in [(bytes(LIMIT + 1), None), (gzip.compress(bytes(LIMIT + 1)), "gzip")]:
        with pytest.raises(TooLarge):
            read(body, encoding)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_packed_body_that_is_damaged_is_refused(encoding: str) -> None:
    packed = gzip.compress(CONTENT) if encoding == "gzip" else zlib.compress(CONTENT)
    for body, code in [(b"text", "body_damaged"), (packed[:-5], "body_cut_short"), (b"", "body_cut_short")]:
        with pytest.raises(Malformed) as caught:
            read(body, encoding)
        assert caught.value.code == code


def test_a_body_that_is_cut_short_is_refused() -> None:
    with pytest.raises(Malformed) as caught:
        read(b"12345", length=6)

    assert caught.value.code == "body_cut_short"


def test_an_unknown_coding_is_refused() -> None:
    with pytest.raises(UnsupportedType):
        read(CONTENT, "br")
