"""A user's `.npz`: its headers are read and judged before any array is, and nothing in it is ever unpickled.

The format of the members is NumPy's (`numpy.lib.format`): a magic, a header with dtype, order and shape, the data.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any, cast

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from shared.datasets.content import Content, Images, Labels, Split, classes_of, stratified_test_mask
from shared.errors import Invalid, TooLarge, UnsupportedType
from shared.settings import Settings

SPLIT_IN_TWO = ("x_train", "y_train", "x_test", "y_test")
IN_ONE = ("x", "y")
BLOCK_BYTES = 4 * 1024 * 1024
METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
READ_HEADER = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
LONGEST_HEADER = 10_000  # NumPy takes no longer one either, but reads it before it looks
# What NumPy's parser raises on a text that is no header:
UNREADABLE = (ValueError, TypeError, LookupError, SyntaxError, RecursionError, MemoryError, TokenError)


@dataclass(frozen=True)
class Header:
    """What a member's header says."""

    name: str
    info: zipfile.ZipInfo
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def nbytes(self) -> int:
        """The bytes of the array's data."""
        return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize


def read_npz(path: Path, limits: Settings, test_fraction: float, seed: int) -> Content:
    """Check the file and describe its content; the images are read from it later, block by block.

    Takes `x_train, y_train, x_test, y_test`, or `x, y`, which a stratified choice by `test_fraction` and `seed` splits.
    Raises `UnsupportedType`, `TooLarge` or `Invalid`, with a detail that names the array.
    """
    if not zipfile.is_zipfile(path):
        raise UnsupportedType("npz_expected", "the file is not an .npz: save the arrays with numpy.savez")
    with reporting_damage(), zipfile.ZipFile(path) as archive:
        headers = _headers(archive, limits)
        labels = {name: _labels(archive, header) for name, header in headers.items() if name.startswith("y")}
    classes = classes_of(*labels.values())
    if not 2 <= len(classes) <= limits.max_classes:
        raise Invalid(
            "npz_labels", f"the labels have {len(classes)} distinct values; 2 to {limits.max_classes} are taken"
        )
    indices = {name: np.searchsorted(classes, part).astype(np.int64) for name, part in labels.items()}
    blocks = partial(Blocks, path)
    if "x" in headers:
        test = stratified_test_mask(indices["y"], test_fraction, seed)
        if not test.any():
            raise Invalid("npz_labels", "no class has two samples, so none can be set aside for testing")
        train_part = Split(indices["y"][~test], blocks(headers["x"], ~test))
        test_part = Split(indices["y"][test], blocks(headers["x"], test))
    else:
        train_part = Split(indices["y_train"], blocks(headers["x_train"]))
        test_part = Split(indices["y_test"], blocks(headers["x_test"]))
    height, width = next(header.shape[1:] for name, header in headers.items() if name.startswith("x"))
    return Content((height, width), tuple(str(value) for value in classes), train_part, test_part)


@dataclass(frozen=True)
class Sparing:
    """A member that gives little at a time: a header that claims gigabytes is refused before it is unpacked."""

    member: IO[bytes]

    def read(self, size: int) -> bytes:
        """The next bytes; raises ValueError for more than a header may have."""
        if size > LONGEST_HEADER:
            raise ValueError(f"it claims to have {size} bytes")
        return self.member.read(size)


