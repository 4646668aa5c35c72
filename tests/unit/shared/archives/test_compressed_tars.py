"""Compressed tars: the unpacked tar replaces the upload; decompression bombs stop at the limits."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import GlassboxError, Invalid, StorageFull, TooLarge, UnsupportedType
from shared.runtime.settings import MiB
from shared.storage.durable import translated_errors
from tests.support.data.hostile import tar_bomb
from tests.support.data.tars import END, gzip_of, member, tar_of, zstd_of
from tests.unit.shared.archives.conftest import Uploads

TAR = tar_of({"a.png": b"first", "folder/b.png": b"second" * 1000})
NOISE = np.random.default_rng(0).bytes(3 * MiB)
Pack = Callable[[bytes], bytes]

packed = pytest.mark.parametrize("pack", [gzip_of, zstd_of], ids=["gz", "zst"])


@packed
class TestBoth:
    def test_entries_are_read_with_their_original_content(self, uploads: Uploads, pack: Pack) -> None:
        assert uploads.read_all(pack(TAR)) == [b"first", b"second" * 1000]

    def test_the_unpacked_tar_replaces_the_upload(self, uploads: Uploads, pack: Pack) -> None:
        uploads.index(pack(TAR))

        assert uploads.path.read_bytes() == TAR
        assert sorted(uploads.path.parent.iterdir()) == [uploads.path]

    def test_a_tar_larger_than_every_buffer_is_unpacked(self, uploads: Uploads, pack: Pack) -> None:
        entries = {"noise.png": NOISE, "blank.png": bytes(3 * MiB), "more noise.png": NOISE}

        assert uploads.read_all(pack(tar_of(entries))) == list(entries.values())

    @pytest.mark.parametrize("size", [1000, 10_000, 65_536])
    def test_a_stream_may_have_several_parts(self, uploads: Uploads, pack: Pack, size: int) -> None:
        tar = tar_of({"a.png": NOISE[:100_000]})
        parts = b"".join(pack(tar[start : start + size]) for start in range(0, len(tar), size))

        assert uploads.read_all(parts) == [NOISE[:100_000]]

    def test_zeros_after_the_stream_are_padding(self, uploads: Uploads, pack: Pack) -> None:
        assert len(uploads.index(pack(TAR) + bytes(100_000))) == 2

    def test_a_truncated_stream_is_refused_as_damaged_and_left_unchanged(self, uploads: Uploads, pack: Pack) -> None:
        whole = pack(TAR)

        for length in range(4, len(whole)):
            error = uploads.refusal(whole[:length])
            assert (type(error), error.code) == (Invalid, "archive_damaged")
            assert uploads.path.read_bytes() == whole[:length]

    @pytest.mark.parametrize("content", [b"", b"text", b"text" * 1000, END * 20, b"PK\3\4" * 1000])
    def test_a_stream_that_holds_no_tar_is_refused_as_an_unsupported_type(
        self, uploads: Uploads, pack: Pack, content: bytes
    ) -> None:
        error = uploads.refusal(pack(content))

        assert isinstance(error, UnsupportedType)
        assert error.code == "archive_expected"

    def test_a_stream_compressed_twice_is_refused_as_an_unsupported_type(self, uploads: Uploads, pack: Pack) -> None:
        assert isinstance(uploads.refusal(pack(pack(TAR))), UnsupportedType)

    def test_a_bomb_is_refused_by_its_ratio_and_left_unchanged(self, uploads: Uploads, pack: Pack) -> None:
        bomb = tar_bomb(pack, 300)

        assert uploads.refusal(bomb).code == "archive_ratio"
        assert uploads.path.read_bytes() == bomb

    def test_a_small_archive_may_exceed_the_ratio(self, uploads: Uploads, pack: Pack) -> None:
        assert len(uploads.index(pack(tar_of({f"{number}.png": b"" for number in range(1000)})))) == 1000

    def test_unpacking_stops_at_the_limit_of_unpacked_bytes(self, uploads: Uploads, pack: Pack) -> None:
        upload = pack(tar_of({"a.png": NOISE}))

        error = uploads.refusal(upload, max_expanded_bytes=MiB)

        assert (type(error), error.code) == (TooLarge, "archive_too_large")

    def test_unpacking_on_a_full_volume_is_refused_with_the_remedy(
        self, uploads: Uploads, pack: Pack, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        @contextmanager
        def full(path: Path) -> Iterator[IO[bytes]]:
            with translated_errors(), Path("/dev/full").open("wb", buffering=0) as file:
                yield file

        monkeypatch.setattr("shared.storage.durable.replacing", full)

        error = uploads.refusal(pack(tar_of({"a.png": NOISE})))

        assert (type(error), error.code) == (StorageFull, "storage_full")
        assert "send a tar without compression or a zip" in error.detail

    def test_a_stream_of_too_many_empty_parts_is_refused(self, uploads: Uploads, pack: Pack) -> None:
        assert uploads.refusal(pack(b"") * 2000 + pack(TAR)).code == "archive_damaged"
        assert len(uploads.index(pack(b"") * 500 + pack(TAR))) == 2

    @pytest.mark.parametrize(
        ("tar", "code"),
        [
            (member("../a.png") + END, "archive_path"),
            (member("a.png", kind=b"2") + END, "archive_empty"),
            (member("a.png", size=b"%011o\0" % 600), "archive_damaged"),
            (member("inner.zip") + END, "archive_nested"),
        ],
    )
    def test_the_unpacked_tar_is_validated_like_any_other(
        self, uploads: Uploads, pack: Pack, tar: bytes, code: str
    ) -> None:
        assert uploads.refusal(pack(tar)).code == code

    @given(data=st.data())
    @settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_a_flipped_bit_raises_glassbox_error_or_changes_nothing(
        self, uploads: Uploads, pack: Pack, data: st.DataObject
    ) -> None:
        whole = bytearray(pack(TAR))
        place = data.draw(st.integers(0, len(whole) - 1), "place")
        whole[place] ^= data.draw(st.integers(1, 255), "bits")

        try:
            content = uploads.read_all(bytes(whole))
        except GlassboxError as error:
            assert error.code  # noqa: PT017 - a byte of the header may not matter
        else:
            assert content == [b"first", b"second" * 1000]


@pytest.mark.parametrize("rest", [b"\x1f", b"more", b"more" * 50_000, bytes(9) + b"more", bytes(65_536) + b"more"])
def test_other_bytes_after_a_gzip_stream_are_ignored_as_by_the_command_gzip(uploads: Uploads, rest: bytes) -> None:
    assert uploads.read_all(gzip_of(TAR) + rest) == [b"first", b"second" * 1000]


def test_other_bytes_after_a_gzip_stream_are_refused_if_the_tar_may_have_lost_entries(uploads: Uploads) -> None:
    """A damaged part in the middle of a stream must not cut off the images after it in silence."""
    whole = member("a.png", b"image") + member("b.png", b"image") + END
    damaged = gzip_of(whole[:1024]) + b"?" + gzip_of(whole[1024:])[1:]

    assert uploads.refusal(damaged).code == "archive_damaged"
    assert len(uploads.index(gzip_of(whole[:1024]) + gzip_of(whole[1024:]))) == 2


def test_a_damaged_part_after_a_gzip_stream_is_refused(uploads: Uploads) -> None:
    assert uploads.refusal(gzip_of(TAR) + b"\x1f\x8b???????????????????").code == "archive_damaged"


def test_other_bytes_after_a_zstandard_stream_are_refused_as_by_the_command_zstd(uploads: Uploads) -> None:
    assert uploads.refusal(zstd_of(TAR) + b"more").code == "archive_damaged"


@packed
def test_a_white_page_is_accepted_although_its_ratio_is_that_of_a_bomb(uploads: Uploads, pack: Pack) -> None:
    page = b"BM" + bytes(52) + b"\xff" * 9_000_000

    assert uploads.read_all(pack(tar_of({"page.bmp": page}))) == [page]


def test_a_gzip_with_the_file_name_in_its_header_is_read(uploads: Uploads) -> None:
    """The command `gzip images.tar` writes the name and the time."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    named = b"\x1f\x8b\x08\x08\1\2\3\4\0\3images.tar\0" + packer.compress(TAR) + packer.flush()
    tail = zlib.crc32(TAR).to_bytes(4, "little") + len(TAR).to_bytes(4, "little")

    assert gzip.decompress(named + tail) == TAR
    assert len(uploads.index(named + tail)) == 2


