"""Damaged and hostile files as data sets: each is stored or refused with Glassbox's error."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from shared.datasets.arrays.npz import read_npz
from shared.datasets.duplicates import fingerprints_of
from shared.datasets.options import UploadOptions
from shared.datasets.uploads import read_upload
from shared.errors import GlassboxError, Invalid
from shared.runtime.settings import Settings
from tests.support.data.archives import zip_of
from tests.support.data.hostile import CORPUS, IMAGE, LYING, ZIP64_REMAINS, Hostile, Lying, zip64_of
from tests.support.data.npz import easy_arrays, npz

FOLDERS = {f"{kind}/{number}.png": IMAGE for kind in "ab" for number in range(2)}
ARRAYS = easy_arrays(train=6, test=6, side=4)
DAMAGED = [npz(ARRAYS), npz(ARRAYS, compressed=True), zip_of(FOLDERS), zip64_of(FOLDERS)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of an uploaded file."""
    return tmp_path / "upload"


def read(path: Path, content: bytes, limits: Settings) -> None:
    path.write_bytes(content)
    upload = read_upload(path, limits, UploadOptions(test_fraction=0.2))
    upload.revise(
        {
            name: np.concatenate([fingerprints_of(block) for block in split.blocks])
            for name, split in upload.splits.items()
        }
    )


@pytest.mark.parametrize("archive", [*CORPUS, *LYING], ids=lambda archive: archive.name)
def test_a_hostile_archive_is_no_data_set(path: Path, limits: Settings, archive: Hostile | Lying) -> None:
    with pytest.raises(GlassboxError):
        read(path, archive.build(), limits)


def test_the_remains_of_a_zip64_archive_are_refused(path: Path, limits: Settings) -> None:
    with pytest.raises(Invalid):
        read(path, ZIP64_REMAINS, limits)
    with pytest.raises(Invalid):
        read_npz(path, limits, test_fraction=0.2, seed=0)


@pytest.mark.parametrize("content", DAMAGED, ids=["npz", "compressed npz", "zip", "zip64"])
@pytest.mark.parametrize("byte", [0, 1, 0x7F, 0xFF])
def test_a_changed_byte_raises_glassbox_error_or_nothing(
    path: Path, limits: Settings, content: bytes, byte: int
) -> None:
    """The bytes of the directory and of the end records, and some of the others, which are mostly content."""
    places = [*range(0, len(content), 37), *range(max(0, len(content) - 250), len(content), 3)]
    for place in places:
        with suppress(GlassboxError):
            read(path, content[:place] + bytes([byte]) + content[place + 1 :], limits)
