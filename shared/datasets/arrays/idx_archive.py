"""An archive of IDX files, as MNIST and its successors are published: `train-images-idx3-ubyte.gz` and its like."""

from __future__ import annotations

import gzip
import io
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from shared.archives import ArchiveIndex, Contents
from shared.archives.arrays import Header
from shared.archives.damage import cause_of
from shared.archives.entries import shown
from shared.datasets.arrays.array_images import ImageArray, read_exactly, scale_of
from shared.datasets.arrays.array_names import find_arrays
from shared.datasets.arrays.npz import content_of
from shared.datasets.content import Content
from shared.datasets.options import UploadOptions
from shared.errors import FieldError, Invalid, Malformed, TooLarge
from shared.runtime.settings import Settings

NAME = re.compile(r"(?P<stem>[^/]*?)[-._ ]?idx[13][-._ ]?ubyte(?:\.gz)?", re.IGNORECASE)
SHORT_NAME = re.compile(r"(?P<stem>[^/]*(?:image|label)[^/]*?)[-._ ](?:idx[13]?|ubyte)(?:\.gz)?", re.IGNORECASE)
ENDINGS = tuple(f"{ending}{packed}" for ending in ("idx", "idx1", "idx3", "ubyte") for packed in ("", ".gz"))
SPLIT = re.compile(r"t10k|train(ing)?|test(ing)?|(?<![a-z])(val(id(ation)?)?|dev|eval(uation)?)(?![a-z])")
EMNIST = "emnist"  # its images are transposed, as IDX and as CSV files
ORIENTATION = "EMNIST's images were transposed, so that they are upright"
BYTES = 0x08  # the type of the elements
GZIP = b"\x1f\x8b"
HELD_BYTES = 1 << 29  # a file is read into memory


def idx_files(names: Sequence[str]) -> dict[str, int]:
    """Return the IDX files among an archive's entries, by the part of their names before `idx`: the entries' indices.

    Raises `Invalid` if they belong to several data sets, such as all of EMNIST's.
    """
    files: dict[str, int] = {}
    sets: dict[str, str] = {}
    found = {index: match for index, name in enumerate(names) if (match := NAME.fullmatch(name.rpartition("/")[2]))}
    for index, match in (found or _by_short_names(names)).items():
        name = names[index]
        files.setdefault(match["stem"].lower(), index)
        sets.setdefault(re.sub(r"images?|labels?|[-._ ]", "", SPLIT.sub("", match["stem"].lower())), name)
    if len(sets) > 1:
        listed = ", ".join(map(shown, sets.values()))
        raise Invalid(
            "dataset_layout", f"the archive holds IDX files of {len(sets)} data sets ({listed}): send one of them"
        )
    return files


def _by_short_names(names: Sequence[str]) -> dict[int, re.Match[str]]:
    """Return the matches of names such as `train-images.idx3`; none without both images and labels."""
    short = ((index, name.rpartition("/")[2]) for index, name in enumerate(names) if name.lower().endswith(ENDINGS))
    found = {index: match for index, name in short if (match := SHORT_NAME.fullmatch(name))}
    kinds = {"label" in match["stem"].lower() for match in found.values()}
    return found if len(kinds) == 2 else {}


