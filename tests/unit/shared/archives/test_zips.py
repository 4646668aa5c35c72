"""Zips of images: validated by the central directory, read entry by entry."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import GlassboxError, Malformed, TooLarge, UnsupportedType
from shared.runtime.settings import MiB
from tests.support.data.archives import special_file, with_central, with_local, zip_of, zip_of_images
from tests.support.data.hostile import zip_bomb
from tests.unit.shared.archives.conftest import Uploads

UNICODE_PATH = 0x7075  # an extra field with a second name (APPNOTE 4.6.9)


class TestAccepting:
    @pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    def test_entries_are_read_with_their_original_content(self, uploads: Uploads, method: int) -> None:
        entries = {"a.png": b"first", "folder/b.png": b"second" * 1000, "empty.png": b""}

        assert uploads.read_all(zip_of(entries, method)) == list(entries.values())

    def test_entries_keep_the_archives_order(self, uploads: Uploads) -> None:
        assert uploads.names(zip_of({"c": b"", "a": b"", "b": b""})) == ["c", "a", "b"]

    def test_folders_and_system_files_are_skipped_and_counted(self, uploads: Uploads) -> None:
        added = [
            "folder/",
            "__MACOSX/._a.png",
            "folder/._a.png",
            ".DS_Store",
            "a/b/.DS_Store",
            "Thumbs.db",
            "desktop.ini",
        ]

        archive = uploads.index(zip_of({**dict.fromkeys(added, b""), "a.png": b"image"}))

        assert archive.paths(0, 9) == ["a.png"]
        assert archive.passed_over == len(added)

    def test_files_with_other_endings_are_entries(self, uploads: Uploads) -> None:
        assert uploads.names(zip_of({"notes.txt": b"text", "no ending": b""})) == ["notes.txt", "no ending"]

    @pytest.mark.parametrize("name", ["ü.png", "数字/三.png", "🙂.png"])
    def test_names_in_any_language_are_kept(self, uploads: Uploads, name: str) -> None:
        assert uploads.names(zip_of({name: b""})) == [name]

    def test_names_without_the_utf_8_flag_are_read_in_code_page_437(self, uploads: Uploads) -> None:
        upload = zip_of({"xx 5x.png": b""}).replace(b"xx 5x", b"\x81\x82 5\x9b")

        assert uploads.names(upload) == ["üé 5¢.png"]

    @pytest.mark.parametrize("name", ["a..png", "b..c/b", "a b", "ab:c"])
    def test_a_safe_name_with_dots_or_a_colon_is_accepted(self, uploads: Uploads, name: str) -> None:
        assert uploads.names(zip_of({name: b""})) == [name]

    def test_a_name_of_255_bytes_is_accepted(self, uploads: Uploads) -> None:
        assert uploads.names(zip_of({"a" * 255: b"", "é" * 127: b""})) == ["a" * 255, "é" * 127]

    def test_an_archive_after_other_bytes_is_read(self, uploads: Uploads) -> None:
        assert uploads.read_all(b"#!/bin/sh\n" * 10 + zip_of({"a.png": b"image"})) == [b"image"]

    def test_an_archive_written_as_a_stream_is_read(self, uploads: Uploads) -> None:
        """Its local headers have no sizes; these follow the data."""

        class Pipe(io.RawIOBase):
            def __init__(self) -> None:
                self.content = bytearray()

            def writable(self) -> bool:
                return True

            def write(self, content: Any) -> int:
                self.content += bytes(content)
                return len(bytes(content))

        pipe = Pipe()
        with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.png", b"first" * 100)
            archive.writestr("b.png", b"second")

        assert uploads.read_all(bytes(pipe.content)) == [b"first" * 100, b"second"]


class TestNames:
    @pytest.mark.parametrize(
        "name",
        [
            "../a.png",
            "a/../../b.png",
            "a/..",
            "..",
            "/etc/passwd",
            "//a",
            "C:/a.png",
            "c:a.png",
            "..\\a.png",
            "a" * 256,
            "a/" * 2040 + "b" * 17,
            "é" * 128,
            ".",
        ],
    )
    def test_an_unsafe_name_is_refused(self, uploads: Uploads, name: str) -> None:
        assert uploads.refusal(zip_of({"good.png": b"", name: b""})).code == "archive_path"

    def test_a_name_with_a_nul_is_refused(self, uploads: Uploads) -> None:
        upload = zip_of({"a.png_.txt": b""}).replace(b"png_", b"png\0")

        assert uploads.refusal(upload).code == "archive_path"

    def test_an_empty_name_is_refused(self, uploads: Uploads) -> None:
        info = zipfile.ZipInfo("placeholder")
        info.filename = info.orig_filename = ""

        assert uploads.refusal(zip_of([(info, b"")])).code == "archive_path"

    @pytest.mark.parametrize("crc", [zlib.crc32(b"a.png"), 0])
    @pytest.mark.parametrize("name", ["../../b.png", "b" * 256, "/b.png"])
    def test_an_unsafe_unicode_name_is_refused(self, uploads: Uploads, name: str, crc: int) -> None:
        assert uploads.refusal(zip_of([(second_name("a.png", name, crc), b"")])).code == "archive_path"

    def test_a_unicode_name_with_the_names_crc_replaces_the_name(self, uploads: Uploads) -> None:
        upload = zip_of([(second_name("a.png", "ä.png", zlib.crc32(b"a.png")), b"image")])

        assert uploads.names(upload) == ["ä.png"]
        assert uploads.read_all(upload) == [b"image"]

    @pytest.mark.parametrize(("name", "crc"), [("ä.png", 0), ("", zlib.crc32(b"a.png"))])
    def test_a_unicode_name_that_is_empty_or_has_another_crc_is_ignored(
        self, uploads: Uploads, name: str, crc: int
    ) -> None:
        assert uploads.names(zip_of([(second_name("a.png", name, crc), b"")])) == ["a.png"]

    def test_a_duplicate_name_is_refused(self, uploads: Uploads) -> None:
        assert uploads.refusal(zip_of([("a.png", b"one"), ("a.png", b"two")])).code == "archive_duplicate"

    @pytest.mark.parametrize(
        ("one", "other"), [("a.png", "./a.png"), ("a/b.png", "a//b.png"), ("./a/./b.png", "a/b.png")]
    )
    def test_a_duplicate_name_in_another_spelling_is_refused(self, uploads: Uploads, one: str, other: str) -> None:
        error = uploads.refusal(zip_of([(one, b"one"), ("c.png", b"three"), (other, b"two")]))

        assert error.code == "archive_duplicate"

    def test_names_are_returned_in_the_archives_spelling(self, uploads: Uploads) -> None:
        archive = uploads.index(zip_of([("./a.png", b"one"), ("a//b.png", b"two")]))

        assert archive.paths(0, 2) == ["./a.png", "a//b.png"]

    @pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
    def test_links_and_devices_are_skipped_and_reported(self, uploads: Uploads, kind: int) -> None:
        special = special_file("a.zip", kind | 0o777)

        archive = uploads.index(zip_of([(special, b"/etc/passwd"), ("b.png", b"image")]))

        assert archive.paths(0, 9) == ["b.png"]
        code = "link" if kind == stat.S_IFLNK else "special_file"
        assert archive.skipped == {code: {"count": 1, "names": ["a.zip"]}}

    def test_plain_files_and_folders_of_unix_are_accepted(self, uploads: Uploads) -> None:
        entries = [(special_file("folder/", stat.S_IFDIR | 0o755), b""), (special_file("a", stat.S_IFREG | 0o644), b"")]

        assert uploads.names(zip_of(entries)) == ["a"]

    @pytest.mark.parametrize("name", ["a.zip", "a.ZIP", "b/a.tar", "a.tar.gz", "a.tgz", "a.png.gz", "a.7z", "a.rar"])
    def test_an_archive_in_the_archive_is_refused(self, uploads: Uploads, name: str) -> None:
        assert uploads.refusal(zip_of({name: b""})).code == "archive_nested"

    def test_the_error_names_the_first_entry_that_breaks_a_rule(self, uploads: Uploads) -> None:
        assert "'../b.png'" in uploads.refusal(zip_of({"a.png": b"", "../b.png": b"", "/c.png": b""})).detail


class TestLimits:
    def test_too_many_entries_are_refused_as_too_large(self, uploads: Uploads) -> None:
        upload = zip_of({"a": b"", "b": b"", "c": b""})

        assert len(uploads.index(upload, max_archive_entries=3)) == 3
        assert_too_large(uploads.refusal(upload, max_archive_entries=2), "archive_too_large")

    def test_too_many_bytes_in_all_are_refused_as_too_large(self, uploads: Uploads) -> None:
        upload = zip_of({"a": b"x" * 500, "b": b"x" * 501}, zipfile.ZIP_DEFLATED)

        assert len(uploads.index(upload, max_expanded_bytes=1001)) == 2
        assert_too_large(uploads.refusal(upload, max_expanded_bytes=1000), "archive_too_large")

    def test_too_many_bytes_of_names_are_refused_as_too_large(self, uploads: Uploads) -> None:
        upload = zip_of({"a.png": b"", "b/": b"", "ü.png": b""})

        assert len(uploads.index(upload, max_names_bytes=13)) == 2
        assert_too_large(uploads.refusal(upload, max_names_bytes=12), "archive_too_large")

    def test_a_name_beyond_the_limit_is_refused(self, uploads: Uploads) -> None:
        upload = zip_of({"ab.png": b""})

        assert len(uploads.index(upload, max_name_bytes=6)) == 1
        assert uploads.refusal(upload, max_name_bytes=5).code == "archive_path"

    def test_the_limit_of_the_compression_ratio_can_be_raised(self, uploads: Uploads) -> None:
        assert len(uploads.index(zip_bomb(300), max_compression_ratio=2000)) == 300

    def test_an_entry_beyond_the_readers_limit_is_malformed(self, uploads: Uploads) -> None:
        archive = uploads.index(zip_of({"a": b"x" * 1000}))

        with uploads.opened(archive, max_entry_bytes=999) as contents, pytest.raises(Malformed) as caught:
            contents.read(0)

        assert caught.value.code == "entry_too_large"

    def test_an_entry_beyond_the_limit_costs_only_itself(self, uploads: Uploads) -> None:
        archive = uploads.index(zip_of({"a": b"x" * 1000, "b": b"image"}), max_entry_bytes=999)

        with uploads.opened(archive, max_entry_bytes=999) as contents:
            with pytest.raises(Malformed) as caught:
                contents.read(0)
            assert contents.read(1) == b"image"

        assert caught.value.code == "entry_too_large"

    def test_an_entry_with_much_more_packed_data_than_content_is_not_read(self, uploads: Uploads) -> None:
        """Only an attacker packs a small file into many bytes, to fill a worker's memory."""
        upload = zip_of({"a": bytes(3 * MiB)})

        archive = uploads.index(with_central(upload, entry=0, size=5))
        with uploads.opened(archive, max_entry_bytes=MiB) as contents, pytest.raises(Malformed) as caught:
            contents.read(0)

        assert caught.value.code == "entry_too_large"
        assert "(GLASSBOX_MAX_ENTRY_BYTES)" in caught.value.detail

    def test_an_archive_of_entries_beyond_the_limit_is_refused_as_too_large(self, uploads: Uploads) -> None:
        upload = zip_of({"a": b"x" * 1000})

        assert len(uploads.index(upload, max_entry_bytes=1000)) == 1
        assert_too_large(uploads.refusal(upload, max_entry_bytes=999), "archive_entry_too_large")

    def test_an_entry_larger_than_its_stated_size_is_malformed(self, uploads: Uploads) -> None:
        upload = zip_of({"a.png": b"x" * 1_000_000}, zipfile.ZIP_DEFLATED)
        lying = with_central(upload, entry=0, size=10)

        with pytest.raises(Malformed) as caught:
            uploads.read_all(lying)

        assert caught.value.code == "entry_damaged"

    def test_a_bomb_is_refused(self, uploads: Uploads) -> None:
        assert uploads.refusal(zip_bomb(300)).code == "archive_ratio"

    def test_a_white_page_is_accepted_although_its_ratio_is_that_of_a_bomb(self, uploads: Uploads) -> None:
        page = b"BM" + bytes(52) + b"\xff" * 9_000_000

        assert uploads.read_all(zip_of({"page.bmp": page}, zipfile.ZIP_DEFLATED)) == [page]

    def test_a_large_entry_with_a_usual_compression_ratio_is_accepted(self, uploads: Uploads) -> None:
        noise = np.random.default_rng(0).integers(0, 4, 2 * MiB, dtype=np.uint8).tobytes()

        assert uploads.read_all(zip_of({"a.png": noise}, zipfile.ZIP_DEFLATED)) == [noise]

    def test_entries_that_share_their_data_are_refused(self, uploads: Uploads) -> None:
        upload = zip_of({"a.png": b"data", "b.png": b"data"})

        assert uploads.refusal(with_central(upload, entry=1, header_offset=0)).code == "archive_overlap"

    def test_an_entry_that_overlaps_the_next_is_refused(self, uploads: Uploads) -> None:
        upload = zip_of({"a.png": b"data", "b.png": b"data"})

        assert uploads.refusal(with_central(upload, entry=0, compressed_size=5)).code == "archive_overlap"


