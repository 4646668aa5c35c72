"""Tars of images: validated in one pass over the headers, read entry by entry."""

from __future__ import annotations

import tarfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.archives import tar
from shared.archives.tar import LONGEST_EXTENSION, pax_values
from shared.errors import GlassboxError, Invalid, Malformed, TooLarge, UnsupportedType
from shared.runtime.settings import MiB
from tests.support.data.tars import BLOCK, END, member, pax, pax_record, tar_of
from tests.unit.shared.archives.conftest import Uploads

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


@pytest.mark.parametrize("form", FORMATS, ids=["ustar", "gnu", "pax"])
class TestFormats:
    def test_entries_are_read_with_their_content_in_the_archives_order(self, uploads: Uploads, form: int) -> None:
        entries = {"c.png": b"first", "folder/b.png": b"second" * 1000, "a.png": b""}
        upload = tar_of(entries, form)

        assert uploads.names(upload) == list(entries)
        assert uploads.read_all(upload) == list(entries.values())

    @pytest.mark.parametrize(
        "name", ["a" * 90 + "/" + "b" * 90, "ü.png", "数字/三.png", "🙂.png", "a b.png", "a.b.png"]
    )
    def test_long_and_unicode_names_are_kept(self, uploads: Uploads, form: int, name: str) -> None:
        assert uploads.names(tar_of({name: b"", "next.png": b""}, form)) == [name, "next.png"]

    @pytest.mark.parametrize("name", ["../a.png", "a/../../b.png", "/etc/passwd", "..\\a.png", "C:/a.png", "."])
    def test_an_unsafe_name_is_refused(self, uploads: Uploads, form: int, name: str) -> None:
        assert uploads.refusal(tar_of({"good.png": b"", name: b""}, form)).code == "archive_path"

    @pytest.mark.parametrize("length", [255, 256])
    def test_a_part_of_a_name_has_at_most_255_bytes(self, uploads: Uploads, form: int, length: int) -> None:
        if form == tarfile.USTAR_FORMAT:  # its fields hold 155 and 100 bytes
            assert uploads.names(tar_of({"a" * 155 + "/" + "b" * 99: b""}, form)) == ["a" * 155 + "/" + "b" * 99]
            return
        upload = tar_of({"folder/" + "b" * length: b""}, form)

        if length == 255:
            assert uploads.names(upload) == ["folder/" + "b" * length]
        else:
            assert uploads.refusal(upload).code == "archive_path"

    @pytest.mark.parametrize(
        "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
    )
    def test_links_and_devices_are_skipped_and_reported(self, uploads: Uploads, form: int, kind: bytes) -> None:
        special = tarfile.TarInfo("a.png")
        special.type, special.linkname = kind, "/etc/passwd"

        archive = uploads.index(tar_of([("good.png", b""), (special, b"")], form))

        code = "link" if kind in {tarfile.SYMTYPE, tarfile.LNKTYPE} else "special_file"
        assert archive.paths(0, 9) == ["good.png"]
        assert archive.skipped == {code: {"count": 1, "names": ["a.png"]}}

    def test_a_tar_of_links_alone_is_refused_with_the_remedy(self, uploads: Uploads, form: int) -> None:
        special = tarfile.TarInfo("a.png")
        special.type, special.linkname = tarfile.SYMTYPE, "b" * 90 if form == tarfile.USTAR_FORMAT else "b" * 200

        error = uploads.refusal(tar_of([(special, b"")], form))

        assert error.code == "archive_empty"
        assert "1 link ('a.png'); pack the files to which the links lead" in error.detail

    def test_a_truncated_archive_is_refused_unless_it_is_cut_between_two_entries(
        self, uploads: Uploads, form: int
    ) -> None:
        entries = {"a.png": b"image" * 200, "ü" * 40 + "/" + "ü" * 40: b"", "c.png": b"image"}
        contents = list(entries.values())
        whole = tar_of(entries, form)

        accepted = set()
        for length in range(0, whole.rindex(b"image"), 37):
            try:
                found = uploads.read_all(whole[:length])
            except GlassboxError:
                continue
            assert found == contents[: len(found)]
            accepted.add(len(found))
        assert accepted <= {1, 2}
        assert len(uploads.index(whole[: whole.rindex(b"image") + 5])) == 3


