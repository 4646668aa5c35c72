"""Tensors of safetensors files, read without NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from glassbox.errors import UnexpectedAnswer
from glassbox.report.tensors import read_tensor

ARRAYS: dict[str, Any] = {
    "layer1.biases": np.arange(3, dtype=np.float32),
    "layer1.weights": np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32),
    "layer2.weights": np.random.default_rng(1).normal(size=(3, 2)),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "w.safetensors"
    path.write_bytes(safetensors.numpy.save(ARRAYS, {"model": "toy"}))
    return path


@pytest.mark.parametrize("name", ARRAYS)
def test_a_tensor_that_the_library_writes_is_read(file: Path, name: str) -> None:
    tensor = read_tensor(file, name)

    assert tensor.shape == ARRAYS[name].shape
    assert tensor.values.tolist() == ARRAYS[name].ravel().tolist()


def test_a_missing_tensor_is_reported(file: Path) -> None:
    with pytest.raises(UnexpectedAnswer, match=r"layer9\.weights"):
        read_tensor(file, "layer9.weights")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"short",
        b"\xff" * 8 + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (6).to_bytes(8, "little") + b'{"w":3',
        (24).to_bytes(8, "little") + b'{"layer1.weights": null}',
        (54).to_bytes(8, "little") + b'{"layer1.weights":{"dtype":"F32","data_offsets":[0,6]}}'[:54],
    ],
)
def test_a_file_of_another_format_is_rejected(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)

    with pytest.raises(UnexpectedAnswer):
        read_tensor(path, "layer1.weights")


def test_a_truncated_tensor_is_rejected(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-8])

    with pytest.raises(UnexpectedAnswer):
        read_tensor(file, "layer1.weights")  # the last one in the file


def test_offsets_outside_the_file_are_rejected(tmp_path: Path) -> None:
    header = b'{"w":{"dtype":"F32","shape":[2,2],"data_offsets":[-400,-384]}}'
    path = tmp_path / "w.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(16))

    with pytest.raises(UnexpectedAnswer):
        read_tensor(path, "w")
