"""Images sorted into folders by label: nothing is overwritten, names are safe, and each file is found by its row."""

from __future__ import annotations

import io
import os
import tarfile
import unicodedata
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from glassbox import LocalFileError, WrongArgument
from glassbox.files.classified import classified_files
from glassbox.files.sorting import LONGEST, SortedImages, prepare_folder, safe_name, sort_images
from glassbox.records.rows import Row


def row(path: str, label: str = "7", confidence: float = 0.9) -> Row:
    return Row(path, label, confidence, ())


def sorted_into(
    target: Path, images: Path, rows: Iterable[Row], *, link: bool = False, min_confidence: float | None = None
) -> SortedImages:
    prepare_folder(target)
    with classified_files(images, link=link) as files:
        return sort_images(rows, files, target, link=link, min_confidence=min_confidence)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    for name in ("a/1.png", "b/1.png", "b/2.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def zipped(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*.png")):
            archive.write(path, path.relative_to(folder))
    return target


def tarred(folder: Path, target: Path) -> Path:
    with tarfile.open(target, "w:gz") as archive:
        archive.add(folder, ".")
    return target


ROWS = [row("a/1.png", "cat"), row("b/1.png", "cat"), row("b/2.png", "dog", 0.3)]


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_images_are_copied_and_equal_names_get_numbers(kind: str, images: Path, tmp_path: Path) -> None:
    source, rows = images, ROWS
    if kind == "zip":
        source = zipped(images, tmp_path / "images.zip")
    elif kind == "tar":
        source = tarred(images, tmp_path / "images.tar.gz")
        with tarfile.open(source) as archive:
            by_name = {f"./{each.path}": each for each in ROWS}
            rows = [by_name[name]._replace(path=name) for name in archive.getnames() if name in by_name]
    done = sorted_into(tmp_path / "sorted", source, rows, min_confidence=0.5)
    found = content(tmp_path / "sorted")
    assert sorted(found) == ["_unsure/2.png", "cat/1-2.png", "cat/1.png"]
    assert {found["cat/1.png"], found["cat/1-2.png"]} == {b"a/1.png", b"b/1.png"}
    assert (done.labels, done.unsure, done.failures, done.total) == ({"cat": 2}, 1, 0, 3)


def test_links_point_to_the_images_of_the_folder(images: Path, tmp_path: Path) -> None:
    sorted_into(tmp_path / "sorted", images, ROWS, link=True)
    links = sorted((tmp_path / "sorted").rglob("*.png"))
    targets = {str(link.relative_to(tmp_path / "sorted")): link.readlink() for link in links}
    assert targets == {
        "cat/1.png": images / "a/1.png",
        "cat/1-2.png": images / "b/1.png",
        "dog/2.png": images / "b/2.png",
    }


def test_existing_files_and_dangling_links_are_not_overwritten(images: Path, tmp_path: Path) -> None:
    target = tmp_path / "sorted"
    (target / "cat").mkdir(parents=True)
    (target / "cat" / "1.png").write_bytes(b"mine")
    (target / "cat" / "1-2.png").symlink_to(tmp_path / "nowhere")
    sorted_into(target, images, ROWS[:1])
    assert (target / "cat" / "1.png").read_bytes() == b"mine"
    assert (target / "cat" / "1-3.png").read_bytes() == b"a/1.png"
    assert not (tmp_path / "nowhere").exists()


def test_a_file_that_vanished_is_reported_and_the_others_are_sorted(images: Path, tmp_path: Path) -> None:
    (images / "a/1.png").unlink()
    done = sorted_into(tmp_path / "sorted", images, ROWS)
    assert done.failures == 1
    assert done.failed == [("a/1.png", "the file does not exist any more")]
    assert done.total == 2


