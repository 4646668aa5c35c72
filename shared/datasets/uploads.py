"""Uploaded data sets: arrays in an `.npz`, images in class folders, IDX files or CSV, detected by the bytes."""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import islice
from pathlib import Path

from shared.archives import ArchiveIndex, validate
from shared.archives.arrays import arrays_in
from shared.archives.entries import shown
from shared.archives.index import Source
from shared.archives.signatures import refused
from shared.archives.tar import BLOCK, is_tar
from shared.archives.zip import raw_names
from shared.archives.zip_directory import blocks, find_directory
from shared.datasets.arrays.array_names import find_arrays
from shared.datasets.arrays.csv_images import csv_sources, read_csv
from shared.datasets.arrays.idx_archive import idx_files, read_idx_archive
from shared.datasets.arrays.npz import enclosing, read_npz
from shared.datasets.arrays.pickles import is_cifar, is_pickle, pickled
from shared.datasets.content import Content
from shared.datasets.folders.folders import read_folders
from shared.datasets.folders.problems import ENDINGS
from shared.datasets.options import UploadOptions, archive_limits
from shared.errors import FieldError, Invalid, UnsupportedType
from shared.images.shapes import channels_of
from shared.runtime.settings import Settings

ACCEPTED = (
    "an .npz with x_train, y_train, x_test and y_test (or x and y), or a zip or tar of <class>/… with images, or"
    " of IDX files, or a CSV file of labels and pixels"
)


MANY_ARRAYS = 1000  # more are not those of a data set with image files beside them
IMAGE_ENDINGS = tuple(ending.encode() for ending in ENDINGS)
NO_ARCHIVE_OF_IMAGES = "applies to archives of images; in arrays, IDX files and CSV files every image must be readable"


def read_upload(path: Path, limits: Settings, options: UploadOptions, source: Source | None = None) -> Content:
    """Validate the file and return its content; the images are read from it on iteration, block by block.

    The unpacked content of a compressed tar replaces the file. source: the file or folder to which `path` is a link, or
    a prefix of a store. Raises `UnsupportedType`, `TooLarge` or `Invalid`.
    """
    if source is not None and source.is_folder:
        return _read_archive(path, validate(path, archive_limits(limits), source), limits, options)
    if _holds_arrays(path):
        _refuse_on_unreadable(options)
        content = read_npz(path, limits, options.test_fraction, options.seed, options.image_shape)
        if options.channels not in {None, channels_of(content.image_shape)}:
            reason = (
                f"applies to archives of images; the arrays of this .npz have the image shape {content.image_shape},"
                " which they keep"
            )
            raise Invalid("validation_failed", f"channels: {reason}", [FieldError(reason, parameter="channels")])
        return content
    with path.open("rb") as file:
        if is_pickle(file.read(2)):
            raise pickled("the file is")
    if tables := csv_sources(path):
        _refuse_on_unreadable(options)
        return read_csv(tables, limits, options)
    try:
        archive = validate(path, archive_limits(limits), source)
    except UnsupportedType as error:
        detail = f"{refused(path, 'a supported data set')}; send {ACCEPTED}"
        raise UnsupportedType("dataset_expected", detail) from error
    except Invalid as error:
        if error.code != "archive_empty" or ".csv" not in error.detail:
            raise
        detail = "of CSV files, those with the pixels of an image in each row are read, alone or in a zip"
        raise Invalid(error.code, f"{error.detail}; {detail}") from error
    return _read_archive(path, archive, limits, options)


def _read_archive(path: Path, archive: ArchiveIndex, limits: Settings, options: UploadOptions) -> Content:
    archive.discard()  # the index is not saved: its file stays readable, but is not left after an error
    if archive.image_shape is not None:
        raise UnsupportedType("dataset_expected", f"an array of images has no labels; send {ACCEPTED}")
    names = archive.paths(0, len(archive))
    if is_cifar(names):
        raise pickled(f"the archive is CIFAR for Python; its file {shown(names[0])} is")
    if files := idx_files(names):
        _refuse_on_unreadable(options)
        return read_idx_archive(path, archive, names, files, limits, options)
    return read_folders(path, archive, limits, options)


def _refuse_on_unreadable(options: UploadOptions) -> None:
    """Raise `Invalid` if the upload says what to do about unreadable images."""
    if options.on_unreadable is not None:
        fields = [FieldError(NO_ARCHIVE_OF_IMAGES, parameter="on_unreadable")]
        raise Invalid("validation_failed", f"on_unreadable: {NO_ARCHIVE_OF_IMAGES}", fields)


def _holds_arrays(path: Path) -> bool:
    """Return whether the file is a zip of arrays; with images, the arrays must be a data set by their names."""
    with path.open("rb") as file, suppress(Invalid):  # `validate` raises the error
        if is_tar(file.read(BLOCK)):  # its last file may be a zip
            return False
        directory = find_directory(file.fileno(), file.seek(0, os.SEEK_END))
        if directory is None:
            return False
        arrays = list(islice(arrays_in(file.fileno(), directory), MANY_ARRAYS))
        if not arrays or len(arrays) == MANY_ARRAYS:
            return bool(arrays)
        images = (name for block in blocks(file.fileno(), directory) for name in raw_names(block))
        if any(name.lower().endswith(IMAGE_ENDINGS) for name in images):
            outer = enclosing(f"{name}.npy" for name in arrays)
            find_arrays(name.removeprefix(outer) for name in arrays)  # raises `Invalid`
        return True
    return False
