"""An uploaded archive of images in class folders whose images are added to a data set."""

from __future__ import annotations

from pathlib import Path

from shared.archives import validate
from shared.archives.signatures import refused
from shared.datasets.arrays.csv_images import csv_sources
from shared.datasets.arrays.idx_archive import idx_files
from shared.datasets.content import Content
from shared.datasets.folders.folders import read_folders
from shared.datasets.options import OnUnreadable, UploadOptions, archive_limits
from shared.errors import UnsupportedType
from shared.images.shapes import Shape, channels_of
from shared.runtime.settings import Settings

EXPECTED = (
    "send a zip or tar of <class>/… with images; upload arrays to /v1/datasets, and add images of that data set by its"
    " id"
)


def read_additions(path: Path, shape: Shape, limits: Settings, on_unreadable: OnUnreadable | None) -> Content:
    """Validate the archive and return its images in this shape, all of them in `train`; there may be a single class.

    The images are decoded on iteration. The unpacked content of a compressed tar replaces the file. Raises
    `UnsupportedType`, `TooLarge` or `Invalid`.
    """
    options = UploadOptions(
        test_fraction=0.0,
        image_shape=(shape[0], shape[1]),
        channels=channels_of(shape),
        on_unreadable=on_unreadable,
    )
    if csv_sources(path):
        raise UnsupportedType("dataset_expected", f"the upload is a CSV file; {EXPECTED}")
    try:
        archive = validate(path, archive_limits(limits))
    except UnsupportedType as error:
        raise UnsupportedType("dataset_expected", f"{refused(path, 'an archive of images')}; {EXPECTED}") from error
    archive.discard()  # the index is not saved
    if archive.image_shape is not None or idx_files(archive.paths(0, len(archive))):
        raise UnsupportedType("dataset_expected", f"the upload has arrays; {EXPECTED}")
    return read_folders(path, archive, limits, options)