class TestOtherWriters:
    """What archivers write that is not as in the specification, and harmless."""

    @pytest.mark.parametrize("name", ["/", "//", "./"])
    def test_an_entry_of_the_top_folder_is_skipped(self, uploads: Uploads, name: str) -> None:
        """The zips of Dropbox begin with `/`."""
        archive = uploads.index(zip_of({name: b"", "a.png": b"image"}))

        assert (archive.paths(0, 9), archive.passed_over, archive.skipped) == (["a.png"], 1, {})

    def test_a_folder_may_be_in_the_archive_twice(self, uploads: Uploads) -> None:
        assert uploads.names(zip_of([("a/", b""), ("a/", b""), ("a/1.png", b"")])) == ["a/1.png"]

    def test_a_path_may_be_long_if_its_parts_are_short(self, uploads: Uploads) -> None:
        name = "/".join(["é" * 120] * 16) + ".png"

        assert uploads.names(zip_of({name: b""})) == [name]

    @pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    def test_a_local_header_may_have_zeros_for_sizes_and_checksum(self, uploads: Uploads, method: int) -> None:
        upload = zip_of({"a.png": b"image" * 99, "b.png": b"other"}, method)
        zeros = with_local(upload, entry=0, crc=0, compressed_size=0, size=0)

        assert uploads.read_all(zeros) == [b"image" * 99, b"other"]

    def test_an_entry_that_was_read_from_a_pipe_is_a_file(self, uploads: Uploads) -> None:
        """`cat a.png | zip a.zip -` names the entry `-`, and stores the file type of the pipe."""
        upload = zip_of([(special_file("-", stat.S_IFIFO | 0o600), b"image")])

        assert uploads.names(upload) == ["-"]
        assert uploads.read_all(upload) == [b"image"]

    @pytest.mark.parametrize("system", [0, 10, 11, 14])
    @pytest.mark.parametrize("attributes", [0x20, 0x01, 0x27, 0x2020 << 16, 0xA000 << 16, 0xFFFF << 16 | 0x20])
    def test_the_attributes_of_fat_are_not_a_unix_mode(self, uploads: Uploads, system: int, attributes: int) -> None:
        info = zipfile.ZipInfo("a.png")
        info.create_system, info.external_attr = system, attributes

        assert uploads.read_all(zip_of([(info, b"image")])) == [b"image"]

    def test_a_folder_of_fat_needs_no_slash_in_its_name(self, uploads: Uploads) -> None:
        folder, file = zipfile.ZipInfo("cat"), zipfile.ZipInfo("cat/1.png")
        folder.create_system, folder.external_attr = 0, 0x10
        file.create_system, file.external_attr = 0, 0x10  # a file, as it has content

        archive = uploads.index(zip_of([(folder, b""), (file, b"image")]))

        assert (archive.paths(0, 9), archive.passed_over, archive.skipped) == (["cat/1.png"], 1, {})

    def test_the_label_of_a_fat_volume_is_skipped_and_reported(self, uploads: Uploads) -> None:
        label = zipfile.ZipInfo("PHOTOS")
        label.create_system, label.external_attr = 0, 0x08

        archive = uploads.index(zip_of([(label, b""), ("a.png", b"image")]))

        assert archive.paths(0, 9) == ["a.png"]
        assert archive.skipped == {"special_entry": {"count": 1, "names": ["PHOTOS"]}}


