"""A folder that another process packs: the zip is the same, and its errors are raised in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from glassbox import LocalFileError
from glassbox.cli import packing
from glassbox.cli.packing import PackedBody, Packing
from glassbox.files.folders import FolderBody


@pytest.fixture(params=["at once", "as it is sent"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if request.param == "as it is sent":
        monkeypatch.setattr(packing, "HELD_BYTES", 0)
    for number in range(100):
        (tmp_path / f"{number:03d}.png").write_bytes(bytes([number]) * 50_000)
    return tmp_path


@contextmanager
def packed(folder: Path) -> Iterator[PackedBody]:
    with closing(Packing(folder)) as process:
        yield process.opened()


def test_a_packed_folder_is_the_same_zip_each_time(folder: Path) -> None:
    expected = b"".join(FolderBody(folder))
    with packed(folder) as body:
        assert body.size == len(expected)
        assert b"".join(body) == expected
        assert b"".join(body) == expected


def test_packing_ends_if_the_zip_is_not_read_to_its_end(folder: Path) -> None:
    with packed(folder) as body:
        next(iter(body))


def test_a_folder_without_images_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(LocalFileError, match="there are no images"), packed(tmp_path):
        pass


def test_a_folder_that_changes_before_a_repeated_request_is_rejected(folder: Path) -> None:
    with packed(folder) as body:
        b"".join(body)
        (folder / "new.png").write_bytes(b"new")
        with pytest.raises(LocalFileError, match="changed while it was sent"):
            b"".join(body)
