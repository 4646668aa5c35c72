"""The fuzz target for data sets: an `.npz` is read, or refused with Glassbox's error before much of it is loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import atheris
import numpy as np

with atheris.instrument_imports(include=["shared"]):
    from shared.datasets.arrays.npz import read_npz

from shared.errors import Invalid, TooLarge, UnsupportedType
from shared.runtime.settings import MiB, Settings
from tests.fuzz.harness import check_message, folder_in_memory, run
from tests.support.data.npz import easy_arrays, easy_images, npy_header, npz, npz_of_members

LIMITS = Settings(max_dataset_bytes=4 * MiB, max_image_pixels=10_000)


def attack(path: Path, data: bytes) -> None:
    """Read the bytes as a data set."""
    path.write_bytes(data)
    try:
        content = read_npz(path, LIMITS, test_fraction=0.1, seed=0)
        for split in content.splits.values():
            images = [block for block in split.blocks if len(block)]
            assert sum(len(block) for block in images) == len(split.labels)
            assert {block.shape[1:] for block in images} == {content.image_shape}
            assert {block.dtype for block in images} == {np.dtype(np.uint8)}
            assert 0 <= split.labels.min() <= split.labels.max() < len(content.classes)
    except (UnsupportedType, TooLarge, Invalid) as error:
        check_message(error)


def seeds() -> Iterator[bytes]:
    """Yield valid data sets, and some with a false header."""
    small = easy_arrays(train=6, test=6, side=4)
    images, labels = easy_images(6, side=4)
    yield from (npz(small), npz(small, compressed=True), npz({"x": images, "y": labels}))
    yield npz(small | {"x_val": images, "y_val": labels})
    colours = np.stack([images, images // 2, 255 - images], axis=-1)
    yield from (npz({"x": colours, "y": labels}), npz({"x": images[..., np.newaxis], "y": labels}))
    for convert in (lambda array: array / 255, np.asfortranarray, lambda array: array.astype(">i4")):
        yield npz({"x": convert(images), "y": labels})
    for convert in (
        lambda array: np.eye(3)[array],
        lambda array: array.astype("U3"),
        lambda array: array[:, np.newaxis],
    ):
        yield npz({"train_images": images, "train_labels": convert(labels)})
    for text in ("", "{}", "{'descr': '|O', 'fortran_order': False, 'shape': (2, 3, 3), }"):
        yield npz_of_members({"x_test": npy_header(text)})


def main() -> None:
    """Fuzz for the number of seconds in the first argument."""
    with folder_in_memory() as folder:
        run("datasets", lambda data: attack(folder / "upload", data), seeds(), int(sys.argv[1]))


if __name__ == "__main__":
    main()