class TestAccepting:
    def test_folders_and_system_files_are_skipped_and_counted(self, uploads: Uploads) -> None:
        folder = tarfile.TarInfo("./")
        folder.type = tarfile.DIRTYPE
        upload = tar_of([(folder, b""), ("./a.png", b"image"), ("._a.png", b""), ("__MACOSX/b.png", b"")])

        archive = uploads.index(upload)

        assert archive.paths(0, 9) == ["./a.png"]
        assert archive.passed_over == 3

    @pytest.mark.parametrize("name", ["folder", "folder/"])
    def test_a_folder_is_skipped_with_and_without_a_slash_in_its_name(self, uploads: Uploads, name: str) -> None:
        archive = uploads.index(member(name, kind=b"5") + member("folder/a.png") + END)

        assert (archive.paths(0, 9), archive.passed_over) == (["folder/a.png"], 1)

    def test_a_tar_of_the_old_form_without_a_magic_is_read(self, uploads: Uploads) -> None:
        upload = member("a.png", b"image", kind=b"\0", magic=bytes(8)) + member("folder/", kind=b"\0", magic=bytes(8))

        assert uploads.read_all(upload + END) == [b"image"]

    def test_a_contiguous_file_is_read_as_a_file(self, uploads: Uploads) -> None:
        assert uploads.read_all(member("a.png", b"image", kind=b"7") + END) == [b"image"]

    def test_a_checksum_of_signed_bytes_is_accepted(self, uploads: Uploads) -> None:
        header = member("ü.png", checksum=b" " * 8)
        signed = sum(header) - 256 * sum(byte > 127 for byte in header)

        assert uploads.names(member("ü.png", checksum=b"%06o\0 " % signed) + END) == ["ü.png"]

    def test_a_size_in_binary_is_read(self, uploads: Uploads) -> None:
        size = b"\x80" + (5).to_bytes(11, "big")

        assert uploads.read_all(member("a.png", b"image", size=size) + END) == [b"image"]

    def test_a_size_in_a_pax_header_overrides_the_entrys_own(self, uploads: Uploads) -> None:
        upload = pax({"size": "5"}) + member("a.png", b"image", size=b"%011o\0" % 0) + member("b.png", b"other") + END

        assert uploads.read_all(upload) == [b"image", b"other"]

    def test_a_pax_header_names_only_the_next_entry(self, uploads: Uploads) -> None:
        upload = pax({"path": "ä.png", "mtime": "1.5"}) + member("a.png") + member("b.png") + END

        assert uploads.names(upload) == ["ä.png", "b.png"]

    def test_records_that_do_not_matter_are_not_kept(self) -> None:
        """Headers before an entry add up: each could have a megabyte under keys of its own."""
        assert pax_values(pax_record("path", "a.png") + pax_record("comment", "x" * 1000)) == {b"path": b"a.png"}

    def test_a_global_header_with_irrelevant_records_is_ignored(self, uploads: Uploads) -> None:
        assert uploads.names(tar_of({"a.png": b""}, tarfile.PAX_FORMAT, pax_headers={"comment": "from git"})) == [
            "a.png"
        ]

    def test_a_name_that_is_not_utf_8_is_read_as_latin_1(self, uploads: Uploads) -> None:
        assert uploads.names(member(b"\xe4.png") + END) == ["ä.png"]

    @pytest.mark.parametrize("blocks", [1, 2, 20])
    def test_the_end_mark_may_have_any_number_of_empty_blocks(self, uploads: Uploads, blocks: int) -> None:
        assert uploads.names(member("a.png") + bytes(blocks * BLOCK)) == ["a.png"]


