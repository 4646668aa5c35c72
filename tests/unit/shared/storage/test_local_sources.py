"""`file:` URLs lead only to files below the operator's folders, and a file that has changed is not read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shared.errors import Conflict, Forbidden, GlassboxError, Invalid, NotFound
from shared.storage.sources.local import PinnedFile, local_source


@pytest.fixture
def imports(tmp_path: Path) -> Path:
    folder = tmp_path / "imports"
    (folder / "scans").mkdir(parents=True)
    (folder / "a b.zip").write_bytes(b"archive")
    (tmp_path / "secret.zip").write_bytes(b"secret")
    return folder


def test_a_file_and_a_folder_are_found(imports: Path) -> None:
    found = local_source(f"file://{imports}/a%20b.zip", [imports])
    assert (found.path, found.size, found.is_folder) == (str(imports / "a b.zip"), 7, False)
    assert local_source(f"file://localhost{imports}/scans/", [imports]).is_folder
    assert local_source(f"file:{imports}", [imports]).is_folder


@pytest.mark.parametrize(
    "url",
    [
        "file://host/imports/a.zip",
        "file:relative.zip",
        "file:///imports/../secret.zip",
        "file:///imports/%2e%2e/secret.zip",
        "file:///imports/a.zip?version=1",
        "file:///imports/a.zip#part",
        "file:///imports/a%00.zip",
        "file:///imports/%ff.zip",
        "file://[::1/a.zip",
    ],
)
def test_other_forms_of_urls_are_refused(url: str) -> None:
    with pytest.raises(Invalid) as error:
        local_source(url, [Path("/imports")])
    assert error.value.code == "source_invalid"


@pytest.mark.parametrize("name", ["secret.zip", "missing.zip", "imports-2/a.zip"])
def test_places_outside_of_the_folders_are_refused_alike(imports: Path, name: str) -> None:
    with pytest.raises(Forbidden) as error:
        local_source(f"file://{imports.parent}/{name}", [imports])
    assert error.value.detail == (
        f"{imports.parent}/{name} is not in a folder whose files may be named: GLASSBOX_IMPORT_FOLDERS has {imports}"
    )


def test_without_a_folder_every_place_is_refused(imports: Path) -> None:
    with pytest.raises(Forbidden, match="GLASSBOX_IMPORT_FOLDERS names no folder"):
        local_source(f"file://{imports}/a%20b.zip", [])


@pytest.mark.parametrize("target", ["../secret.zip", "../missing.zip", "/etc/hostname", ".."])
def test_links_that_leave_the_folder_are_refused(imports: Path, target: str) -> None:
    (imports / "link").symlink_to(target)
    with pytest.raises(Forbidden):
        local_source(f"file://{imports}/link/secret.zip" if target == ".." else f"file://{imports}/link", [imports])


def test_links_inside_of_the_folder_are_followed(imports: Path) -> None:
    (imports / "scans" / "link.zip").symlink_to("../a b.zip")
    assert local_source(f"file://{imports}/scans/link.zip", [imports]).path == str(imports / "a b.zip")


def test_a_folder_that_is_a_link_itself_is_allowed(imports: Path) -> None:
    (imports.parent / "link").symlink_to(imports)
    assert local_source(f"file://{imports.parent}/link/a%20b.zip", [imports.parent / "link"]).size == 7


def test_a_missing_file_in_the_folder_is_not_found(imports: Path) -> None:
    with pytest.raises(NotFound, match="there is no file or folder"):
        local_source(f"file://{imports}/missing.zip", [imports])


def test_a_pipe_is_refused_without_waiting_for_its_writer(imports: Path) -> None:
    os.mkfifo(imports / "pipe")
    with pytest.raises(Invalid, match="neither a file nor a folder"):
        local_source(f"file://{imports}/pipe", [imports])


def content(found: PinnedFile) -> bytes:
    descriptor = found.opened()
    try:
        return os.read(descriptor, 100)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("change", ["append", "same size", "replace", "link", "remove", "file to folder"])
def test_a_file_that_has_changed_is_not_opened(imports: Path, change: str) -> None:
    path = imports / "a b.zip"
    found = local_source(f"file://{imports}/a%20b.zip", [imports])
    assert content(found) == b"archive"
    if change == "append":
        path.write_bytes(b"archive!")
    elif change == "same size":
        path.write_bytes(b"ARCHIVE")
        os.utime(path, ns=(0, found.modified + 1))
    elif change == "replace":
        (imports / "other.zip").write_bytes(b"another")
        os.utime(imports / "other.zip", ns=(0, found.modified))
        (imports / "other.zip").rename(path)
    else:
        path.unlink()
    if change == "link":
        path.symlink_to("../secret.zip")
    elif change == "file to folder":
        path.mkdir()
    expected: type[GlassboxError] = NotFound if change == "remove" else Conflict
    with pytest.raises(expected):
        content(found)
    with pytest.raises(expected):
        found.check()
