"""The paths that the images of a data set had in its upload: `paths.npz` beside the arrays.

They are not part of the content: they change neither its digest nor a training. For each split, the file has the UTF-8
of all paths in the images' order, and where each ends. Readers map it into memory.
"""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress, islice
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from shared.storage import durable
from shared.storage.mapped import map_array

log = logging.getLogger(__name__)

FILE = "paths.npz"
LONGEST = 255
"""The most bytes of a path that are kept: its end."""

CUT = "…"
BLOCK = 4096


@dataclass(frozen=True)
class Repeated:
    """An iterable of paths that begins anew each time; an image whose path is not known has an empty one."""

    start: Callable[[], Iterator[str]]

    def __iter__(self) -> Iterator[str]:
        return self.start()


@dataclass(frozen=True)
class ImagePaths:
    """The paths of a data set's images, by split: the ends (N,) of the texts, and the texts; empty if none is known."""

    splits: Mapping[str, tuple[NDArray[np.int64], NDArray[np.uint8]]] = field(default_factory=dict)

    def at(self, split: str, indices: Sequence[int]) -> list[str | None]:
        """Return the paths of the images at these indices; None for one that is not known."""
        if split not in self.splits:
            return [None] * len(indices)
        ends, text = self.splits[split]
        return [_decoded(text[int(ends[i - 1]) if i else 0 : int(ends[i])]) or None for i in indices]

    def chosen(self, split: str, mask: NDArray[np.bool_]) -> Iterator[str]:
        """Iterate over the paths of the images for which the mask (N,) is true, block by block."""
        for start in range(0, len(mask), BLOCK):
            block = range(start, min(start + BLOCK, len(mask)))
            if (part := mask[start : start + BLOCK]).any():
                yield from (path or "" for path in compress(self.at(split, block), part.tolist()))


def read_paths(folder: Path) -> ImagePaths:
    """Return the paths of the data set in this folder; those of a file that is missing or damaged are not known."""
    try:
        with zipfile.ZipFile(folder / FILE) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
        splits = [name.removeprefix("ends_") for name in names if name.startswith("ends_")]
        arrays = {
            part: (map_array(folder / FILE, f"ends_{part}"), map_array(folder / FILE, f"text_{part}"))
            for part in splits
        }
    except (FileNotFoundError, NotADirectoryError):
        return ImagePaths()
    except (OSError, ValueError, LookupError, zipfile.BadZipFile) as error:
        log.warning("the paths in %s are skipped, because they cannot be read: %s", folder / FILE, error)
        return ImagePaths()
    return ImagePaths(arrays)


def write_paths(folder: Path, splits: Mapping[str, Iterable[str]]) -> bool:
    """Write the paths of each split's images into the folder, if one is known; returns whether the file was written.

    Each iterable is read twice; only the ends are in memory.
    """
    ends = {
        part: np.cumsum(np.fromiter((len(_kept(path)) for path in paths), np.int64)) for part, paths in splits.items()
    }
    known = {part: array for part, array in ends.items() if array.size and array[-1]}
    if not known:
        return False
    with durable.fsynced(folder / FILE) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for part, array in known.items():
            with archive.open(f"ends_{part}.npy", "w", force_zip64=True) as member:
                npy.write_array(member, array, version=(1, 0), allow_pickle=False)
            with archive.open(f"text_{part}.npy", "w", force_zip64=True) as member:
                npy.write_array_header_1_0(member, {"descr": "|u1", "fortran_order": False, "shape": (int(array[-1]),)})
                paths = iter(splits[part])
                while block := list(islice(paths, BLOCK)):
                    member.write(b"".join(map(_kept, block)))
    return True


def _kept(path: str) -> bytes:
    """Return the UTF-8 of a path, or of its end."""
    content = path.encode()
    if len(content) <= LONGEST:
        return content
    return CUT.encode() + content[len(CUT.encode()) - LONGEST :].decode(errors="ignore").encode()


def _decoded(content: NDArray[np.uint8]) -> str:
    return content.tobytes().decode(errors="replace")