class TestOtherWriters:
    """What archivers write that is harmless."""

    @pytest.mark.parametrize("kind", [b"V", b"D", b"N", b"A", b"E", b"I"])
    @pytest.mark.parametrize("name", ["label", "/backup of: C:\\", "../x"])
    def test_an_entry_that_only_describes_the_archive_is_skipped_and_reported(
        self, uploads: Uploads, kind: bytes, name: str
    ) -> None:
        """GNU tar writes a label (`--label`), and lists of folders (`--incremental`)."""
        archive = uploads.index(member(name, b"text", kind=kind) + member("a.png", b"image") + END)

        assert (archive.paths(0, 9), archive.passed_over) == (["a.png"], 1)
        assert archive.skipped == {"special_entry": {"count": 1, "names": [name]}}

    def test_a_tar_of_a_label_alone_is_refused_with_the_label(self, uploads: Uploads) -> None:
        error = uploads.refusal(member("photos", kind=b"V") + END)

        assert error.code == "archive_empty"
        assert "1 special_entry ('photos')" in error.detail

    @pytest.mark.parametrize("form", ["gnu", "pax"])
    def test_a_hard_link_to_a_file_in_the_archive_is_a_file(self, uploads: Uploads, form: str) -> None:
        """GNU tar writes a file that has several names once."""
        names = ["a.png", "x" * 90 + "/" + "y" * 90 + ".png"]
        entries: list[tuple[str | tarfile.TarInfo, bytes]] = [(names[0], b"one"), (names[1], b"two")]
        for number, target in enumerate([names[1], "./" + names[0]]):
            link = tarfile.TarInfo(f"link-{number}.png")
            link.type, link.linkname = tarfile.LNKTYPE, target
            entries.append((link, b""))

        upload = tar_of(entries, tarfile.GNU_FORMAT if form == "gnu" else tarfile.PAX_FORMAT)

        assert uploads.names(upload) == [*names, "link-0.png", "link-1.png"]
        assert uploads.read_all(upload) == [b"one", b"two", b"two", b"one"]

    def test_a_hard_link_that_is_not_to_an_earlier_file_is_skipped(self, uploads: Uploads) -> None:
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.LNKTYPE, "a.png"

        assert uploads.names(tar_of([(link, b""), ("a.png", b"")])) == ["a.png"]
        link.linkname = "link.png"
        assert uploads.names(tar_of([("a.png", b""), (link, b"")])) == ["a.png"]

    @pytest.mark.parametrize("kind", [b"1", b"2", b"3", b"4", b"5", b"6"])
    def test_a_size_in_the_header_of_an_entry_without_data_is_ignored(self, uploads: Uploads, kind: bytes) -> None:
        """POSIX.1, pax: the size of a folder is a quota; old programs write the size of a link's target."""
        upload = member("special", kind=kind, size=b"%011o\0" % 100_000) + member("a.png", b"image") + END

        assert uploads.read_all(upload) == [b"image"]

    def test_the_content_of_a_hard_link_that_has_some_is_not_taken_for_a_header(self, uploads: Uploads) -> None:
        upload = member("link", b"content" * 100, kind=b"1") + member("a.png", b"image") + END

        assert uploads.read_all(upload) == [b"image"]

    def test_hard_links_beyond_the_memory_for_their_names_are_skipped_and_reported(
        self, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tar, "LINKED_BYTES", 0)
        entries: list[tuple[str | tarfile.TarInfo, bytes]] = [("a.png", b"a"), ("b.png", b"b")]
        for target in ("a.png", "b.png"):
            link = tarfile.TarInfo(f"link-to-{target}")
            link.type, link.linkname = tarfile.LNKTYPE, target
            entries.append((link, b""))

        index = uploads.index(tar_of(entries))

        assert index.paths(0, 9) == ["a.png", "b.png", "link-to-a.png"]
        assert index.skipped == {"link": {"count": 1, "names": ["link-to-b.png"]}}

    def test_hard_links_count_with_the_content_of_their_file(self, uploads: Uploads) -> None:
        entries: list[tuple[str | tarfile.TarInfo, bytes]] = [("a.png", bytes(MiB))]
        for number in range(300):
            link = tarfile.TarInfo(f"{number}.png")
            link.type, link.linkname = tarfile.LNKTYPE, "a.png"
            entries.append((link, b""))

        assert uploads.refusal(tar_of(entries)).code == "archive_ratio"
        assert uploads.refusal(tar_of(entries), max_expanded_bytes=10 * MiB).code == "archive_too_large"

    def test_a_pax_header_of_solaris_is_read(self, uploads: Uploads) -> None:
        header = pax({"path": "ä.png"}, kind=b"X")

        assert uploads.names(header + member("a.png") + END) == ["ä.png"]

    @pytest.mark.parametrize("rest", [b"", bytes(BLOCK), bytes(100)])
    def test_a_tar_needs_no_end_mark(self, uploads: Uploads, rest: bytes) -> None:
        assert uploads.read_all(member("a.png", b"image") + rest) == [b"image"]

    def test_the_last_entry_needs_no_padding(self, uploads: Uploads) -> None:
        assert uploads.read_all(member("a.png", b"image")[: BLOCK + 5]) == [b"image"]

    @pytest.mark.parametrize("rest", [b"garbage", b"garbage" * 1000, bytes(700_000) + b"garbage"])
    def test_other_bytes_after_the_end_mark_are_ignored(self, uploads: Uploads, rest: bytes) -> None:
        """Tools that write whole blocks leave what was in the buffer."""
        assert uploads.read_all(member("a.png", b"image") + END + rest) == [b"image"]

    @pytest.mark.parametrize("blocks", [0, 1, 40])
    def test_another_tar_after_the_end_mark_is_refused(self, uploads: Uploads, blocks: int) -> None:
        upload = member("a.png") + END + bytes(blocks * BLOCK) + member("b.png") + END

        assert uploads.refusal(upload).code == "archive_damaged"

    @pytest.mark.parametrize("size", ["05", "0" * 30 + "5", "0" * 3000 + "5"])
    def test_a_size_in_a_pax_header_may_have_leading_zeros(self, uploads: Uploads, size: str) -> None:
        upload = pax({"size": size}) + member("a.png", b"image", size=b"%011o\0" % 0) + member("b.png", b"other") + END

        assert uploads.read_all(upload) == [b"image", b"other"]

    def test_a_size_of_zeros_in_a_pax_header_is_zero(self, uploads: Uploads) -> None:
        assert uploads.read_all(pax({"size": "000"}) + member("a.png") + END) == [b""]

    def test_a_pax_header_may_have_many_records(self, uploads: Uploads) -> None:
        attributes = {f"SCHILY.xattr.user.{number}": "x" * 200 for number in range(1000)}

        assert uploads.names(pax({**attributes, "path": "b.png"}) + member("a.png") + END) == ["b.png"]

    def test_the_length_of_a_pax_record_may_have_leading_zeros(self, uploads: Uploads) -> None:
        assert uploads.names(member("pax", b"0000000000000028 path=b.png\n", kind=b"x") + member("a") + END) == [
            "b.png"
        ]

    def test_a_path_may_be_long_if_its_parts_are_short(self, uploads: Uploads) -> None:
        name = "/".join(["é" * 120] * 16) + ".png"

        for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
            assert uploads.names(tar_of({name: b""}, form)) == [name]