def test_a_damaged_entry_of_a_zip_leaves_no_partial_file(images: Path, tmp_path: Path) -> None:
    archive = zipped(images, tmp_path / "images.zip")
    archive.write_bytes(archive.read_bytes().replace(b"b/1.png", b"b/1.pnX", 2))
    archive.write_bytes(archive.read_bytes().replace(b"a/1.pnga/1.png", b"a/1.pngX/1.png"))
    done = sorted_into(tmp_path / "sorted", archive, ROWS)
    assert done.failures == 2
    assert content(tmp_path / "sorted") == {"dog/2.png": b"b/2.png"}


@pytest.mark.parametrize("path", ["/etc/passwd", "../secret.png"])
def test_a_row_that_names_a_file_outside_of_the_folder_is_not_sorted(path: str, images: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret")
    assert sorted_into(tmp_path / "sorted", images, [row(path)]).failures == 1
    assert content(tmp_path / "sorted") == {}


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("T-shirt/top", "T-shirt%2Ftop"),
        ("..", "%2E%2E"),
        (".hidden", "%2Ehidden"),
        ("", "%"),
        ("100%", "100%25"),
        ("end.", "end%2E"),
        ("con", "%63on"),
        ("a\nb\0", "a%0Ab%00"),
        ("größe 7", "größe 7"),
    ],
)
def test_labels_become_safe_names(label: str, name: str) -> None:
    assert safe_name(label) == name


def test_long_labels_are_cut_and_stay_distinct(tmp_path: Path) -> None:
    first, second = safe_name("ä" * 300 + "1"), safe_name("ä" * 300 + "2")
    assert first != second
    assert max(len(first.encode()), len(second.encode())) <= LONGEST
    (tmp_path / first).mkdir()


def test_the_label_unsure_has_another_folder_than_unsure_images(images: Path, tmp_path: Path) -> None:
    rows = [row("a/1.png", "_unsure", 0.9), row("b/2.png", "_unsure", 0.1)]
    sorted_into(tmp_path / "sorted", images, rows, min_confidence=0.5)
    assert sorted(content(tmp_path / "sorted")) == ["%5Funsure/1.png", "_unsure/2.png"]


def test_a_folder_name_that_the_server_normalizes_is_found(images: Path, tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "größe.png")
    (images / decomposed).write_bytes(b"x")
    done = sorted_into(tmp_path / "sorted", images, [row(unicodedata.normalize("NFC", decomposed))])
    assert done.total == 1


def test_a_zip_with_names_in_a_code_page_is_extracted(tmp_path: Path) -> None:
    stored = "写真.png".encode("cp932")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("x" * len(stored), b"photo")
    (tmp_path / "images.zip").write_bytes(archive.getvalue().replace(b"x" * len(stored), stored))
    sorted_into(tmp_path / "sorted", tmp_path / "images.zip", [row("写真.png")])
    assert content(tmp_path / "sorted") == {"7/写真.png": b"photo"}


def test_a_hard_link_of_a_tar_is_extracted(images: Path, tmp_path: Path) -> None:
    os.link(images / "a/1.png", images / "a/3.png")
    archive = tarred(images, tmp_path / "images.tar")
    with tarfile.open(archive) as reader:
        rows = [row(member.name) for member in reader if member.name.endswith((".png",))]
    assert sorted_into(tmp_path / "sorted", archive, rows).total == 4


@pytest.mark.parametrize(("name", "link"), [("images.npy", False), ("images.npz", False), ("images.zip", True)])
def test_arrays_and_links_to_entries_are_refused(name: str, link: bool, images: Path, tmp_path: Path) -> None:
    source = zipped(images, tmp_path / name)
    with pytest.raises(WrongArgument, match=r"array|archive"), classified_files(source, link=link):
        pass


def test_an_archive_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images.7z").write_bytes(b"7z\xbc\xaf")
    with pytest.raises(LocalFileError, match="extract it by another program"), classified_files(tmp_path / "images.7z"):
        pass


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sorted").write_bytes(b"")
    with pytest.raises(LocalFileError, match="a file has this name"):
        prepare_folder(tmp_path / "sorted")
