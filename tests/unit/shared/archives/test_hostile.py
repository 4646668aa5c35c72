"""Hostile archives: each is refused with its own error code, or makes only its bad entries fail."""

from __future__ import annotations

import tracemalloc

import pytest

from shared.errors import Malformed
from shared.runtime.settings import MiB
from tests.support.data.archives import with_end, zip_of
from tests.support.data.hostile import CORPUS, IMAGE, LYING, ZIP, Hostile, Lying, empties, quoted_overlap, zip64_of
from tests.support.data.npz import npy_header
from tests.support.data.tars import END, gzip_of, member
from tests.unit.shared.archives.conftest import Uploads


@pytest.mark.parametrize("hostile", CORPUS, ids=lambda hostile: hostile.name)
def test_a_hostile_archive_is_refused_and_leaves_no_files(uploads: Uploads, hostile: Hostile) -> None:
    error = uploads.refusal(hostile.build())

    assert error.code == hostile.code
    assert 0 < len(error.detail) < 1000


@pytest.mark.parametrize(
    "archive",
    [
        zip_of({"a" * 60_000: b""}),
        zip_of({"../" + "\x80" * 30_000: b""}),
        member("pax", b"60012 path=/" + b"a" * 59_999 + b"\n", kind=b"x") + member("a.png") + END,
        npy_header("a" * 9000),
        npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (" + "1, " * 3000 + "), }") + b"1",
        npy_header("{'descr': [('" + "a" * 9000 + "', '|u1')], 'fortran_order': False, 'shape': (1,), }") + b"1",
    ],
    ids=["name", "path", "path by pax", "header", "shape", "type"],
)
def test_an_error_detail_cuts_long_names_and_headers(uploads: Uploads, archive: bytes) -> None:
    assert 0 < len(uploads.refusal(archive).detail) < 1000


@pytest.mark.parametrize("lying", LYING, ids=lambda lying: lying.name)
def test_an_entry_with_false_headers_fails_alone(uploads: Uploads, lying: Lying) -> None:
    archive = uploads.index(lying.build())

    with uploads.opened(archive) as contents:
        with pytest.raises(Malformed) as caught:
            contents.read(0)
        assert contents.read(1) == IMAGE

    assert caught.value.code == "entry_damaged"


def test_refusing_a_bomb_takes_little_memory(uploads: Uploads) -> None:
    bomb = quoted_overlap(1000, bytes(900_000))
    uploads.refusal(bomb)  # fills imports and caches before the measurement

    tracemalloc.start()
    try:
        uploads.refusal(bomb)
        assert tracemalloc.get_traced_memory()[1] < 16 * MiB
    finally:
        tracemalloc.stop()


def test_a_hundred_thousand_empty_entries_are_within_the_limits(uploads: Uploads) -> None:
    archive = uploads.index(empties(100_000))

    assert len(archive) == 100_000
    assert archive.paths(99_999, 100_000) == ["099999.png"]
    with uploads.opened(archive) as contents:
        assert contents.read(99_999) == b""


@pytest.mark.parametrize("form", ["zip", "tar"])
def test_indexing_takes_little_memory_for_each_entry(uploads: Uploads, form: str) -> None:
    content = empties(30_000) if form == "zip" else b"".join(member(f"{n:06d}.png") for n in range(30_000)) + END
    uploads.index(zip_of({"a.png": b""}))  # fills imports and caches before the measurement

    tracemalloc.start()
    try:
        archive = uploads.index(content)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert held < 100 * len(archive)
    assert peak < 24 * MiB + 200 * len(archive)


def test_a_tar_of_a_hundred_thousand_empty_entries_is_accepted_packed_or_not(uploads: Uploads) -> None:
    tar = b"".join(member(f"{number:06d}.png") for number in range(100_000)) + END

    assert len(uploads.index(tar)) == 100_000
    assert len(uploads.index(gzip_of(tar), max_compression_ratio=10)) == 100_000


class TestHonest:
    def test_zip64_is_read(self, uploads: Uploads) -> None:
        assert uploads.read_all(zip64_of({"a.png": b"first", "ü.png": b"second"})) == [b"first", b"second"]

    def test_the_archive_comment_is_ignored(self, uploads: Uploads) -> None:
        comment = b"made by PK\1\2 and PK\3\4"

        assert uploads.read_all(with_end(ZIP, comment=len(comment)) + comment) == [IMAGE, IMAGE]

    def test_bytes_after_the_archive_are_ignored(self, uploads: Uploads) -> None:
        assert uploads.read_all(ZIP + b"a signature") == [IMAGE, IMAGE]

    def test_zip64_after_other_bytes_is_read(self, uploads: Uploads) -> None:
        assert uploads.read_all(b"#!/bin/sh\n" * 9 + zip64_of({"a.png": b"first"})) == [b"first"]

    def test_more_than_65535_entries_are_read_from_writers_without_zip64(self, uploads: Uploads) -> None:
        entries = {f"{number}": b"" for number in range(65_540)}
        end = zip_of(entries)[-22:]
        assert end.startswith(b"PK\5\6")

        counted = with_end_alone(zip_of(entries), count=4, here=4)

        assert len(uploads.index(counted)) == 65_540


def with_end_alone(archive: bytes, count: int, here: int) -> bytes:
    """Return a zip64 archive without its zip64 end record, as writers without zip64 support write it."""
    start = archive.index(b"PK\6\6")
    size = int.from_bytes(archive[start + 40 : start + 48], "little")
    offset = int.from_bytes(archive[start + 48 : start + 56], "little")
    return with_end(archive[:start] + archive[-22:], count=count, here=here, size=size, offset=offset)
