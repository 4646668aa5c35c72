"""The fuzz target for archives: validation raises only Glassbox's errors, and each entry is read or refused."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZIP_DEFLATED

import atheris
import numpy as np

with atheris.instrument_imports(include=["shared"]):
    from shared.archives import ArchiveIndex, Contents, validate

from shared.archives.entries import name_problem
from shared.errors import Invalid, Malformed, TooLarge, UnsupportedType
from shared.runtime.settings import MiB, Settings
from tests.fuzz.harness import check_message, folder_in_memory, run
from tests.support.data.archives import zip_of
from tests.support.data.hostile import CORPUS, LYING, TAR, ZIP, zip64_of
from tests.support.data.npz import npy, npz
from tests.support.data.tars import BLOCK, zstd_of

LIMITS = Settings(
    max_archive_entries=1000,
    max_expanded_bytes=4 * MiB,
    max_entry_bytes=MiB,
    max_image_pixels=10_000,
    max_zstd_window_bytes=MiB,
)
RAW, CHECKED_TAR, GZIP, ZSTD = range(4)


def attack(path: Path, data: bytes) -> None:
    """Validate the file with this content, and read all its entries."""
    path.write_bytes(data)
    try:
        entries = validate(path, LIMITS)
    except (UnsupportedType, TooLarge, Invalid) as error:
        check_message(error)
    else:
        _read(path, entries)
        del entries
    assert list(path.parent.iterdir()) == [path], "a file is left"  # an index that is not saved is removed


def _read(path: Path, entries: ArchiveIndex) -> None:
    assert 1 <= len(entries) <= LIMITS.max_archive_entries
    _check_paths(entries)
    runs = entries.shards(7, 1000)
    assert [index for start, stop in runs for index in range(start, stop)] == list(range(len(entries)))
    total = 0
    with Contents(path, entries, LIMITS) as contents:
        for index in range(len(entries)):
            try:
                content = contents.read(index)
            except Malformed as error:
                check_message(error)
            else:
                assert len(content) <= LIMITS.max_entry_bytes
                total += len(content)
    assert total <= LIMITS.max_expanded_bytes


def _check_paths(entries: ArchiveIndex) -> None:
    paths = entries.paths(0, len(entries))
    assert len(set(paths)) == len(paths) == len(entries)
    for path in paths:
        assert name_problem(path) is None, path
        assert "\\" not in path, path
        path.encode()


def made(data: bytes) -> bytes:
    """Return the archive of the fuzzer's bytes: the first byte selects corrected checksums or compression."""
    mode, content = data[0] % 4, data[1:]
    if mode == CHECKED_TAR:
        return with_checksums(content)
    if mode == GZIP:
        return gzip.compress(with_checksums(content), 1)
    if mode == ZSTD:
        return zstd_of(with_checksums(content))
    return content


def with_checksums(tar: bytes) -> bytes:
    """Return the tar with the checksum of each possible header corrected; else every change would fail the checksum."""
    blocks = bytearray(tar)
    for start in range(0, len(blocks) - BLOCK + 1, BLOCK):
        header = blocks[start : start + BLOCK]
        if header[257:262] == b"ustar":
            header[148:156] = b" " * 8
            blocks[start + 148 : start + 156] = b"%06o\0 " % sum(header)
    return bytes(blocks)


def seeds() -> Iterator[bytes]:
    """Yield valid and hostile archives of every kind, in the fuzzer's form."""
    images = np.arange(36, dtype=np.uint8).reshape(3, 3, 4)
    arrays = [npz({"x": images}), npz({"images": images, "y": np.arange(3)}, compressed=True)]
    zips = [ZIP, zip_of({"ü.png": b"text" * 9}, ZIP_DEFLATED), zip64_of({"a.png": b"image"})]
    colours = np.stack([images, images // 2, 255 - images], axis=-1)
    honest = [*zips, TAR, npy(images), npy(colours), *arrays]
    for archive in [*honest, *(each.build() for each in CORPUS), *(each.build() for each in LYING)]:
        yield bytes([RAW]) + archive
        if archive[257:262] == b"ustar":
            yield from (bytes([mode]) + archive for mode in (CHECKED_TAR, GZIP, ZSTD))


def main() -> None:
    """Fuzz for the number of seconds in the first argument."""
    with folder_in_memory() as folder:
        run("archives", lambda data: attack(folder / "upload", made(data)) if data else None, seeds(), int(sys.argv[1]))


if __name__ == "__main__":
    main()
