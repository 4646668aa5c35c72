"""Validation of an uploaded archive: detects the format by its bytes, applies the rules, builds the index."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from shared.archives import arrays
from shared.archives.arrays import holds_arrays, index_array, index_npz
from shared.archives.decompress import packing_of, unpack_in_place
from shared.archives.in_place.folder import index_folder
from shared.archives.in_place.objects import index_stored
from shared.archives.index import ArchiveIndex, Source
from shared.archives.signatures import refused
from shared.archives.tar import index_tar, is_tar
from shared.archives.zip import index_zip
from shared.archives.zip_directory import find_directory
from shared.errors import UnsupportedType
from shared.runtime.settings import Settings
from shared.storage.sources.stored import PinnedObject

ACCEPTED = "a zip or a tar (plain, .gz, .bz2, .xz or .zst) of images, or an .npy or .npz of them"
START = 512


def validate(path: Path, limits: Settings, source: Source | None = None) -> ArchiveIndex:
    """Validate an uploaded file and return its index.

    A compressed tar and a compressed array in an `.npz` allow no random access: their unpacked content replaces the
    file at `path`, durably. Raises `UnsupportedType` if the file is not a supported archive, `TooLarge` or `Invalid`
    with the name of the first entry that breaks a rule, and `StorageFull`.

    source: the file or folder of this server's disk to which `path` is a link. It is read in place, unless it had to be
    unpacked; raises `Conflict` if it changed meanwhile. Or the object or prefix of a store, without a file at `path`.
    """
    if source is None:
        return _index(path, limits)
    if isinstance(source, PinnedObject):
        return replace(index_stored(path, source, limits), source=source)
    index = index_folder(path, source, limits) if source.is_folder else _index(path, limits)
    source.check()
    return replace(index, source=source) if path.is_symlink() else index


def _index(path: Path, limits: Settings) -> ArchiveIndex:
    start = _start(path)
    rest_ignored = False
    if packing := packing_of(start, limits):
        rest_ignored = unpack_in_place(path, packing, limits)
        start = _start(path)
        if not is_tar(start):
            raise UnsupportedType("archive_expected", f"a compressed file must hold a tar; send {ACCEPTED}")
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if is_tar(start):
            return index_tar(path, file.fileno(), size, limits, end_mark_needed=rest_ignored)
        if start.startswith(arrays.MAGIC):
            return index_array(path, 0, size, "the array", limits)
        directory = find_directory(file.fileno(), size)  # last: any bytes may precede a zip
        if directory is None:
            raise UnsupportedType("archive_expected", f"{refused(path, 'a supported archive')}; send {ACCEPTED}")
        if holds_arrays(file.fileno(), directory):
            return index_npz(path, file.fileno(), size, directory, limits)
        return index_zip(path, file.fileno(), size, directory, limits)


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(START)