class TestRefusing:
    @pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04", b"Rar!\x1a\x07\0", bytes(1000), bytes(10240)])
    def test_other_content_is_refused_as_an_unsupported_type(self, uploads: Uploads, content: bytes) -> None:
        error = uploads.refusal(content)

        assert isinstance(error, UnsupportedType)
        assert error.code == "archive_expected"

    def test_an_archive_without_entries_is_refused(self, uploads: Uploads) -> None:
        assert uploads.refusal(zip_of({})).code == "archive_empty"

    def test_an_archive_of_folders_and_system_files_only_is_refused(self, uploads: Uploads) -> None:
        assert uploads.refusal(zip_of({"a/": b"", "__MACOSX/a.png": b""})).code == "archive_empty"

    def test_an_encrypted_entry_is_refused(self, uploads: Uploads) -> None:
        assert uploads.refusal(with_central(zip_of({"a.png": b"x"}), entry=0, flags=1)).code == "archive_encrypted"

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_other_compression_methods_are_refused(self, uploads: Uploads, method: int) -> None:
        assert uploads.refusal(zip_of({"a.png": b"x"}, method)).code == "archive_method"

    def test_an_unknown_method_is_refused(self, uploads: Uploads) -> None:
        assert uploads.refusal(with_central(zip_of({"a.png": b"x"}), entry=0, method=97)).code == "archive_method"

    def test_a_truncated_archive_is_refused(self, uploads: Uploads) -> None:
        whole = zip_of_images(np.zeros((3, 4, 4), np.uint8))

        for length in range(0, len(whole), 41):
            assert isinstance(uploads.refusal(whole[:length]), GlassboxError)

    def test_an_entry_that_ends_after_the_files_end_is_refused(self, uploads: Uploads) -> None:
        upload = with_central(zip_of({"a.png": b"x"}), entry=0, compressed_size=10_000)

        assert uploads.refusal(upload).code == "archive_damaged"


