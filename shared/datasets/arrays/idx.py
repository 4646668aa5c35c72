"""The IDX format of MNIST and Fashion-MNIST: a header with the shape, then the bytes, compressed by gzip.

MNIST's page describes the format (LeCun, Cortes, Burges: "File formats"). All numbers are big-endian.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np

from shared.archives.damage import cause_of
from shared.datasets.content import Content, Images, Labels, Split, classes_of
from shared.errors import Invalid

FILES = {"train": "train", "test": "t10k"}  # a part's name, and the prefix of its files' names
IMAGES, LABELS = "{}-images-idx3-ubyte.gz", "{}-labels-idx1-ubyte.gz"
BYTES = 0x08  # the type of the elements; the next byte is the number of dimensions
BLOCK_BYTES = 4 * 1024 * 1024


def read_idx(folder: Path) -> Content:
    """Return the content of the four files in `folder`; its images are read on iteration. Raises `Invalid`."""
    labels = {part: _read_labels(folder / LABELS.format(name)) for part, name in FILES.items()}
    blocks = {part: Blocks.of(folder / IMAGES.format(name)) for part, name in FILES.items()}
    for part, images in blocks.items():
        if len(labels[part]) != images.shape[0] or images.shape[1:] != blocks["train"].shape[1:]:
            raise Invalid(
                "idx_mismatch",
                f"{images.path.name} has {images.shape[0]} images of {images.shape[1]} × {images.shape[2]} pixels, but"
                f" {LABELS.format(FILES[part])} has {len(labels[part])} labels: they belong to different data sets",
            )
    classes = classes_of(*labels.values())
    train, test = (Split(np.searchsorted(classes, labels[part]).astype(np.int64), blocks[part]) for part in FILES)
    _, height, width = blocks["train"].shape
    return Content((height, width), tuple(map(str, classes)), train, test)


@dataclass(frozen=True)
class Blocks:
    """The images (N, H, W) of one file, read again at each iteration."""

    path: Path
    shape: tuple[int, int, int]

    @classmethod
    def of(cls, path: Path) -> Blocks:
        """Read the shape in a file's header."""
        with _opened(path) as file:
            count, height, width = _read_header(file, path, dimensions=3)
            return cls(path, (count, height, width))

    def __iter__(self) -> Iterator[Images]:
        """Yield blocks (n, H, W) of a few MiB."""
        count, height, width = self.shape
        rows = max(1, BLOCK_BYTES // (height * width))
        with _opened(self.path) as file:
            _read_header(file, self.path, dimensions=3)
            for start in range(0, count, rows):
                n = min(rows, count - start)
                yield np.frombuffer(_read_exactly(file, n * height * width), np.uint8).reshape(n, height, width)


def _read_labels(path: Path) -> Labels:
    with _opened(path) as file:
        (count,) = _read_header(file, path, dimensions=1)
        return np.frombuffer(_read_exactly(file, count), np.uint8).astype(np.int64)


def _read_header(file: IO[bytes], path: Path, dimensions: int) -> tuple[int, ...]:
    magic = _read_exactly(file, 4)
    shape = struct.unpack(f">{dimensions}I", _read_exactly(file, 4 * dimensions)) if magic[3] == dimensions else (0,)
    if magic != bytes([0, 0, BYTES, dimensions]) or 0 in shape:
        raise Invalid("idx_head", f"{path.name} has no IDX header of bytes in {dimensions} dimensions")
    return shape


def _read_exactly(file: IO[bytes], size: int) -> bytes:
    content = file.read(size)
    if len(content) != size:
        raise EOFError("the file ends too early")
    return content


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        with gzip.open(path) as file:
            yield cast("IO[bytes]", file)
    except (OSError, EOFError, zlib.error) as error:
        raise Invalid("idx_damaged", f"{path.name} cannot be read: {cause_of(error)}; download it again") from error
