"""Examination of an archive's files before they are decoded: which are images, of which sizes, and in colour or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shared.archives import ArchiveIndex, Contents
from shared.archives.entries import shown
from shared.datasets.arrays.pickles import is_pickle, pickled
from shared.datasets.folders.decoding_time import DecodingTime
from shared.datasets.folders.problems import ENDINGS, Problems
from shared.datasets.folders.shape_rule import Sizes
from shared.errors import Invalid, Malformed
from shared.images.examination import shape_and_colour
from shared.images.formats import format_of
from shared.runtime.settings import Settings

ARRAYS = (".npz",)
TABLES = (
    ".mat",
    ".h5",
    ".hdf5",
    ".parquet",
    ".arrow",
    ".bin",
    ".pt",
    ".pth",
    ".tfrecord",
    ".tfrecords",
    ".safetensors",
)
"""Endings of files with the images of a whole data set."""


@dataclass(frozen=True)
class Examined:
    """The sizes (n, 2) of the readable images, and the index of the first entry that is in colour, or None."""

    sizes: Sizes
    coloured: int | None


def examine(
    path: Path,
    archive: ArchiveIndex,
    names: Sequence[str],
    limits: Settings,
    problems: Problems,
    time: DecodingTime,
    *,
    sizes: bool,
    colour: bool,
) -> Examined:
    """Examine the files in the archive's order, and add to `problems` those that cannot be read; skips those in it.

    sizes: whether the size of each image is needed, else `Examined.sizes` is empty. colour: whether to search for an
    image in colour; the pixels of images are decoded until one is found. If neither is needed, only files without the
    ending of an image are read. Raises `Invalid` if no file is a readable image, and `TooLarge` after too much `time`.
    """
    found = np.empty((len(archive) if sizes else 0, 2), np.int32)
    count = 0
    coloured = pickle = None
    with Contents(path, archive, limits) as contents:
        for index in range(len(archive)):
            if index in problems:
                continue
            search = colour and coloured is None
            if not (sizes or search) and names[index].lower().endswith(ENDINGS):
                continue
            content = b""
            try:
                content = contents.read(index)
                if sizes or search:
                    shape, in_colour = shape_and_colour(
                        content,
                        limits.max_image_pixels,
                        find_colour=search,
                        seconds=limits.max_image_seconds,
                        spend=time.spend,
                    )
                else:
                    format_of(content)
                    continue
            except Malformed as error:
                problems.add(index, names[index], error)
                pickle = index if is_pickle(content) else pickle
                continue
            if sizes:
                found[count] = shape
                count += 1
            if in_colour:
                coloured = index
    if len(problems) == len(archive) and pickle is not None:
        raise pickled(f"no file of the archive is an image; {shown(names[pickle])} is")
    if len(problems) == len(archive):
        raise Invalid(
            "dataset_images", f"none of the {len(archive)} files is a readable image{_example(names, problems)}"
        )
    return Examined(found[:count], coloured)


def _example(names: Sequence[str], problems: Problems) -> str:
    for found in (problems.unreadable, problems.unsupported, problems.others):
        for index, error in found.items():
            return f", such as {names[index][:100]!r} ({error.detail}){_remedy(names[index])}"
    return ""


def _remedy(name: str) -> str:
    """Return how to send a file that holds many images, as a further sentence; nothing for other files."""
    if name.lower().endswith(ARRAYS):
        return f". Send {shown(name)} itself, not in an archive"
    if name.lower().endswith(TABLES):
        return f". Convert {shown(name)} to an .npz with the arrays x and y"
    return ""
