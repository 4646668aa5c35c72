"""An uploaded `.npz` as a data set: its headers are validated before an array is read; nothing is ever unpickled."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from shared.archives.arrays import Header, read_header
from shared.archives.damage import cause_of
from shared.archives.names.leftovers import leftover
from shared.datasets.arrays.array_images import ImageArray, ImageBlocks, image_shape_of, read_exactly, scale_of
from shared.datasets.arrays.array_labels import check_labels, labels_of
from shared.datasets.arrays.array_names import ArrayNames, Pair, find_arrays
from shared.datasets.content import Content, Split, classes_of, use_of_validation
from shared.datasets.duplicates import Fingerprints, divided_copies, split_mask
from shared.errors import FieldError, Invalid, TooLarge, UnsupportedType
from shared.runtime.settings import Settings

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


def read_npz(
    path: Path, limits: Settings, test_fraction: float, seed: int, image_shape: tuple[int, int] | None = None
) -> Content:
    """Validate the file and return its content; the images are read from it on iteration, block by block.

    Accepts `x_train, y_train, x_test, y_test`, or `x, y` with a stratified split by `test_fraction` and `seed`, and
    other names of them (`array_names`). image_shape: of images that are saved flat. Raises `UnsupportedType`,
    `TooLarge` or `Invalid`, with a detail that names the array.
    """
    with reporting_damage():
        is_zip = zipfile.is_zipfile(path)
    if not is_zip:
        raise UnsupportedType("npz_expected", "the file is not an .npz: save the arrays with numpy.savez")
    with reporting_damage(), zipfile.ZipFile(path) as archive:
        names, members = _members(archive, limits)
        arrays = {
            images: ImageArray(
                members[images].header,
                image_shape_of(members[images].header, image_shape),
                partial(_opened, path, members[images]),
            )
            for images, _ in names.pairs
        }
        _check_agreement(names, members, arrays, image_shape, limits)
        labels = {name: _labels(archive, members[name]) for _, name in names.pairs}
    if len({part.dtype.kind for part in labels.values()}) > 1:
        raise Invalid("npz_labels", f"the labels {', '.join(labels)} must be all integers, or all texts")
    with reporting_damage():
        scale, scaling = scale_of(list(arrays.values()))
    chosen = {"numbers": scaling} if scaling else {}
    return content_of(names, arrays, labels, scale, chosen, limits, test_fraction, seed)


def content_of(
    names: ArrayNames,
    arrays: Mapping[str, ImageArray],
    labels: Mapping[str, NDArray[Any]],
    scale: int,
    chosen: Mapping[str, str],
    limits: Settings,
    test_fraction: float,
    seed: int,
) -> Content:
    """Return the content of arrays of images and labels; without arrays for testing it is split. Raises `Invalid`."""
    classes = classes_of(*labels.values())
    if not 2 <= len(classes) <= limits.max_classes:
        raise Invalid(
            "npz_labels",
            f"the labels have {len(classes)} distinct values; 2 to {limits.max_classes} are allowed"
            " (GLASSBOX_MAX_CLASSES)",
        )
    shape = next(iter(arrays.values())).image_shape
    text = tuple(str(value) for value in classes)
    longest = max(text, key=lambda name: len(name.encode()))
    if len(longest.encode()) > limits.max_name_bytes:
        raise Invalid(
            "npz_labels",
            f"the label {longest[:40]!r}… has {len(longest.encode())} bytes; a class may have at most"
            f" {limits.max_name_bytes} (GLASSBOX_MAX_NAME_BYTES): shorten the labels",
        )

    def part(pair: Pair, mask: NDArray[np.bool_] | None = None) -> Split:
        images, name = pair
        indices = np.searchsorted(classes, labels[name]).astype(np.int64)
        return Split(indices if mask is None else indices[mask], ImageBlocks(arrays[images], scale, mask))

    def content(train: Split, test: Split) -> Content:
        return Content(shape, text, train, test, part(names.validation) if names.validation else None, chosen)

    def split(mask: NDArray[np.bool_]) -> Content:
        return content(part(names.train, ~mask), part(names.train, mask))

    def revised(prints: Mapping[str, Fingerprints]) -> Content | None:
        copies = divided_copies(prints, mask)
        return None if copies is None else split(split_mask(train.labels, test_fraction, seed, copies))

    train = part(names.train)
    if names.validation:
        images, name = names.validation
        sentence = use_of_validation(len(labels[name]), images, set_aside=names.test is None)
        chosen = {**chosen, "validation": sentence}
    if names.test:
        return content(train, part(names.test))
    mask = split_mask(train.labels, test_fraction, seed)
    if not mask.any():
        raise Invalid("npz_labels", "no class has two samples, so none can be set aside for testing")
    return replace(split(mask), revise=revised)


@contextmanager
def reporting_damage() -> Iterator[None]:
    """Convert the zip reader's errors on damaged bytes to `Invalid`."""
    try:
        yield
    except UNREADABLE as error:
        raise Invalid(
            "npz_damaged", f"the .npz cannot be read to its end: {cause_of(error)}; save or download it again"
        ) from error


