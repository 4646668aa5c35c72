"""An uploaded `.npz` as a data set: its headers are validated before an array is read; nothing is ever unpickled."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from shared.archives.arrays import Header, check_images, read_header
from shared.datasets.content import Content, Images, Labels, Split, classes_of
from shared.datasets.duplicates import Fingerprints, divided_copies, split_mask
from shared.errors import Invalid, TooLarge, UnsupportedType
from shared.runtime.settings import Settings

TRAIN_AND_TEST = ("x_train", "y_train", "x_test", "y_test")
UNSPLIT = ("x", "y")
LARGEST_LABEL = 2**63 - 1
BLOCK_BYTES = 4 * 1024 * 1024
# Errors of Python's reader of zips on damaged bytes:
UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError),
    *(RuntimeError, ValueError, LookupError, ArithmeticError, AssertionError),
)
METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


@dataclass(frozen=True)
class Member:
    """An array in the `.npz`: its entry in the zip, and its header."""

    info: zipfile.ZipInfo
    header: Header


def read_npz(path: Path, limits: Settings, test_fraction: float, seed: int) -> Content:
    """Validate the file and return its content; the images are read from it on iteration, block by block.

    Accepts `x_train, y_train, x_test, y_test`, or `x, y` with a stratified split by `test_fraction` and `seed`. Raises
    `UnsupportedType`, `TooLarge` or `Invalid`, with a detail that names the array.
    """
    with reporting_damage():
        is_zip = zipfile.is_zipfile(path)
    if not is_zip:
        raise UnsupportedType("npz_expected", "the file is not an .npz: save the arrays with numpy.savez")
    with reporting_damage(), zipfile.ZipFile(path) as archive:
        members = _members(archive, limits)
        labels = {name: _labels(archive, member) for name, member in members.items() if name.startswith("y")}
    classes = classes_of(*labels.values())
    if not 2 <= len(classes) <= limits.max_classes:
        raise Invalid(
            "npz_labels", f"the labels have {len(classes)} distinct values; 2 to {limits.max_classes} are allowed"
        )
    indices = {name: np.searchsorted(classes, part).astype(np.int64) for name, part in labels.items()}
    image_shape = next(check_images(member.header) for name, member in members.items() if name.startswith("x"))
    names = tuple(str(value) for value in classes)
    blocks = partial(Blocks, path)
    if "x" not in members:
        train_part = Split(indices["y_train"], blocks(members["x_train"]))
        test_part = Split(indices["y_test"], blocks(members["x_test"]))
        return Content(image_shape, names, train_part, test_part)

    def content(test: NDArray[np.bool_]) -> Content:
        train_part = Split(indices["y"][~test], blocks(members["x"], ~test))
        test_part = Split(indices["y"][test], blocks(members["x"], test))
        return Content(image_shape, names, train_part, test_part)

    def revised(prints: Mapping[str, Fingerprints]) -> Content | None:
        copies = divided_copies(prints, test)
        if copies is None:
            return None
        return content(split_mask(indices["y"], test_fraction, seed, copies))

    test = split_mask(indices["y"], test_fraction, seed)
    if not test.any():
        raise Invalid("npz_labels", "no class has two samples, so none can be set aside for testing")
    return replace(content(test), revise=revised)


@contextmanager
def reporting_damage() -> Iterator[None]:
    """Convert the zip reader's errors on damaged bytes to `Invalid`."""
    try:
        yield
    except UNREADABLE as error:
        reason = str(error)[:200]
        raise Invalid("npz_damaged", f"the .npz cannot be read to its end: {reason}") from error


