"""Files in the IDX format."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def idx(array: NDArray[Any]) -> bytes:
    """Return an array of small numbers as a compressed IDX file."""
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(head + array.astype(np.uint8).tobytes(), mtime=0)


def idx_files_of(arrays: Mapping[str, NDArray[Any]]) -> dict[str, bytes]:
    """Return the four files of a data set with these arrays, by MNIST's file names."""
    parts = {"train": "train", "t10k": "test"}
    return {
        f"{name}-{what}-ubyte.gz": idx(arrays[f"{letter}_{part}"])
        for name, part in parts.items()
        for what, letter in (("images-idx3", "x"), ("labels-idx1", "y"))
    }
