"""The causes of unreadable files are said in this project's words, never in those of Python's errors."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from backports import zstd

from shared.archives.damage import cause_of
from shared.errors import Invalid


def failing_gzip(content: bytes) -> Callable[[], object]:
    return lambda: gzip.GzipFile(fileobj=io.BytesIO(content)).read()


PACKED = gzip.compress(bytes(1000))


@pytest.mark.parametrize(
    ("read", "cause"),
    [
        (lambda: zlib.decompress(b"\x78\x9c\xff\xff"), "its compressed data is damaged"),
        (lambda: zstd.decompress(b"no zstd"), "its compressed data is damaged"),
        (failing_gzip(b"no gzip"), "its compressed data is damaged"),
        (failing_gzip(PACKED[:-8] + bytes(4) + PACKED[-4:]), "its compressed data is damaged"),
        (failing_gzip(PACKED[:-9]), "it is cut short"),
        (lambda: struct.unpack_from("<Q", b""), "a header in it is cut short"),
        (lambda: zipfile.ZipFile(io.BytesIO(b"PK")), "the zip is damaged"),
        (b"\xe9".decode, "it has text that is not UTF-8"),
        (lambda: np.frombuffer(b"abc", np.int32), "its content is damaged"),
    ],
)
def test_an_error_of_a_library_becomes_a_cause(read: Callable[[], object], cause: str) -> None:
    with pytest.raises(Exception, match=r".") as caught:
        read()
    assert isinstance(caught.value, Exception)
    assert cause_of(caught.value) == cause


def test_an_error_of_the_disk_keeps_its_reason_and_one_of_this_project_its_detail() -> None:
    assert cause_of(PermissionError(13, "Permission denied")) == "Permission denied"
    assert cause_of(Invalid("archive_damaged", "two entries overlap")) == "two entries overlap"