class TestRefusing:
    def test_an_archive_of_folders_only_is_refused(self, uploads: Uploads) -> None:
        assert uploads.refusal(member("folder/", kind=b"5") + END).code == "archive_empty"

    def test_a_duplicate_name_is_refused(self, uploads: Uploads) -> None:
        assert uploads.refusal(tar_of([("a.png", b"one"), ("a.png", b"two")])).code == "archive_duplicate"

    @pytest.mark.parametrize(
        ("one", "other"), [("a.png", "./a.png"), ("a/b.png", "a//b.png"), ("./a/./b.png", "a/b.png")]
    )
    def test_a_duplicate_name_in_another_spelling_is_refused(self, uploads: Uploads, one: str, other: str) -> None:
        error = uploads.refusal(tar_of([(one, b"one"), ("c.png", b"three"), (other, b"two")]))

        assert error.code == "archive_duplicate"

    def test_names_are_returned_in_the_archives_spelling(self, uploads: Uploads) -> None:
        archive = uploads.index(tar_of([("./a.png", b"one"), ("a//b.png", b"two")]))

        assert archive.paths(0, 2) == ["./a.png", "a//b.png"]

    def test_an_archive_in_the_archive_is_refused(self, uploads: Uploads) -> None:
        assert uploads.refusal(tar_of({"inner.tar.gz": b""})).code == "archive_nested"

    @pytest.mark.parametrize("name", ["../a.png", "a\0b", "a" * 256, "a/" * 2040 + "b" * 17, "x.zip"])
    def test_an_unsafe_name_in_a_pax_header_is_refused(self, uploads: Uploads, name: str) -> None:
        error = uploads.refusal(pax({"path": name}) + member("a.png") + END)

        assert error.code == ("archive_nested" if name == "x.zip" else "archive_path")

    def test_an_unsafe_gnu_long_name_is_refused(self, uploads: Uploads) -> None:
        upload = member("././@LongLink", b"../" * 40 + b"a.png\0", kind=b"L") + member("a.png") + END

        assert uploads.refusal(upload).code == "archive_path"

    def test_an_unsafe_prefix_is_refused(self, uploads: Uploads) -> None:
        assert uploads.refusal(member("a.png", prefix=b"/etc") + END).code == "archive_path"

    @pytest.mark.parametrize("kind", [b"Z", b"9", b"\xff"])
    def test_entries_of_unknown_kinds_are_skipped(self, uploads: Uploads, kind: bytes) -> None:
        archive = uploads.index(member("x", b"data", kind=kind) + member("a.png") + END)

        assert archive.paths(0, 9) == ["a.png"]
        assert archive.skipped == {"special_entry": {"count": 1, "names": ["x"]}}

    def test_the_rest_of_a_file_in_another_volume_is_refused(self, uploads: Uploads) -> None:
        error = uploads.refusal(member("a.png", kind=b"M") + END)

        assert error.code == "archive_damaged"
        assert "'a.png' is the rest of a file in another volume" in error.detail

    @pytest.mark.parametrize(
        "sparse",
        [
            *(pax({key: "1"}) + member("a.png", b"data") for key in ("GNU.sparse.map", "SCHILY.realsize")),
            pax({"GNU.sparse.major": "1", "GNU.sparse.name": "a.png"}) + member("GNUSparseFile.1/a.png", b"data"),
            member("a.png", b"data", kind=b"S"),
            member("a.png", b"data", kind=b"S", prefix=bytes(137) + b"\1")[:BLOCK]
            + (bytes(504) + b"\1" + bytes(7) + bytes(BLOCK))  # two more blocks of its map
            + member("a.png", b"data")[BLOCK:],
        ],
    )
    def test_a_sparse_file_costs_only_itself(self, uploads: Uploads, sparse: bytes) -> None:
        archive = uploads.index(sparse + member("b.png", b"image") + END)

        assert archive.paths(0, 9) == ["a.png", "b.png"]
        with uploads.opened(archive) as contents:
            assert contents.read(1) == b"image"
            with pytest.raises(Malformed, match="sparse"):
                contents.read(0)

    @pytest.mark.parametrize("key", ["path", "size", "linkpath"])
    def test_a_header_that_redefines_all_entries_is_refused(self, uploads: Uploads, key: str) -> None:
        upload = pax({key: "1", "path": "a"} if key == "linkpath" else {key: "1"}, kind=b"g") + member("a.png") + END

        assert uploads.refusal(upload).code == "archive_damaged"

    def test_a_folder_with_content_is_refused(self, uploads: Uploads) -> None:
        assert uploads.refusal(member("folder/", b"x", kind=b"5") + END).code == "archive_damaged"

    def test_the_error_names_the_first_entry_that_breaks_a_rule(self, uploads: Uploads) -> None:
        upload = tar_of({"a.png": b"", "../b.png": b"", "/c.png": b""})

        assert "'../b.png'" in uploads.refusal(upload).detail