@contextmanager
def reporting_damage() -> Iterator[None]:
    """Turn what the zip reader raises on damaged bytes into `Invalid`."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, ValueError) as error:
        raise Invalid("npz_damaged", f"the .npz cannot be read to its end: {error}") from error


@dataclass(frozen=True)
class Blocks:
    """The images of one member, or those that `mask` (N,) selects, read anew at each iteration."""

    path: Path
    header: Header
    mask: NDArray[np.bool_] | None = None

    def __iter__(self) -> Iterator[Images]:
        """Yield blocks (n, H, W) of a few MiB."""
        count, height, width = self.header.shape
        rows = max(1, BLOCK_BYTES // (height * width))
        with reporting_damage(), zipfile.ZipFile(self.path) as archive, archive.open(self.header.info) as member:
            _read_header(member, self.header.name)
            for start in range(0, count, rows):
                n = min(rows, count - start)
                block = np.frombuffer(_read_exactly(member, n * height * width), np.uint8)
                images = block.reshape(n, height, width)
                yield images if self.mask is None else images[self.mask[start : start + n]]


def _headers(archive: zipfile.ZipFile, limits: Settings) -> dict[str, Header]:
    """Read and judge the headers of the arrays that make a data set."""
    members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    if len(members) != len(archive.infolist()):
        raise Invalid("npz_duplicate", "an array is in the .npz twice")
    names = SPLIT_IN_TWO if any(name in members for name in SPLIT_IN_TWO) else IN_ONE
    missing = [name for name in names if name not in members]
    if missing:
        raise Invalid(
            "npz_array_missing",
            f"the .npz lacks {', '.join(missing)}: it must hold {', '.join(SPLIT_IN_TWO)}, or {' and '.join(IN_ONE)}",
        )
    headers = {}
    for name in names:
        info = members[name]
        if info.flag_bits & 1:
            raise Invalid("npz_encrypted", f"{name} is encrypted")
        if info.compress_type not in METHODS:
            raise Invalid("npz_method", f"{name} is packed by a method other than stored and deflate")
        with archive.open(info) as member:
            headers[name] = _judged(name, info, *_read_header(member, name))
    if sum(header.nbytes for header in headers.values()) > limits.max_expanded_bytes:
        raise TooLarge("npz_too_large", f"the arrays take more than {limits.max_expanded_bytes} bytes when unpacked")
    _check_agreement(headers, limits)
    return headers


def _read_header(member: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Read magic and header; returns shape, Fortran order, dtype, and how many bytes both took."""
    sparing = cast("IO[bytes]", Sparing(member))
    try:
        version = npy.read_magic(sparing)
        shape, fortran_order, dtype = READ_HEADER[version](sparing)
    except UNREADABLE as error:
        raise Invalid("npz_header", f"{name} has no header of NumPy's format, version 1 or 2: {error}") from error
    return shape, fortran_order, dtype, member.tell()


def _judged(
    name: str, info: zipfile.ZipInfo, shape: tuple[int, ...], fortran_order: bool, dtype: np.dtype[Any], size: int
) -> Header:
    """Judge one array by its header alone."""
    header = Header(name, info, shape, dtype)
    if dtype.hasobject:
        raise Invalid("npz_pickled", f"{name} holds pickled objects, which are never loaded: save plain numbers")
    if any(side < 0 for side in shape) or size + header.nbytes != info.file_size:
        raise Invalid(
            "npz_header",
            f"the header of {name} claims {dtype} of shape {shape!s:.80}, but {info.file_size - size} bytes follow",
        )
    if name.startswith("x"):
        if dtype != np.uint8 or len(shape) != 3:
            raise Invalid("npz_images", f"{name} must be uint8 of shape (N, H, W); it is {dtype} of shape {shape}")
        if fortran_order:
            raise Invalid("npz_images", f"{name} is stored in Fortran order: save numpy.ascontiguousarray({name})")
    elif dtype.kind not in "iu" or len(shape) != 1:
        raise Invalid("npz_labels", f"{name} must be integers of shape (N,); it is {dtype} of shape {shape}")
    if 0 in shape:
        raise Invalid("npz_empty", f"{name} is empty: its shape is {shape}")
    return header


def _check_agreement(headers: dict[str, Header], limits: Settings) -> None:
    """Check that the arrays fit together."""
    image_shapes = {header.shape[1:] for name, header in headers.items() if name.startswith("x")}
    if len(image_shapes) > 1:
        raise Invalid("npz_mismatch", f"the images of x_train and x_test differ in shape: {sorted(image_shapes)}")
    height, width = image_shapes.pop()
    if height * width > limits.max_image_pixels:
        raise TooLarge("npz_too_large", f"an image has more than {limits.max_image_pixels} pixels")
    for name, header in headers.items():
        if name.startswith("x"):
            labels = headers["y" + name.removeprefix("x")]
            if header.shape[0] != labels.shape[0]:
                raise Invalid(
                    "npz_mismatch",
                    f"{name} has {header.shape[0]} images and {labels.name} has {labels.shape[0]} labels",
                )


def _labels(archive: zipfile.ZipFile, header: Header) -> Labels:
    with archive.open(header.info) as member:
        _read_header(member, header.name)
        return np.frombuffer(_read_exactly(member, header.nbytes), header.dtype).astype(np.int64)


def _read_exactly(member: IO[bytes], size: int) -> bytes:
    content = member.read(size)
    if len(content) != size:
        raise EOFError(f"{size - len(content)} bytes are missing")
    return content