class TestDamage:
    def test_a_changed_byte_makes_only_its_entry_fail(self, uploads: Uploads) -> None:
        upload = zip_of({"a.png": b"first", "b.png": b"second"}).replace(b"first", b"fi_st")

        with uploads.opened(uploads.index(upload)) as contents:
            with pytest.raises(Malformed) as caught:
                contents.read(0)
            assert contents.read(1) == b"second"

        assert caught.value.code == "entry_damaged"

    def test_an_entry_of_patched_data_is_malformed(self, uploads: Uploads) -> None:
        with pytest.raises(Malformed):
            uploads.read_all(with_central(zip_of({"a.png": b"x"}), entry=0, flags=0x20))

    def test_a_local_header_with_another_name_is_malformed(self, uploads: Uploads) -> None:
        upload = zip_of({"a.png": b"x"}).replace(b"a.png", b"b.png", 1)

        with pytest.raises(Malformed):
            uploads.read_all(upload)

    def test_a_local_name_that_is_not_utf_8_is_malformed(self, uploads: Uploads) -> None:
        upload = bytearray(zip_of({"é.png": b"x"}))
        upload[30] = 0xFF

        with pytest.raises(Malformed):
            uploads.read_all(bytes(upload))

    @given(data=st.data())
    @settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_random_damage_raises_glassbox_error_or_nothing(self, uploads: Uploads, data: st.DataObject) -> None:
        entries = {"é.png": b"x" * 50, "b/": b"", "c.png": b"text" * 9}
        upload = bytearray(zip_of(entries, data.draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))))
        for _ in range(data.draw(st.integers(1, 4), "changes")):
            upload[data.draw(st.integers(0, len(upload) - 1), "place")] = data.draw(st.integers(0, 255), "byte")

        try:
            uploads.read_all(bytes(upload))
        except GlassboxError as error:
            assert error.code  # noqa: PT017 - damage that changes nothing raises nothing


def second_name(name: str, second: str, crc: int) -> zipfile.ZipInfo:
    """Return an entry with a Unicode path field."""
    info = zipfile.ZipInfo(name)
    content = struct.pack("<BL", 1, crc) + second.encode()
    info.extra = struct.pack("<HH", UNICODE_PATH, len(content)) + content
    return info


def assert_too_large(error: GlassboxError, code: str) -> None:
    assert isinstance(error, TooLarge)
    assert error.code == code
    assert "(GLASSBOX_MAX_" in error.detail
