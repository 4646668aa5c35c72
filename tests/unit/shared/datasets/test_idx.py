"""Files in the IDX format."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from shared.datasets.arrays.idx import read_idx
from shared.errors import Invalid
from tests.support.data.idx import idx, idx_files_of
from tests.support.data.npz import easy_arrays

ARRAYS = easy_arrays(train=40, test=20)


def folder_of(files: dict[str, bytes], folder: Path) -> Path:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def read_whole(folder: Path) -> None:
    for split in read_idx(folder).splits.values():
        list(split.blocks)


def test_the_four_files_make_a_data_set(tmp_path: Path) -> None:
    content = read_idx(folder_of(idx_files_of(ARRAYS), tmp_path))

    assert (content.image_shape, content.classes) == ((6, 6), ("0", "1", "2"))
    for part, split in content.splits.items():
        assert split.labels.tolist() == ARRAYS[f"y_{part}"].tolist()
        assert np.concatenate(list(split.blocks)).tolist() == ARRAYS[f"x_{part}"].tolist()


def test_images_are_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.datasets.arrays.idx.BLOCK_BYTES", 7 * 36)

    blocks = list(read_idx(folder_of(idx_files_of(ARRAYS), tmp_path)).train.blocks)

    assert [len(block) for block in blocks] == [7, 7, 7, 7, 7, 5]


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("train-images-idx3-ubyte.gz", b"no gzip", "idx_damaged"),
        ("train-images-idx3-ubyte.gz", idx(ARRAYS["x_train"])[:-20], "idx_damaged"),
        ("train-labels-idx1-ubyte.gz", gzip.compress(b"\0\0\x08\x01\0\0\0\x28few", mtime=0), "idx_damaged"),
        ("train-images-idx3-ubyte.gz", idx(ARRAYS["y_train"]), "idx_head"),
        ("t10k-images-idx3-ubyte.gz", gzip.compress(b"PK\3\4" + bytes(100), mtime=0), "idx_head"),
        ("t10k-labels-idx1-ubyte.gz", idx(ARRAYS["y_test"][:0]), "idx_head"),
        ("t10k-labels-idx1-ubyte.gz", idx(ARRAYS["y_test"][:7]), "idx_mismatch"),
        ("t10k-images-idx3-ubyte.gz", idx(np.zeros((20, 5, 5))), "idx_mismatch"),
    ],
)
def test_the_error_names_the_file_with_wrong_content(tmp_path: Path, name: str, content: bytes, code: str) -> None:
    folder = folder_of(idx_files_of(ARRAYS) | {name: content}, tmp_path)

    with pytest.raises(Invalid, match=name) as caught:
        read_whole(folder)

    assert caught.value.code == code


def test_the_error_names_a_missing_file(tmp_path: Path) -> None:
    files = idx_files_of(ARRAYS)
    del files["t10k-images-idx3-ubyte.gz"]

    with pytest.raises(Invalid, match="t10k-images"):
        read_idx(folder_of(files, tmp_path))