def test_a_zstandard_stream_may_begin_with_a_skippable_frame(uploads: Uploads) -> None:
    skippable = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"notes"

    assert len(uploads.index(skippable + zstd_of(TAR))) == 2


def test_a_zstandard_stream_with_too_large_a_window_is_refused_as_too_large(uploads: Uploads) -> None:
    upload = zstd_of(tar_of({"a.png": NOISE}), window_log=26)

    error = uploads.refusal(upload)

    assert (type(error), error.code) == (TooLarge, "archive_window_too_large")
    assert len(uploads.index(upload, max_zstd_window_bytes=64 * MiB)) == 1


def xz_of(content: bytes) -> bytes:
    return lzma.compress(content, preset=0)


@pytest.mark.parametrize("pack", [bz2.compress, xz_of], ids=["bz2", "xz"])
class TestBzip2AndXz:
    def test_entries_are_read_from_a_stream_of_one_part_or_several(self, uploads: Uploads, pack: Pack) -> None:
        for upload in (pack(TAR), pack(TAR[:1024]) + pack(TAR[1024:]) + bytes(512)):
            assert uploads.read_all(upload) == [b"first", b"second" * 1000]
            assert uploads.path.read_bytes() == TAR

    def test_a_damaged_stream_is_refused_and_left_unchanged(self, uploads: Uploads, pack: Pack) -> None:
        whole = pack(TAR)
        middle = len(whole) // 2
        for damaged in (whole[:-20], whole[:middle] + bytes(8) + whole[middle + 8 :]):
            error = uploads.refusal(damaged)
            assert (type(error), error.code) == (Invalid, "archive_damaged")
            assert uploads.path.read_bytes() == damaged

    def test_a_small_stream_that_unpacks_to_much_is_refused(self, uploads: Uploads, pack: Pack) -> None:
        error = uploads.refusal(pack(tar_of({"a.png": bytes(2 * MiB)})), max_expanded_bytes=MiB)

        assert (type(error), error.code) == (TooLarge, "archive_too_large")


def test_an_xz_stream_that_needs_too_much_memory_is_refused(uploads: Uploads) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 128 * MiB}]
    error = uploads.refusal(lzma.compress(TAR, filters=filters))

    assert (type(error), error.code) == (TooLarge, "archive_window_too_large")
    assert "xz -9 or less" in error.detail
