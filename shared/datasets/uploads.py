"""What users send as a data set, told apart by its bytes: arrays in an `.npz`, or images in an archive of folders."""

from __future__ import annotations

import zipfile
from pathlib import Path

from shared.archives import validate
from shared.datasets.content import Content
from shared.datasets.folders import Shape, read_folders
from shared.datasets.npz import read_npz
from shared.errors import FieldError, Invalid, UnsupportedType
from shared.runtime.settings import Settings

TAKEN = "an .npz with x_train, y_train, x_test and y_test (or x and y), or a zip or tar of <class>/… with images"


def read_upload(
    path: Path, limits: Settings, test_fraction: float, seed: int, image_shape: Shape | None = None
) -> Content:
    """Check the file and describe its content; the images are read from it later, block by block.

    A compressed tar is unpacked in the place of `path`. Raises `UnsupportedType`, `TooLarge` or `Invalid`.
    """
    if _holds_arrays(path):
        if image_shape is not None:
            reason = "is for archives of images; those in an .npz are taken as they are"
            raise Invalid("validation_failed", f"image_shape: {reason}", [FieldError(reason, parameter="image_shape")])
        return read_npz(path, limits, test_fraction, seed)
    try:
        plan = validate(path, limits)
    except UnsupportedType as error:
        raise UnsupportedType(
            "dataset_expected", f"the file is no data set that is taken here; send {TAKEN}"
        ) from error
    if plan.image_shape is not None:
        raise UnsupportedType("dataset_expected", f"an array of images has no labels; send {TAKEN}")
    return read_folders(path, plan, limits, test_fraction, seed, image_shape)


def _holds_arrays(path: Path) -> bool:
    """Whether the file is a zip with an array in it."""
    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(".npy") for name in archive.namelist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        return False  # `validate` tells what is wrong with it
