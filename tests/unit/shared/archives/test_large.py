"""Indexes of archives with more entries than memory holds: sorting in a file, ends of entries, the table of shards."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from shared.archives import ArchiveIndex, validate
from shared.archives.index import ENTRY
from shared.archives.indexing import sorting
from shared.archives.indexing.sorting import ExternalSort
from shared.archives.zip_directory import CENTRAL
from shared.runtime.settings import KiB, MiB, Settings
from tests.support.data.archives import with_central
from tests.unit.shared.archives.conftest import Uploads

ROWS = np.dtype([("key", "<u8"), ("entry", "<u4")])


@pytest.fixture
def small_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorting, "RUN", 8)
    monkeypatch.setattr(sorting, "SAMPLE", 2)


@pytest.mark.usefixtures("small_runs")
class TestExternalSort:
    @pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 500])
    def test_chunks_hold_all_rows_in_order_and_equal_keys_together(self, tmp_path: Path, count: int) -> None:
        keys = np.random.default_rng(0).integers(0, 100, count).astype(np.uint64)
        rows = ExternalSort(ROWS, tmp_path / "rows")
        for start in range(0, count, 3):
            rows.add(key=keys[start : start + 3], entry=range(start, min(start + 3, count)))

        chunks = list(rows.chunks())

        together = np.concatenate([np.empty(0, ROWS), *chunks])
        assert together["key"].tolist() == sorted(keys.tolist())
        assert keys[together["entry"]].tolist() == together["key"].tolist()
        assert sorted(together["entry"].tolist()) == list(range(count))
        for before, after in pairwise(chunks):
            assert before["key"][-1] < after["key"][0] or (len(before) >= sorting.RUN and len(set(before["key"])) == 1)
        assert count < 500 or len(chunks) > 9
        rows.discard()
        assert list(tmp_path.iterdir()) == []

    def test_rows_of_a_single_key_are_not_all_in_memory(self, tmp_path: Path) -> None:
        rows = ExternalSort(ROWS, tmp_path / "rows")
        keys = np.array([1, *[2**64 - 1] * 500], np.uint64)
        for start in range(0, len(keys), 3):
            rows.add(key=keys[start : start + 3], entry=range(start, min(start + 3, len(keys))))

        chunks = list(rows.chunks())

        assert np.concatenate(chunks)["entry"].tolist() == list(range(len(keys)))
        assert max(map(len, chunks)) < 4 * sorting.RUN


def reversed_directory(count: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(count):
            archive.writestr(f"{number:05}.png", b"%d" % number)
        archive.filelist.reverse()
    return file.getvalue()


@pytest.mark.usefixtures("small_runs")
class TestOrderOfTheDirectory:
    def test_entries_of_a_directory_in_another_order_are_read(self, uploads: Uploads) -> None:
        content = reversed_directory(100)

        assert uploads.read_all(content) == [b"%d" % number for number in reversed(range(100))]
        entries = uploads.index(content).entries[:]
        assert entries["end"][1:].tolist() == entries["offset"][:-1].tolist()

    def test_an_entry_that_overlaps_the_next_one_in_the_file_is_refused(self, uploads: Uploads) -> None:
        error = uploads.refusal(with_central(reversed_directory(100), entry=50, compressed_size=30))

        assert error.code == "archive_overlap"
        assert "'00049.png' overlaps" in error.detail

    def test_a_name_that_is_in_the_archive_twice_is_found_among_many(self, uploads: Uploads) -> None:
        content = reversed_directory(100).replace(b"00007.png", b"00093.png")

        assert "'00093.png' is in the archive twice" in uploads.refusal(content).detail


def write_archive(path: Path, count: int) -> None:
    """Write a zip of stored files of one byte, of which only the directory is on the disk."""
    local = 30 + 9 + 1
    records = np.zeros(count, [*CENTRAL.descr, ("name", "u1", 9)])
    records["magic"] = b"PK\x01\x02"
    records["packed"] = records["size"] = 1
    records["name_length"] = 9
    records["offset"] = np.arange(count) * local
    records["name"] = np.frombuffer(b"".join(b"%05x.png" % number for number in range(count)), np.uint8).reshape(-1, 9)
    place, size = count * local, records.nbytes
    with path.open("wb") as file:
        file.seek(place)
        file.write(records.tobytes())
        file.write(struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, place))
        file.write(struct.pack("<4sLQL", b"PK\x06\x07", 0, place + size, 1))
        file.write(struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, size, place, 0))


class TestMemory:
    @pytest.fixture
    def saved(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: Settings) -> Path:
        """Index and save an archive of 70,000 entries, in less memory than its index has."""
        monkeypatch.setattr(sorting, "RUN", 2048)
        monkeypatch.setattr("shared.archives.zip_directory.BLOCK", 32 * KiB)
        write_archive(tmp_path / "upload", 40_000)
        tracemalloc.start()
        try:
            index = validate(tmp_path / "upload", limits).with_shards(4096, 64 * MiB)
            index.save(tmp_path / "job")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert (tmp_path / "job" / "plan").stat().st_size > 40_000 * ENTRY.itemsize
        assert peak < 1.5 * MiB
        return tmp_path / "job"

    def test_an_index_is_written_as_it_is_read_and_read_in_parts(self, saved: Path) -> None:
        index = ArchiveIndex.load(saved)

        assert len(index) == 40_000
        assert index.paths(4096, 4098) == ["01000.png", "01001.png"]
        assert index.shards(4096, 64 * MiB)[-1] == (36_864, 40_000)
        assert index.shards(30_000, 64 * MiB) == [(0, 30_000), (30_000, 40_000)]

    def test_a_temporary_index_is_removed_with_its_archive(self, tmp_path: Path, limits: Settings) -> None:
        write_archive(tmp_path / "upload", 10)
        index = validate(tmp_path / "upload", limits)
        assert len(list(tmp_path.iterdir())) == 2

        index.discard()

        assert [path.name for path in tmp_path.iterdir()] == ["upload"]
        assert index.paths(0, 1) == ["00000.png"]
