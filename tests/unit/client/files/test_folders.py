"""A folder as a zip: its length is known in advance, its bytes are reproducible, and other programs can read it."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest
from glassbox import LocalFileError
from glassbox.files import folders, image_files
from glassbox.files.folders import FolderBody
from glassbox.files.skip_report import as_line
from glassbox.http.bodies import BLOCK, FileBody

from shared.archives import validate
from shared.datasets.folders import problems
from shared.errors import Malformed
from shared.images.formats import format_of
from shared.runtime.settings import Settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images" / "b").mkdir(parents=True)
    (tmp_path / "images" / "b" / "two.PNG").write_bytes(b"2" * 2000)
    (tmp_path / "images" / "a.png").write_bytes(b"1")
    (tmp_path / "images" / "größe.jpg").write_bytes(b"three")
    return tmp_path / "images"


def packed(folder: Path) -> bytes:
    body = FolderBody(folder)
    content = b"".join(body)
    assert len(content) == body.size
    return content


def test_the_zip_holds_the_images_in_the_order_of_their_paths(folder: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(packed(folder))) as archive:
        assert archive.namelist() == ["a.png", "b/two.PNG", "größe.jpg"]
        assert archive.testzip() is None
        assert archive.read("b/two.PNG") == b"2" * 2000


def test_the_server_accepts_the_zip(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(packed(folder))
    assert validate(tmp_path / "upload", Settings()).paths(0, 3) == ["a.png", "b/two.PNG", "größe.jpg"]


def test_the_same_folder_gives_the_same_bytes(folder: Path) -> None:
    before = packed(folder)
    (folder / "a.png").touch()
    assert packed(folder) == before


def test_other_files_are_omitted_and_counted(folder: Path) -> None:
    (folder / "notes.txt").write_text("no image")
    (folder / ".hidden.png").write_bytes(b"x")
    body = FolderBody(folder)
    assert len(body) == 3
    assert as_line(body.skipped) == "skipped 2 files: 1 .png (hidden), 1 .txt"


def test_images_are_recognised_by_their_first_bytes(folder: Path) -> None:
    for name in ("photo.jfif", "photo.jpe", "scan"):
        (folder / name).write_bytes(b"\xff\xd8\xff\xe0 JPEG")
    (folder / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0")
    (folder / "raw.nef").write_bytes(b"something")
    (folder / "README").write_text("text")

    body = FolderBody(folder)

    with zipfile.ZipFile(io.BytesIO(packed(folder))) as archive:
        assert {"photo.jfif", "photo.jpe", "scan", "phone.heic"} <= set(archive.namelist())
    assert as_line(body.skipped) == "skipped 2 files: 1 .nef (unsupported), 1 README"


def test_links_to_folders_and_files_are_followed_and_loops_end(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.png").write_bytes(b"x")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "b" / "again").symlink_to(folder)
    (folder / "y.png").symlink_to(folder / "a.png")
    (folder / "gone.png").symlink_to(tmp_path / "nowhere")

    body = FolderBody(folder)

    with zipfile.ZipFile(io.BytesIO(packed(folder))) as archive:
        assert archive.namelist() == ["a.png", "b/two.PNG", "größe.jpg", "linked/x.png", "y.png"]
    assert {code: files.names for code, files in body.skipped.items()} == {
        "link_loop": ("b/again/",),
        "broken_link": ("gone.png",),
    }


def test_a_class_folder_without_images_is_named(folder: Path) -> None:
    (folder / "c").mkdir()
    (folder / "c" / "1.mov").write_bytes(b"film")
    (folder / "notes").mkdir()
    (folder / "notes" / "1.txt").write_text("text")
    (folder / "a.png").rename(folder / "b" / "a.png")
    (folder / "größe.jpg").unlink()

    with pytest.raises(LocalFileError, match="images/c has no image"):
        FolderBody(folder).refuse_empty_class()
    (folder / "c" / "1.mov").rename(folder / "c" / ".1.png")
    with pytest.raises(LocalFileError, match=r"only files such as c/\.1\.png"):
        FolderBody(folder).refuse_empty_class()
    (folder / "c" / ".1.png").rename(folder / "c" / ".gitkeep")
    FolderBody(folder).refuse_empty_class()
    (folder / "c" / "1.png").symlink_to("nowhere")
    with pytest.raises(LocalFileError, match=r"only files such as c/1\.png"):
        FolderBody(folder).refuse_empty_class()


def test_empty_folders_are_reported(folder: Path) -> None:
    (folder / "cats" / "new").mkdir(parents=True)

    body = FolderBody(folder)

    assert as_line(body.skipped) == "skipped 1 file: 1 new (empty folder)"


@pytest.mark.parametrize("name", [b"caf\xe9.png", b"caf\xe9/one.png", b"\x93\xfa.png"])
def test_a_name_that_is_not_utf_8_is_named(folder: Path, name: bytes) -> None:
    path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")

    with pytest.raises(LocalFileError) as caught:
        FolderBody(folder)

    assert f"the name {name.decode(errors='backslashreplace')} in {folder}" in str(caught.value)
    assert "not UTF-8" in str(caught.value)


def test_the_client_and_the_server_know_the_same_endings() -> None:
    assert image_files.ENDINGS == problems.ENDINGS
    assert image_files.FOREIGN_ENDINGS == problems.FOREIGN_ENDINGS
    assert image_files.TEXT_ENDINGS == problems.TEXT_ENDINGS


FIRST_BYTES = [
    *(
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"GIF89a",
        b"II*\0",
        b"MM\0+",
        b"RIFF\0\0\0\0WEBP",
        b"BM" + bytes(12) + b"\x28\0\0\0",
    ),
    *(
        b"\0\0\0\x20ftyp" + brand + bytes(4)
        for brand in (b"heic", b"hevc", b"mif1", b"msf1", b"avif", b"avis", b"crx ")
    ),
    *(b"\0\0\0\x20ftypmiaf" + bytes(8) + b"avif", b"\0\0\0\x20ftypheis", b"\xff\x0a", b"\xff\x4f\xff\x51", b"8BPS\0\2"),
    *(b"\0\0\0\x0cJXL \r\n\x87\n", b"\0\0\0\x0cjP  \r\n\x87\n", b"<svg>", b"<!-- a --><svg ", b"P5 2 2 255\n", b"Pf\n"),
    *(b"\0\0\1\0\1\0\x10\x10\0\0\1\0", b"v/1\x01", bytes(128) + b"DICM", b"DDS \x7c\0\0\0", b"qoif"),
    *(b"II*\0\x10\0\0\0CR\2\0", b"IIRO\x08\0", b"IIU\0", b"FUJIFILMCCD"),
    *(
        b"",
        b"P5 no",
        b"<html>",
        b"\0\0\0\x20ftypmp42",
        b"RIFF\0\0\0\0AVI ",
        b"PK\3\4",
        b"%PDF-1.4",
        b"8BPX",
        b"<!-- a -->",
    ),
]


@pytest.mark.parametrize("content", FIRST_BYTES)
def test_the_client_and_the_server_recognise_the_same_formats(content: bytes) -> None:
    try:
        format_of(content)
        recognised = True
    except Malformed as error:
        recognised = error.code != problems.NOT_AN_IMAGE

    assert image_files.is_image(content) is recognised


def test_a_large_image_is_not_held_in_memory(folder: Path) -> None:
    (folder / "large.tiff").write_bytes(bytes(5 * BLOCK))
    assert max(map(len, FolderBody(folder))) < 3 * BLOCK
    with zipfile.ZipFile(io.BytesIO(packed(folder))) as archive:
        assert archive.testzip() is None


def test_a_zip_with_more_entries_than_fit_without_zip64(tmp_path: Path) -> None:
    for number in range(70_000):
        (tmp_path / f"{number:05d}.png").touch()
    with zipfile.ZipFile(io.BytesIO(packed(tmp_path))) as archive:
        assert len(archive.namelist()) == 70_000


def test_a_zip_with_offsets_that_need_zip64(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "NEEDS_ZIP64", 100)  # in place of 4 GiB
    content = packed(folder)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
    (tmp_path / "upload").write_bytes(content)
    assert len(validate(tmp_path / "upload", Settings())) == 3


def test_a_folder_without_images_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(LocalFileError, match="there are no images in"):
        FolderBody(tmp_path)


def test_a_file_that_changes_while_it_is_sent_is_reported(folder: Path) -> None:
    body = FolderBody(folder)
    (folder / "a.png").write_bytes(b"longer than before")
    with pytest.raises(LocalFileError, match="changed while it was sent"):
        b"".join(body)


def test_a_file_that_disappears_is_reported(folder: Path) -> None:
    body = FolderBody(folder)
    (folder / "a.png").unlink()
    with pytest.raises(LocalFileError, match=r"a\.png cannot be read"):
        b"".join(body)


class TestFiles:
    def test_a_file_is_sent_block_by_block(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(bytes(3 * BLOCK + 1))
        assert list(map(len, FileBody(tmp_path / "file"))) == [BLOCK] * 3 + [1]

    def test_a_file_that_becomes_shorter_is_reported(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"ten bytes!")
        body = FileBody(tmp_path / "file")
        (tmp_path / "file").write_bytes(b"ten")
        with pytest.raises(LocalFileError, match="became shorter"):
            list(body)

    @pytest.mark.parametrize(
        ("name", "message"), [("none", "there is no file"), (".", "is not a file"), ("empty", "is empty")]
    )
    def test_a_missing_or_empty_file_is_rejected(self, name: str, message: str, tmp_path: Path) -> None:
        (tmp_path / "empty").touch()
        with pytest.raises(LocalFileError, match=message):
            FileBody(tmp_path / name)