def read_idx_archive(
    path: Path,
    archive: ArchiveIndex,
    names: Sequence[str],
    files: dict[str, int],
    limits: Settings,
    options: UploadOptions,
) -> Content:
    """Return the content of the IDX files; their images are read on iteration. Raises `Invalid` or `TooLarge`."""
    for name in ("image_shape", "channels"):
        if getattr(options, name) not in {None, 1}:
            reason = "applies to archives of images; the images of IDX files keep their shape"
            raise Invalid("validation_failed", f"{name}: {reason}", [FieldError(reason, parameter=name)])
    largest = limits.model_copy(update={"max_entry_bytes": min(HELD_BYTES, limits.max_dataset_bytes)})
    found = {_array_name(stem): index for stem, index in files.items()}
    pairs = find_arrays(found, "the archive of IDX files")
    for index in found.values():
        if archive.entry(index).size > largest.max_entry_bytes:
            raise TooLarge(
                "dataset_too_large",
                f"{shown(names[index])} has more than {largest.max_entry_bytes} bytes, the limit of an IDX file"
                " (GLASSBOX_MAX_ENTRY_BYTES); send fewer images, or an .npz",
            )
    opened = {name: partial(_opened, path, archive, index, names[index], largest) for name, index in found.items()}
    arrays, labels = {}, {}
    for images_name, labels_name in pairs.pairs:
        count, height, width = _shape(opened[images_name], names[found[images_name]], 3)
        if height * width > limits.max_image_pixels or count * height * width > limits.max_dataset_bytes:
            detail = (
                f"{shown(names[found[images_name]])} has {count} images of {height} × {width} pixels; an image may have"
                f" {limits.max_image_pixels} pixels (GLASSBOX_MAX_IMAGE_PIXELS), and all images"
                f" {limits.max_dataset_bytes} bytes (GLASSBOX_MAX_DATASET_BYTES)"
            )
            raise TooLarge("dataset_too_large", detail)
        header = Header(images_name, (count, height, width), False, np.dtype(np.uint8), 16)
        transposed = EMNIST in names[found[images_name]].lower()
        arrays[images_name] = ImageArray(header, (height, width), partial(_at, opened[images_name], 16), transposed)
        labels[labels_name] = _labels(opened[labels_name], names[found[labels_name]])
        if len(labels[labels_name]) != count:
            raise Invalid(
                "idx_mismatch",
                f"{shown(names[found[images_name]])} has {count} images, but {shown(names[found[labels_name]])} has"
                f" {len(labels[labels_name])} labels: they belong to different data sets",
            )
    if len({array.image_shape for array in arrays.values()}) > 1:
        raise Invalid("idx_mismatch", "the images of the IDX files differ in shape")
    chosen = {}
    if any(array.transposed for array in arrays.values()):
        chosen["orientation"] = ORIENTATION
    scale, _ = scale_of(list(arrays.values()))
    return content_of(pairs, arrays, labels, scale, chosen, limits, options.test_fraction, options.seed)


def _array_name(stem: str) -> str:
    """Return the name that an array would have: `t10k-images` becomes `test_images`."""
    kind = "labels" if "label" in stem else "images"
    split = SPLIT.search(stem)
    return kind if split is None else f"{'test' if split[0] == 't10k' else split[0]}_{kind}"


@contextmanager
def _opened(path: Path, archive: ArchiveIndex, index: int, name: str, limits: Settings) -> Iterator[IO[bytes]]:
    try:
        with Contents(path, archive, limits) as contents:
            content = contents.read(index)
        file = io.BytesIO(content)
        yield cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if content.startswith(GZIP) else file
    except (Malformed, OSError, EOFError, zlib.error) as error:
        raise Invalid("idx_damaged", f"{shown(name)} cannot be read: {cause_of(error)}; download it again") from error


@contextmanager
def _at(opened: partial[Any], start: int) -> Iterator[IO[bytes]]:
    """Open a file after its header."""
    with opened() as file:
        read_exactly(file, start)
        yield file


def _shape(opened: partial[Any], name: str, dimensions: int) -> tuple[int, ...]:
    """Read the shape in a file's header."""
    with opened() as file:
        magic = read_exactly(file, 4)
        shape = struct.unpack(f">{dimensions}I", read_exactly(file, 4 * dimensions))
    if magic != bytes([0, 0, BYTES, dimensions]) or 0 in shape:
        raise Invalid("idx_head", f"{shown(name)} has no IDX header of bytes in {dimensions} dimensions")
    return shape


def _labels(opened: partial[Any], name: str) -> NDArray[np.int64]:
    (count,) = _shape(opened, name, 1)
    with _at(opened, 8) as file:
        return np.frombuffer(read_exactly(file, count), np.uint8).astype(np.int64)
