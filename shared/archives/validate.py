"""Judging an uploaded file: what it is by its bytes, whether it is taken, and the plan by which it is read."""

from __future__ import annotations

import os
from pathlib import Path

from shared.archives import arrays
from shared.archives.arrays import holds_arrays, index_array, index_npz
from shared.archives.decompress import decompressor, unpack_in_place
from shared.archives.index import ArchiveIndex
from shared.archives.tar import index_tar, is_tar
from shared.archives.zip import index_zip
from shared.archives.zip_directory import find_directory
from shared.errors import UnsupportedType
from shared.runtime.settings import Settings

TAKEN = "a zip or a tar (plain, .gz or .zst) of images, or an .npy or .npz of them"
START = 512


def validate(path: Path, limits: Settings) -> ArchiveIndex:
    """Judge an uploaded file and give its plan.

    What must be read in order, a compressed tar and the compressed array of an `.npz`, is unpacked in the place of
    `path`, durably, once and for all readers. Raises `UnsupportedType` for what is no archive that is taken here,
    `TooLarge` or `Invalid` with the name of the first entry that breaks a rule, and `StorageFull`.
    """
    start = _start(path)
    if new := decompressor(start, limits):
        unpack_in_place(path, new, limits)
        start = _start(path)
        if not is_tar(start):
            raise UnsupportedType("archive_expected", f"a compressed file must hold a tar; send {TAKEN}")
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if is_tar(start):
            return index_tar(file.fileno(), size, limits)
        if start.startswith(arrays.MAGIC):
            return index_array(path, 0, size, "the array", limits)
        directory = find_directory(file.fileno(), size)  # last: a zip may have anything in front of it
        if directory is None:
            raise UnsupportedType("archive_expected", f"the file is no archive that is taken here; send {TAKEN}")
        if holds_arrays(file.fileno(), directory):
            return index_npz(path, file.fileno(), size, directory, limits)
        return index_zip(file.fileno(), size, directory, limits)


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(START)