class TestLimits:
    def test_too_many_entries_are_refused_as_too_large(self, uploads: Uploads) -> None:
        upload = tar_of({"a": b"", "b": b"", "c": b""})

        assert len(uploads.index(upload, max_archive_entries=3)) == 3
        assert_too_large(uploads.refusal(upload, max_archive_entries=2), "archive_too_large")

    def test_extension_headers_count_towards_the_number_of_entries(self, uploads: Uploads) -> None:
        upload = pax({"path": "b.png"}) * 6 + member("a.png") + END

        assert uploads.index(upload, max_archive_entries=4).paths(0, 9) == ["b.png"]
        assert_too_large(uploads.refusal(upload, max_archive_entries=3), "archive_too_large")

    def test_too_many_bytes_in_all_are_refused_as_too_large(self, uploads: Uploads) -> None:
        upload = tar_of({"a": b"x" * 500, "b": b"x" * 501})

        assert len(uploads.index(upload, max_expanded_bytes=1001)) == 2
        assert_too_large(uploads.refusal(upload, max_expanded_bytes=1000), "archive_too_large")

    def test_too_many_bytes_of_names_are_refused_as_too_large(self, uploads: Uploads) -> None:
        upload = tar_of({"a.png": b"", "b/": b"", "c.png": b""})

        assert len(uploads.index(upload, max_names_bytes=12)) == 2
        assert_too_large(uploads.refusal(upload, max_names_bytes=11), "archive_too_large")

    def test_an_entry_beyond_the_limit_costs_only_itself(self, uploads: Uploads) -> None:
        archive = uploads.index(tar_of({"a": b"x" * 1000, "b": b"image"}), max_entry_bytes=999)

        with uploads.opened(archive, max_entry_bytes=999) as contents:
            with pytest.raises(Malformed) as caught:
                contents.read(0)
            assert contents.read(1) == b"image"

        assert caught.value.code == "entry_too_large"

    def test_an_archive_of_entries_beyond_the_limit_is_refused_as_too_large(self, uploads: Uploads) -> None:
        upload = tar_of({"a": b"x" * 1000})

        assert len(uploads.index(upload, max_entry_bytes=1000)) == 1
        assert_too_large(uploads.refusal(upload, max_entry_bytes=999), "archive_entry_too_large")

    def test_an_entry_beyond_the_readers_limit_is_malformed(self, uploads: Uploads) -> None:
        archive = uploads.index(tar_of({"a": b"x" * 1000}))

        with uploads.opened(archive, max_entry_bytes=999) as contents, pytest.raises(Malformed) as caught:
            contents.read(0)

        assert caught.value.code == "entry_too_large"
        assert "(GLASSBOX_MAX_ENTRY_BYTES)" in caught.value.detail

    def test_an_extension_header_has_a_longest_length(self, uploads: Uploads) -> None:
        longest = b"\0" * LONGEST_EXTENSION

        assert uploads.names(member("long", longest, kind=b"K") + member("a.png") + END) == ["a.png"]
        assert uploads.refusal(member("long", longest + b"\0", kind=b"K") + END).code == "archive_damaged"


