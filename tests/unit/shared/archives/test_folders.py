"""A folder of images that is read in place: its index is that of an archive, and a changed file is an error."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shared.archives import ArchiveIndex, Contents, validate
from shared.archives.index import Kind
from shared.errors import Conflict, GlassboxError, Invalid, Malformed, NotFound, TooLarge
from shared.runtime.settings import Settings
from shared.storage.sources.local import local_source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "imports"
    for name in ("b.png", "a.png", "cats/deep/1.png", "cats/2.png", "größe/3.png", ".hidden/4.png", "LICENSE.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def indexed(folder: Path, limits: Settings | None = None) -> ArchiveIndex:
    link = folder.parent / "link"
    link.unlink(missing_ok=True)
    link.symlink_to(folder)
    return validate(link, limits or Settings(), local_source(f"file://{folder}", [folder]))


def read_all(index: ArchiveIndex, limits: Settings | None = None) -> dict[str, bytes]:
    with Contents(Path("unused"), index, limits or Settings()) as contents:
        return {path: contents.read(number) for number, path in enumerate(index.paths(0, len(index)))}


def test_files_are_indexed_and_read_by_their_paths(folder: Path) -> None:
    index = indexed(folder)
    names = ["a.png", "b.png", "cats/2.png", "cats/deep/1.png", "größe/3.png"]
    assert index.kind is Kind.FOLDER
    assert read_all(index) == {name: name.encode() for name in names}
    assert {code: files["count"] for code, files in index.skipped.items()} == {"hidden": 1, "side_file": 1}


def test_the_index_is_saved_and_loaded_with_its_source(folder: Path, tmp_path: Path) -> None:
    index = indexed(folder)
    index.save(tmp_path / "plan")
    loaded = ArchiveIndex.load(tmp_path / "plan")
    assert loaded.source == index.source
    assert read_all(loaded) == read_all(index)


def test_links_and_pipes_in_the_folder_are_skipped(folder: Path) -> None:
    (folder.parent / "secret.png").write_bytes(b"secret")
    (folder / "link.png").symlink_to("../secret.png")
    (folder / "parent").symlink_to("..")
    os.mkfifo(folder / "pipe")
    index = indexed(folder)
    assert len(index) == 5
    assert index.skipped["link"] == {"count": 2, "names": ["link.png", "parent"]}
    assert index.skipped["special_file"] == {"count": 1, "names": ["pipe"]}


@pytest.mark.parametrize("change", ["longer", "same size", "link", "parent", "removed"])
def test_a_file_that_has_changed_is_an_error(folder: Path, change: str) -> None:
    index = indexed(folder)
    path = folder / "cats/2.png"
    if change == "longer":
        path.write_bytes(path.read_bytes() + b"!")
    elif change == "same size":
        path.write_bytes(path.read_bytes().upper())
        os.utime(path, ns=(0, 1))
    elif change == "link":
        path.rename(folder.parent / "moved.png")
        path.symlink_to(folder.parent / "moved.png")
    elif change == "parent":
        (folder / "cats").rename(folder.parent / "cats")
        (folder / "cats").symlink_to(folder.parent / "cats")
    else:
        path.unlink()
    expected: type[GlassboxError] = NotFound if change in {"parent", "removed"} else Conflict
    with pytest.raises(expected, match=r"2\.png") as error:
        read_all(index)
    assert error.value.code == ("source_not_found" if expected is NotFound else "source_changed")


def test_files_that_are_added_later_do_not_matter(folder: Path) -> None:
    index = indexed(folder)
    (folder / "cats" / "new.png").write_bytes(b"new")
    assert len(read_all(index)) == 5


def test_a_file_above_the_limit_is_the_error_of_that_file(folder: Path) -> None:
    (folder / "a.png").write_bytes(b"x" * 100)
    limits = Settings(max_entry_bytes=50)
    with pytest.raises(Malformed, match="GLASSBOX_MAX_ENTRY_BYTES"):
        read_all(indexed(folder, limits), limits)


def test_the_number_of_files_is_limited(folder: Path) -> None:
    with pytest.raises(TooLarge, match="GLASSBOX_MAX_ARCHIVE_ENTRIES"):
        indexed(folder, Settings(max_archive_entries=4))


def test_the_names_of_one_folder_are_limited_by_the_memory_for_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.archives.in_place.folder.MOST_NAMES", 1)
    with pytest.raises(TooLarge, match="move the files into subfolders"):
        indexed(folder)


@pytest.mark.parametrize(("name", "code"), [(b"\xff.png", "archive_path"), (b"more.zip", "archive_nested")])
def test_names_are_validated_as_in_archives(folder: Path, name: bytes, code: str) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(b"x")
    with pytest.raises(Invalid) as error:
        indexed(folder)
    assert error.value.code == code


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(Invalid, match="holds no files"):
        indexed(tmp_path / "empty")
