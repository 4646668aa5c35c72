"""Data sets as `.npz` files, valid and broken, as bytes."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


def easy_images(count: int, classes: int = 3, side: int = 6, seed: int = 0) -> tuple[Images, Labels]:
    """Return images (count, side, side) that any classifier can learn: class c has a bright row c, on faint noise."""
    labels = np.arange(count) % classes
    images = np.random.default_rng(seed).integers(0, 60, (count, side, side), dtype=np.uint8)
    images[np.arange(count), labels] += 190
    return images, labels.astype(np.int64)


def easy_arrays(train: int = 60, test: int = 30, **options: int) -> dict[str, NDArray[Any]]:
    """Return the four arrays of a small data set."""
    images, labels = easy_images(train + test, **options)
    return {"x_train": images[:train], "y_train": labels[:train], "x_test": images[train:], "y_test": labels[train:]}


def npz(arrays: Mapping[str, NDArray[Any]] | None = None, *, compressed: bool = False) -> bytes:
    """Return an `.npz` with these arrays, by default those of `easy_arrays`."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as archive:
        for name, array in (easy_arrays() if arrays is None else arrays).items():
            archive.writestr(f"{name}.npy", npy(array))
    return file.getvalue()


def npy(array: NDArray[Any]) -> bytes:
    """Return one array in NumPy's format."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npy_header(text: str | bytes, version: tuple[int, int] = (1, 0)) -> bytes:
    """Return a header in NumPy's format with this text."""
    content = text.encode("latin1") if isinstance(text, str) else text
    length = struct.pack("<H" if version == (1, 0) else "<I", len(content))
    return b"\x93NUMPY" + bytes(version) + length + content


def npz_of_members(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """Return an `.npz` with these members, valid or not; the others are those of `easy_arrays`."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in {**{key: npy(array) for key, array in easy_arrays().items()}, **members}.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()
