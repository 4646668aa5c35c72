"""The index of an archive: names, shards, and the file on the volume."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.archives import ArchiveIndex
from shared.archives.index import ENTRY, FILE, Entry, ImageArray, Kind
from shared.archives.indexing.stored import StoredArray
from shared.errors import Damaged
from tests.support.data.archives import zip_of
from tests.support.data.files import files_below
from tests.unit.shared.archives.conftest import Uploads

MANY = 10**12
ARRAY = ArchiveIndex(Kind.ARRAY, array=ImageArray(128, 10, 4, 5))


def of_sizes(*sizes: int) -> ArchiveIndex:
    entries = np.zeros(len(sizes), ENTRY)
    entries["size"] = sizes
    return ArchiveIndex(Kind.ZIP, entries=entries)


class TestPaths:
    def test_paths_returns_the_names_of_a_range_of_entries(self, uploads: Uploads) -> None:
        archive = uploads.index(zip_of({"a": b"", "._b": b"", "é/数.png": b"", "d": b""}))

        assert archive.paths(0, 3) == ["a", "é/数.png", "d"]
        assert archive.paths(1, 2) == ["é/数.png"]
        assert archive.paths(2, 9) == ["d"]

    def test_paths_of_an_array_are_the_indices_of_its_images(self) -> None:
        assert ARRAY.paths(3, 5) == ["3", "4"]
        assert ARRAY.paths(8, 99) == ["8", "9"]


class TestShards:
    @pytest.mark.parametrize(("count", "sizes"), [(1, [1]), (4, [4]), (5, [4, 1]), (9, [4, 4, 1])])
    def test_shards_have_at_most_the_given_number_of_images(self, count: int, sizes: list[int]) -> None:
        assert [stop - start for start, stop in of_sizes(*[1] * count).shards(4, MANY)] == sizes

    def test_shards_have_at_most_the_given_number_of_bytes(self) -> None:
        assert of_sizes(5, 5, 1, 9, 2, 0, 0).shards(100, 10) == [(0, 2), (2, 4), (4, 7)]

    def test_a_larger_entry_is_a_shard_of_its_own(self) -> None:
        assert of_sizes(1, 99, 1, 1).shards(100, 10) == [(0, 1), (1, 2), (2, 4)]

    def test_an_array_is_cut_by_the_same_limits(self) -> None:
        assert ARRAY.shards(4, MANY) == [(0, 4), (4, 8), (8, 10)]
        assert ARRAY.shards(100, 60) == [(0, 3), (3, 6), (6, 9), (9, 10)]
        assert ARRAY.shards(100, 1)[:2] == [(0, 1), (1, 2)]

    @given(st.lists(st.integers(0, 20), max_size=30), st.integers(1, 10), st.integers(1, 30))
    def test_shards_hold_every_entry_once_in_order_and_are_as_long_as_allowed(
        self, sizes: list[int], images: int, nbytes: int
    ) -> None:
        runs = of_sizes(*sizes).shards(images, nbytes)

        assert [index for start, stop in runs for index in range(start, stop)] == list(range(len(sizes)))
        assert all(stop - start == 1 or sum(sizes[start:stop]) <= nbytes for start, stop in runs)
        for (start, stop), _ in pairwise(runs):
            assert stop - start == images or sum(sizes[start : stop + 1]) > nbytes


class TestOnTheVolume:
    def test_an_index_is_loaded_as_it_was_saved(self, uploads: Uploads, tmp_path: Path) -> None:
        archive = uploads.index(zip_of({"a.png": b"first", "._ü": b"", "ü.png": b"second"}))
        archive.save(tmp_path / "archive")

        loaded = ArchiveIndex.load(tmp_path / "archive")

        assert files_below(tmp_path / "archive") == [FILE]
        assert (loaded.kind, loaded.passed_over, loaded.image_shape) == (archive.kind, 1, None)
        assert loaded.skipped == archive.skipped == {"system_file": {"count": 1, "names": ["._ü"]}}
        assert np.array_equal(loaded.entries[:], archive.entries[:])
        assert loaded.paths(0, 2) == ["a.png", "ü.png"]
        with uploads.opened(loaded) as contents:
            assert [contents.read(0), contents.read(1)] == [b"first", b"second"]

    def test_the_index_of_an_array_is_loaded_as_it_was_saved(self, tmp_path: Path) -> None:
        ARRAY.save(tmp_path)

        loaded = ArchiveIndex.load(tmp_path)

        assert loaded.array == ARRAY.array
        assert loaded.image_shape == (4, 5)
        assert len(loaded) == 10

    def test_the_index_of_an_array_in_colour_is_loaded_as_it_was_saved(self, tmp_path: Path) -> None:
        index = ArchiveIndex(Kind.ARRAY, array=ImageArray(128, 10, 4, 5, 3))
        index.save(tmp_path)

        assert ArchiveIndex.load(tmp_path).array == index.array
        assert ArchiveIndex.load(tmp_path).image_shape == (4, 5, 3)
        assert index.shards(100, 180) == [(0, 3), (3, 6), (6, 9), (9, 10)]

    def test_the_index_of_a_grayscale_array_has_the_fields_that_an_older_version_reads(self, tmp_path: Path) -> None:
        ARRAY.save(tmp_path)

        content = (tmp_path / FILE).read_bytes()

        assert b'{"offset": 128, "count": 10, "height": 4, "width": 5}' in content

    def test_the_entries_stay_in_the_file(self, uploads: Uploads, tmp_path: Path) -> None:
        uploads.index(zip_of({"a.png": b""})).save(tmp_path)

        assert isinstance(ArchiveIndex.load(tmp_path).entries, StoredArray)

    @pytest.mark.parametrize("content", [b"", b"text", b"\x93NUMPY\1\0"])
    def test_an_unreadable_index_raises_damaged(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / FILE).write_bytes(content)

        with pytest.raises(Damaged) as caught:
            ArchiveIndex.load(tmp_path)

        assert caught.value.code == "plan_damaged"

    def test_a_truncated_index_raises_damaged(self, uploads: Uploads, tmp_path: Path) -> None:
        uploads.index(zip_of({"a.png": b"", "b.png": b""})).save(tmp_path)
        whole = (tmp_path / FILE).read_bytes()

        for length in range(len(whole)):
            (tmp_path / FILE).write_bytes(whole[:length])
            with pytest.raises(Damaged):
                ArchiveIndex.load(tmp_path)


def test_entry_has_the_fields_of_the_row_type() -> None:
    assert Entry._fields == ENTRY.names