@contextmanager
def _opened(path: Path, member: Member) -> Iterator[IO[bytes]]:
    """Open a member at its data."""
    with reporting_damage(), zipfile.ZipFile(path) as archive, archive.open(member.info) as file:
        read_header(file, member.header.name, member.info.file_size)
        yield file


def _members(archive: zipfile.ZipFile, limits: Settings) -> tuple[ArrayNames, dict[str, Member]]:
    """Read and validate the headers of the arrays of a data set."""
    files = [info for info in archive.infolist() if leftover(info.filename) is None and not info.is_dir()]
    outer = enclosing(info.filename for info in files if info.filename.endswith(".npy"))
    infos = {info.filename.removeprefix(outer).removesuffix(".npy"): info for info in files}
    if len(infos) != len(files):
        raise Invalid("npz_duplicate", "the .npz contains an array twice")
    found = find_arrays(infos)
    members = {}
    for name in (name for pair in found.pairs for name in pair):
        info = infos[name]
        if info.flag_bits & 1:
            raise Invalid("npz_encrypted", f"{name} is encrypted; save the arrays without a password")
        if info.compress_type not in METHODS:
            raise Invalid(
                "npz_method", f"{name} is compressed by a method other than deflate; use numpy.savez_compressed"
            )
        with archive.open(info) as member:
            members[name] = Member(info, read_header(member, name, info.file_size))
    if sum(member.header.nbytes for member in members.values()) > limits.max_dataset_bytes:
        raise TooLarge(
            "npz_too_large",
            f"the arrays take more than {limits.max_dataset_bytes} bytes when unpacked (GLASSBOX_MAX_DATASET_BYTES)",
        )
    return found, members


def _check_agreement(
    names: ArrayNames,
    members: Mapping[str, Member],
    arrays: Mapping[str, ImageArray],
    image_shape: tuple[int, int] | None,
    limits: Settings,
) -> None:
    """Check that the arrays match: one image shape, and one label an image; raises `Invalid` or `TooLarge`."""
    shapes = {array.image_shape for array in arrays.values()}
    if len(shapes) > 1:
        raise Invalid("npz_mismatch", f"the images of {' and '.join(arrays)} differ in shape: {sorted(shapes)}")
    (shape,) = shapes
    if shape[0] * shape[1] > limits.max_image_pixels:
        raise TooLarge(
            "npz_too_large",
            f"an image has more than {limits.max_image_pixels} pixels (GLASSBOX_MAX_IMAGE_PIXELS); resize the images",
        )
    if image_shape is not None and any(len(array.header.shape) > 2 for array in arrays.values()):
        reason = f"applies to images, and to flat arrays (N, H·W); the images of this .npz keep their shape, {shape}"
        raise Invalid("validation_failed", f"image_shape: {reason}", [FieldError(reason, parameter="image_shape")])
    for images, labels in names.pairs:
        check_labels(members[labels].header)
        counts = members[images].header.shape[0], members[labels].header.shape[0]
        if counts[0] != counts[1]:
            remedy = ""
            if members[images].header.shape[-1] == counts[1]:
                remedy = f": put the axis of the images first, numpy.moveaxis({members[images].header.variable}, -1, 0)"
            elif members[labels].header.shape == (1, counts[0]):
                remedy = f": save {members[labels].header.variable}.ravel()"
            raise Invalid(
                "npz_mismatch", f"{images} has {counts[0]} images, but {labels} has {counts[1]} labels{remedy}"
            )


def enclosing(names: Iterable[str]) -> str:
    """Return the folders around all these files, such as those of a folder of `.npy` files that was packed."""
    folders = zip(*(name.split("/")[:-1] for name in names), strict=False)
    return "".join(f"{level[0]}/" for level in takewhile(lambda level: len(set(level)) == 1, folders))


def _labels(archive: zipfile.ZipFile, member: Member) -> NDArray[Any]:
    header = member.header
    with archive.open(member.info) as file:
        read_header(file, header.name, member.info.file_size)
        return labels_of(header, read_exactly(file, header.nbytes))
