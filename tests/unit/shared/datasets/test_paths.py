"""The paths that images had in their upload, beside a data set's arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.datasets.paths import FILE, LONGEST, ImagePaths, read_paths, write_paths

LONG = "ü" * 200 + "/end.png"


def test_paths_are_read_at_any_indices_and_long_ones_keep_their_end(tmp_path: Path) -> None:
    names = ["a/1.png", "", "b/\u202e.png", LONG]

    assert write_paths(tmp_path, {"train": names, "test": ["t.png"], "validation": ()})

    paths = read_paths(tmp_path)
    assert paths.at("train", [2, 0, 1]) == ["b/\u202e.png", "a/1.png", None]
    assert paths.at("test", [0]) == ["t.png"]
    assert paths.at("validation", [0, 5]) == [None, None]
    (long,) = paths.at("train", [3])
    assert long is not None
    assert long.startswith("…ü")
    assert long.endswith("ü/end.png")
    assert LONGEST - 1 <= len(long.encode()) <= LONGEST
    assert list(paths.chosen("train", np.array([True, True, False, False]))) == ["a/1.png", ""]


def test_no_file_is_written_if_no_path_is_known(tmp_path: Path) -> None:
    assert not write_paths(tmp_path, {"train": (), "test": ["", ""]})
    assert list(tmp_path.iterdir()) == []
    assert read_paths(tmp_path) == ImagePaths()


@pytest.mark.parametrize("content", [b"", b"PK no zip", b"\x00" * 500])
def test_a_damaged_file_leaves_the_paths_unknown(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    assert read_paths(tmp_path).at("train", [0]) == [None]
