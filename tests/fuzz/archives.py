"""The fuzz target for archives: what is judged raises our errors alone, and what was taken is read or refused."""

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
from tests.fuzz.harness import check_told, folder_in_memory, run
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
    """Judge the file that `data` makes, and read all of it."""
    path.write_bytes(data)
    try:
        plan = validate(path, LIMITS)
    except (UnsupportedType, TooLarge, Invalid) as error:
        check_told(error)
        return
    finally:
        assert list(path.parent.iterdir()) == [path], "a file was left behind"
    assert 1 <= len(plan) <= LIMITS.max_archive_entries
    _check_paths(plan)
    runs = plan.shards(7, 1000)
    assert [index for start, stop in runs for index in range(start, stop)] == list(range(len(plan)))
    total = 0
    with Contents(path, plan, LIMITS) as contents:
        for index in range(len(plan)):
            try:
                content = contents.read(index)
            except Malformed as error:
                check_told(error)
            else:
                assert len(content) <= LIMITS.max_entry_bytes
                total += len(content)
    assert total <= LIMITS.max_expanded_bytes


def _check_paths(plan: ArchiveIndex) -> None:
    paths = plan.paths(0, len(plan))
    assert len(set(paths)) == len(paths) == len(plan)
    for path in paths:
        assert name_problem(path) is None, path
        path.encode()


def made(data: bytes) -> bytes:
    """What the fuzzer's bytes make: its first byte says whether checksums are put right, or the rest is packed."""
    mode, content = data[0] % 4, data[1:]
    if mode == CHECKED_TAR:
        return with_checksums(content)
    if mode == GZIP:
        return gzip.compress(with_checksums(content), 1)
    if mode == ZSTD:
        return zstd_of(with_checksums(content))
    return content


def with_checksums(tar: bytes) -> bytes:
    """The tar with each block that could be a header given the sum of its bytes; else no change gets past the sums."""
    blocks = bytearray(tar)
    for start in range(0, len(blocks) - BLOCK + 1, BLOCK):
        header = blocks[start : start + BLOCK]
        if header[257:262] == b"ustar":
            header[148:156] = b" " * 8
            blocks[start + 148 : start + 156] = b"%06o\0 " % sum(header)
    return bytes(blocks)


def seeds() -> Iterator[bytes]:
    """Honest and hostile archives of every kind, as the fuzzer writes them."""
    images = np.arange(36, dtype=np.uint8).reshape(3, 3, 4)
    arrays = [npz({"x": images}), npz({"images": images, "y": np.arange(3)}, compressed=True)]
    zips = [ZIP, zip_of({"ü.png": b"text" * 9}, ZIP_DEFLATED), zip64_of({"a.png": b"image"})]
    honest = [*zips, TAR, npy(images), *arrays]
    for archive in [*honest, *(each.build() for each in CORPUS), *(each.build() for each in LYING)]:
        yield bytes([RAW]) + archive
        if archive[257:262] == b"ustar":
            yield from (bytes([mode]) + archive for mode in (CHECKED_TAR, GZIP, ZSTD))


def main() -> None:
    """Attack for as many seconds as the first argument says."""
    with folder_in_memory() as folder:
        run("archives", lambda data: attack(folder / "upload", made(data)) if data else None, seeds(), int(sys.argv[1]))


if __name__ == "__main__":
    main()
