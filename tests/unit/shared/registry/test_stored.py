"""The parameters in a file, read a block at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.registry import Registry
from shared.registry.stored import BLOCK, StoredArray, stored_arrays
from shared.registry.weights import write_parameters
from tests.support.objects.models import publish, tiny_parameters

ARRAYS: dict[str, NDArray[Any]] = {
    "weights": np.random.default_rng(0).random((700, 500)),  # more than two blocks
    "vector": np.arange(5, dtype=np.float32),
    "empty": np.empty((0, 3), np.float32),
    "wide": np.random.default_rng(1).random((3, BLOCK // 4)).astype(np.float32),
    "number": np.array(3.0),
    "transposed": np.arange(6, dtype=np.float32).reshape(2, 3).T,
    "swapped": np.arange(6).astype(">i8"),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "weights.npz"
    with path.open("wb") as file:
        write_parameters(file, ARRAYS)
    return path


@pytest.mark.parametrize("name", ARRAYS)
def test_stored_arrays_have_the_bytes_of_the_arrays(path: Path, name: str) -> None:
    stored, array = stored_arrays(path)[name], ARRAYS[name]

    assert (stored.shape, stored.nbytes) == (array.shape, array.nbytes)
    assert b"".join(stored.blocks()) == array.astype(array.dtype.newbyteorder("<")).tobytes()
    assert np.array_equal(stored.array(), array)
    assert all(len(block) <= BLOCK for block in stored.blocks())


@pytest.mark.parametrize("name", ["weights", "wide", "transposed"])
def test_rows_are_read_in_blocks_of_whole_rows(path: Path, name: str) -> None:
    blocks = list(stored_arrays(path)[name].rows())

    assert np.array_equal(np.concatenate(blocks), ARRAYS[name])
    assert all(block.nbytes <= max(BLOCK, ARRAYS[name][0].nbytes) for block in blocks)


def test_arrays_of_a_compressed_file_are_read(path: Path) -> None:
    np.savez_compressed(path, allow_pickle=False, **ARRAYS)

    assert all(np.array_equal(stored.array(), ARRAYS[name]) for name, stored in stored_arrays(path).items())


def test_arrays_can_be_read_after_the_files_deletion(path: Path) -> None:
    stored = stored_arrays(path)["weights"]
    path.unlink()

    assert np.array_equal(stored.array(), ARRAYS["weights"])


def test_a_shortened_file_is_an_error(path: Path) -> None:
    stored = stored_arrays(path)["weights"]
    path.write_bytes(path.read_bytes()[:1000])

    with pytest.raises(OSError, match="ends early"):
        list(stored.blocks())


def test_an_array_in_memory_is_read_like_a_stored_one() -> None:
    for array in ARRAYS.values():
        assert np.array_equal(StoredArray.of(array).array(), array)


def test_a_version_gives_its_parameters(registry: Registry) -> None:
    stored = registry.stored(publish(registry))

    assert {name: one.array().tolist() for name, one in stored.items()} == {
        name: array.tolist() for name, array in tiny_parameters().items()
    }