@dataclass(frozen=True)
class Blocks:
    """The images of one member, or those that `mask` (N,) selects, read again at each iteration."""

    path: Path
    member: Member
    mask: NDArray[np.bool_] | None = None

    def __iter__(self) -> Iterator[Images]:
        """Yield blocks of a few MiB, (n, H, W) or (n, H, W, 3)."""
        info = self.member.info
        count, shape = self.member.header.shape[0], check_images(self.member.header)
        nbytes = prod(shape)
        rows = max(1, BLOCK_BYTES // nbytes)
        with reporting_damage(), zipfile.ZipFile(self.path) as archive, archive.open(info) as member:
            read_header(member, self.member.header.name, info.file_size)
            for start in range(0, count, rows):
                n = min(rows, count - start)
                block = np.frombuffer(_read_exactly(member, n * nbytes), np.uint8)
                images = block.reshape(n, *shape)
                yield images if self.mask is None else images[self.mask[start : start + n]]


def _members(archive: zipfile.ZipFile, limits: Settings) -> dict[str, Member]:
    """Read and validate the headers of the arrays of a data set."""
    infos = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    if len(infos) != len(archive.infolist()):
        raise Invalid("npz_duplicate", "the .npz contains an array twice")
    names = TRAIN_AND_TEST if any(name in infos for name in TRAIN_AND_TEST) else UNSPLIT
    missing = [name for name in names if name not in infos]
    if missing:
        raise Invalid(
            "npz_array_missing",
            f"the .npz lacks {', '.join(missing)}: it must hold {', '.join(TRAIN_AND_TEST)},"
            f" or {' and '.join(UNSPLIT)}",
        )
    members = {}
    for name in names:
        info = infos[name]
        if info.flag_bits & 1:
            raise Invalid("npz_encrypted", f"{name} is encrypted; save the arrays without a password")
        if info.compress_type not in METHODS:
            raise Invalid(
                "npz_method", f"{name} is compressed by a method other than deflate; use numpy.savez_compressed"
            )
        with archive.open(info) as member:
            members[name] = Member(info, _validated(read_header(member, name, info.file_size)))
    headers = [member.header for member in members.values()]
    if sum(header.nbytes for header in headers) > limits.max_expanded_bytes:
        raise TooLarge("npz_too_large", f"the arrays take more than {limits.max_expanded_bytes} bytes when unpacked")
    _check_agreement({header.name: header for header in headers}, limits)
    return members


def _validated(header: Header) -> Header:
    """Validate one array by its header alone, and return the header."""
    name, dtype, shape = header.name, header.dtype, header.shape
    if name.startswith("x"):
        check_images(header)
    elif dtype.kind not in "iu" or len(shape) != 1:
        raise Invalid("npz_labels", f"{name} must be integers of shape (N,); got {header}")
    elif 0 in shape:
        raise Invalid("npz_empty", f"{name} is empty; got {header}")
    return header


def _check_agreement(headers: dict[str, Header], limits: Settings) -> None:
    """Check that the arrays match: one image shape, and one label an image; raises `Invalid` or `TooLarge`."""
    image_shapes = {check_images(header) for name, header in headers.items() if name.startswith("x")}
    if len(image_shapes) > 1:
        raise Invalid("npz_mismatch", f"the images of x_train and x_test differ in shape: {sorted(image_shapes)}")
    height, width = image_shapes.pop()[:2]
    if height * width > limits.max_image_pixels:
        raise TooLarge("npz_too_large", f"an image has more than {limits.max_image_pixels} pixels; resize the images")
    for name, header in headers.items():
        if name.startswith("x"):
            labels = headers["y" + name.removeprefix("x")]
            if header.shape[0] != labels.shape[0]:
                raise Invalid(
                    "npz_mismatch",
                    f"{name} has {header.shape[0]} images, but {labels.name} has {labels.shape[0]} labels",
                )


def _labels(archive: zipfile.ZipFile, member: Member) -> Labels:
    header = member.header
    with archive.open(member.info) as file:
        read_header(file, header.name, member.info.file_size)
        labels = np.frombuffer(_read_exactly(file, header.nbytes), header.dtype)
    if header.dtype.kind == "u" and labels.max() > LARGEST_LABEL:
        raise Invalid("npz_labels", f"{header.name} has a label of {labels.max()}; at most {LARGEST_LABEL} is allowed")
    return labels.astype(np.int64)


def _read_exactly(member: IO[bytes], size: int) -> bytes:
    content = member.read(size)
    if len(content) != size:
        raise EOFError(f"{size - len(content)} bytes are missing")
    return content
