"""The files that operating systems and tools leave among images: skipped, counted and named, in zips and tars alike."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import glassbox.files.leftovers
import pytest

import shared.archives.names.leftovers
from shared.archives.names.leftovers import leftover
from shared.archives.skipped import NAMED, SkipReport, in_words
from tests.support.data.archives import Entries, special_file, with_central, zip_of
from tests.support.data.tars import tar_of
from tests.unit.shared.archives.conftest import Uploads

Build = Callable[[dict[str, bytes]], bytes]

both = pytest.mark.parametrize("build", [zip_of, tar_of], ids=["zip", "tar"])

SYSTEM_FILES = [
    ".DS_Store",
    "a/b/.DS_Store",
    "Thumbs.db",
    "a/thumbs.DB",
    "ehthumbs.db",
    "Desktop.ini",
    "cat/desktop.ini",
    "Icon\r",
    "cat/Icon\r",
    "._a.png",
    "a/._b.png",
    "__MACOSX/a.png",
    "pets/__MACOSX/cat/._1.png",
    "cat/@eaDir/1.png/SYNOPHOTO_THUMB_M.jpg",
    "$RECYCLE.BIN/1.png",
    "System Volume Information/x",
    "FOUND.000/1.png",
    "cat/_vti_cnf/1.png",
    "Network Trash Folder/1.png",
    "Temporary Items/1.png",
    "node_modules/icons/1.png",
    "a/1.png~",
    "a/~$list.docx",
    "1.png.bak",
    "a/1.PNG.Part",
    "1.jpg.crdownload",
    "a/1.png:Zone.Identifier",
    "a/1.png\uf03aZone.Identifier",
    "a/Thumbs.db:encryptable",
    "a/1.jpg:com.dropbox.attributes",
    "META-INF/MANIFEST.MF",
    "a/CaptureOne/Cache/Thumbnails/1.png",
    "Photos Previews.lrdata/1.jpg",
    "a/#1.png#",
    "a/1.png.old",
    "a/1.JPG_original",
    "a/1.png.filepart",
    "a/IMG_1.AAE",
    "a/1.xmp",
    "a/MVI_1.THM",
    "a/cats.lnk",
    "a/page.url",
]
HIDDEN = [
    ".gitkeep",
    "cat/.gitkeep",
    ".ipynb_checkpoints/1.png",
    "cat/.ipynb_checkpoints/1.png",
    ".git/config",
    ".a.png",
]
SIDE_FILES = [
    "LICENSE",
    "LICENSE.txt",
    "README",
    "readme.md",
    "pets/README.dataset.txt",
    "labels.csv",
    "metadata.csv",
    "train/metadata.jsonl",
    "classes.txt",
    "synsets.txt",
    "data.yaml",
    "train/_annotations.coco.json",
    "_classes.csv",
]
IMAGES = [
    "a.png",
    "labels/1.png",
    "README.png",
    "train/a/0",
    "test",
    "data",
    "notes.txt",
    "license plates/1.jpg",
    "a/thumbs.db.png",
    "a/Icon",
    "readme.2.jpg",
    "trash/1.png",
    "recycled/1.png",
    "recycler/1.png",
    "C#/1#.png",
    "#",
    "thumbs/1.png",
    "original/1_original",
    "./a.png",
]


@pytest.mark.parametrize(
    ("names", "code"), [(SYSTEM_FILES, "system_file"), (HIDDEN, "hidden"), (SIDE_FILES, "side_file"), (IMAGES, None)]
)
def test_leftover_returns_the_code_of_the_reason(names: list[str], code: str | None) -> None:
    assert {name: leftover(name) for name in names} == dict.fromkeys(names, code)


@both
@pytest.mark.parametrize("name", [*SYSTEM_FILES, *HIDDEN, *SIDE_FILES])
def test_a_leftover_file_is_skipped_and_reported(uploads: Uploads, build: Build, name: str) -> None:
    archive = uploads.index(build({"a.png": b"image", name: b"text"}))

    assert archive.paths(0, 9) == ["a.png"]
    assert archive.skipped == {leftover(name): {"count": 1, "names": [name]}}
    assert archive.passed_over == 1


@both
def test_other_files_are_entries(uploads: Uploads, build: Build) -> None:
    archive = uploads.index(build(dict.fromkeys(IMAGES[:-1], b"")))

    assert archive.paths(0, 99) == IMAGES[:-1]
    assert (archive.skipped, archive.passed_over) == ({}, 0)


@both
def test_many_skipped_files_are_counted_and_the_first_are_named(uploads: Uploads, build: Build) -> None:
    hidden = [f".{number}" for number in range(20)]

    archive = uploads.index(build({"a.png": b"", "README": b"", **dict.fromkeys(hidden, b"")}))

    assert archive.skipped == {
        "hidden": {"count": 20, "names": hidden[:NAMED]},
        "side_file": {"count": 1, "names": ["README"]},
    }


@both
def test_an_archive_of_skipped_files_only_is_refused_with_their_names(uploads: Uploads, build: Build) -> None:
    error = uploads.refusal(build({".a/1.png": b"", ".a/2.png": b"", "LICENSE.txt": b""}))

    assert error.code == "archive_empty"
    assert "2 hidden (such as '.a/1.png'), 1 side_file ('LICENSE.txt')" in error.detail


def test_folders_are_not_in_the_report(uploads: Uploads) -> None:
    archive = uploads.index(zip_of({"a/": b"", "a/1.png": b"", ".git/": b""}))

    assert (archive.skipped, archive.passed_over) == ({}, 2)


def test_the_rules_for_content_do_not_apply_to_skipped_files(uploads: Uploads) -> None:
    """A link in `.git` or an encrypted text costs nothing, as it is never read."""
    linked: Entries = [("a.png", b"image"), (special_file(".git/link", 0o120777), b"target")]
    link = tarfile.TarInfo(".git/link")
    link.type, link.linkname = tarfile.SYMTYPE, "target"

    assert uploads.read_all(zip_of(linked)) == [b"image"]
    assert uploads.read_all(tar_of([("a.png", b"image"), (link, b"")])) == [b"image"]
    assert uploads.names(with_central(zip_of({"LICENSE": b"", "a.png": b""}), entry=0, flags=1)) == ["a.png"]


def test_a_report_names_long_names_in_part() -> None:
    report = SkipReport()
    report.add("hidden", ["." + "a" * 500])

    (name,) = report.as_json()["hidden"]["names"]
    assert name == "." + "a" * 99 + "…"


def test_a_report_continues_another() -> None:
    first = SkipReport()
    first.add("hidden", [".a"])
    second = SkipReport(first.as_json())
    second.add("hidden", [".b"])
    second.add("unsupported", ["c.heic", "d.heic"], 2)

    assert first.as_json() == {"hidden": {"count": 1, "names": [".a"]}}
    assert second.as_json()["hidden"] == {"count": 2, "names": [".a", ".b"]}
    assert in_words(second.as_json()) == "2 hidden (such as '.a'), 2 unsupported (such as 'c.heic')"


def test_the_client_and_the_server_have_the_same_list() -> None:
    server, client = (
        Path(module.__file__ or "").read_text().splitlines()
        for module in (shared.archives.names.leftovers, glassbox.files.leftovers)
    )

    different = [ours for ours, theirs in zip(server, client, strict=True) if ours != theirs]
    assert len(different) == 1
    assert "is a copy of this file" in different[0]
