"""Bodies of prediction requests: compressed or not, complete or rejected."""

from __future__ import annotations

import gzip
import io
import time
import zlib

import pytest
from flask import Flask

from api.requests.bodies.body import whole_body
from api.requests.bodies.content_coding import BLOCK, decoded
from api.requests.online.memory import ENVIRON, Held, OnlineMemory
from shared.errors import Malformed, TooLarge, UnsupportedType
from shared.runtime.settings import Limit

LIMIT = 1000
CONTENT = bytes(range(250)) * 4


def read(body: bytes, encoding: str | None = None, length: int | None = None) -> bytes:
    """Return what `whole_body` reads from a request."""
    headers = {} if encoding is None else {"Content-Encoding": encoding}
    environ = {
        "wsgi.input": io.BytesIO(body),
        "CONTENT_LENGTH": str(len(body) if length is None else length),
        ENVIRON: Held(OnlineMemory(10 * LIMIT)),
    }
    with Flask("test").test_request_context("/", method="POST", headers=headers, environ_overrides=environ):
        return whole_body(Limit(LIMIT, "GLASSBOX_MAX_JSON_BYTES"))


def test_body_without_encoding_is_returned_unchanged() -> None:
    assert read(CONTENT) == read(CONTENT, "identity") == CONTENT
    assert read(b"") == b""


@pytest.mark.parametrize(
    ("encoding", "compressed"),
    [
        ("gzip", gzip.compress(CONTENT, mtime=0)),
        ("GZIP", gzip.compress(CONTENT, mtime=0)),
        ("x-gzip", gzip.compress(CONTENT, mtime=0)),
        ("gzip", gzip.compress(CONTENT[:300]) + gzip.compress(b"") + gzip.compress(CONTENT[300:])),
        ("deflate", zlib.compress(CONTENT)),
    ],
)
def test_compressed_body_is_decompressed(encoding: str, compressed: bytes) -> None:
    assert read(compressed, encoding) == CONTENT


def test_body_above_the_limit_is_rejected_compressed_or_not() -> None:
    for body, encoding in [(bytes(LIMIT + 1), None), (gzip.compress(bytes(LIMIT + 1)), "gzip")]:
        with pytest.raises(TooLarge):
            read(body, encoding)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_damaged_compressed_body_is_rejected(encoding: str) -> None:
    compressed = gzip.compress(CONTENT) if encoding == "gzip" else zlib.compress(CONTENT)
    for body, code in [(b"text", "body_damaged"), (compressed[:-5], "body_cut_short"), (b"", "body_cut_short")]:
        with pytest.raises(Malformed) as caught:
            read(body, encoding)
        assert caught.value.code == code


@pytest.mark.parametrize("compressed", [gzip.compress(CONTENT), zlib.compress(CONTENT)], ids=["gzip", "deflate"])
@pytest.mark.parametrize("rest", [b"garbage", b"\0", gzip.compress(b"", mtime=0)[:12]])
def test_bytes_after_the_compressed_data_are_rejected(compressed: bytes, rest: bytes) -> None:
    encoding = "gzip" if compressed.startswith(b"\x1f\x8b") else "deflate"

    with pytest.raises(Malformed):
        read(compressed + rest, encoding)


def test_content_that_compresses_very_well_is_read_in_bounded_blocks() -> None:
    compressed = gzip.compress(bytes(50_000_000))

    sizes = [len(block) for block in decoded(io.BytesIO(compressed), "gzip")]

    assert sum(sizes) == 50_000_000
    assert max(sizes) <= BLOCK


def test_many_tiny_members_are_read_in_linear_time() -> None:
    member = gzip.compress(b"a")
    begun = time.process_time()

    assert sum(map(len, decoded(io.BytesIO(member * 100_000), "gzip"))) == 100_000
    assert time.process_time() - begun < 10  # it takes 0.3 s


def test_truncated_body_is_rejected() -> None:
    with pytest.raises(Malformed) as caught:
        read(b"12345", length=6)

    assert caught.value.code == "body_cut_short"


def test_unknown_content_encoding_is_rejected() -> None:
    with pytest.raises(UnsupportedType):
        read(CONTENT, "br")