class TestDamage:
    @pytest.mark.parametrize(
        "size",
        [b"%011o\0" % 6000, b"7" * 11 + b"\0", b"\x80" + b"\xff" * 11, b"\xff" * 12, b"-0000000001\0", b"0x000000005\0",
         b"1_1\0", b"+5\0", b"8\0"],
    )  # fmt: skip
    def test_a_false_size_is_refused(self, uploads: Uploads, size: bytes) -> None:
        assert uploads.refusal(member("a.png", b"image", size=size) + END).code == "archive_damaged"

    @pytest.mark.parametrize("checksum", [b"000000\0 ", b"999999\0 ", b"\xff" * 8])
    def test_a_wrong_checksum_is_refused(self, uploads: Uploads, checksum: bytes) -> None:
        good = member("a.png", b"image")

        assert uploads.refusal(good + member("b.png", checksum=checksum) + END).code == "archive_damaged"
        assert uploads.refusal(member("b.png", checksum=checksum) + END).code == "archive_damaged"

    def test_headers_exposed_by_a_false_size_are_validated(self, uploads: Uploads) -> None:
        """A size of 0 turns a file's content into headers; the rules apply to these too."""
        inner = member("../b.png") + END

        assert uploads.refusal(member("a.png", inner, size=b"%011o\0" % 0) + END).code == "archive_path"

    @pytest.mark.parametrize(
        "records",
        [
            b"x path=",
            b"5 path=a\n",
            b"99 path=a\n",
            b"9 path=ab",
            b"9 path=a\n\n",
            b"0 path=\n",
            b"-9 path=a\n",
            b" path=\n",
            b"1" * 5000 + b" path=\n",
            b"7 path\n" + pax_record("path", "b"),
        ],
    )
    def test_a_malformed_pax_header_is_refused(self, uploads: Uploads, records: bytes) -> None:
        assert uploads.refusal(member("pax", records, kind=b"x") + member("a.png") + END).code == "archive_damaged"

    @pytest.mark.parametrize("size", ["-1", "1.5", "", "9" * 30, "9" * 5000])
    def test_a_malformed_size_in_a_pax_header_is_refused(self, uploads: Uploads, size: str) -> None:
        assert uploads.refusal(pax({"size": size}) + member("a.png") + END).code == "archive_damaged"

    @pytest.mark.parametrize("header", [pax({"path": "a"}), member("long", b"name\0", kind=b"L")])
    def test_an_extension_header_without_an_entry_is_refused(self, uploads: Uploads, header: bytes) -> None:
        assert uploads.refusal(member("a.png") + header + END).code == "archive_damaged"

    def test_joined_archives_are_refused(self, uploads: Uploads) -> None:
        assert uploads.refusal(tar_of({"a.png": b""}) + tar_of({"b.png": b""})).code == "archive_damaged"

    def test_a_file_truncated_after_validation_makes_only_the_missing_entry_fail(self, uploads: Uploads) -> None:
        archive = uploads.index(tar_of({"a.png": b"first", "b.png": b"second"}))
        with uploads.path.open("r+b") as file:
            file.truncate(3 * BLOCK)

        with uploads.opened(archive) as contents:
            assert contents.read(0) == b"first"
            with pytest.raises(Malformed) as caught:
                contents.read(1)

        assert caught.value.code == "entry_damaged"

    @given(data=st.data())
    @settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_a_changed_byte_in_a_header_is_refused(self, uploads: Uploads, data: st.DataObject) -> None:
        upload = bytearray(member("a.png", b"text" * 100) + member("b.png") + END)
        places = [start + field for start in (0, 2 * BLOCK) for field in range(BLOCK) if not 148 <= field < 156]
        place = data.draw(st.sampled_from(places), "place")  # not in the checksum: 7 and 007 are equal
        byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != upload[place]), "byte")
        upload[place] = byte

        with pytest.raises((Invalid, UnsupportedType)):
            uploads.read_all(bytes(upload))


def assert_too_large(error: GlassboxError, code: str) -> None:
    assert isinstance(error, TooLarge)
    assert error.code == code
    assert "(GLASSBOX_MAX_" in error.detail
