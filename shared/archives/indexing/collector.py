"""The entries of an archive as they are read: limits, duplicate names, and the index, which is written to the volume.

Memory does not grow with the number of entries: rows and names go to files, and names are compared by sorted hashes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from itertools import compress
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shared.archives.entries import FOLDER, IMAGE_ENDINGS, LINK, REASONS, normalised, shown
from shared.archives.index import ENTRY, ArchiveIndex, Kind, array_header
from shared.archives.indexing.sorting import ExternalSort
from shared.archives.indexing.stored import ScratchFile, StoredArray
from shared.archives.names.leftovers import HIDDEN, leftover
from shared.archives.skipped import SkipReport, in_words
from shared.errors import Invalid, TooLarge
from shared.runtime.settings import Settings

MOST_FOLDERS = 10_000  # of skipped images, by name

HASHED = np.dtype([("key", "<u8"), ("entry", "<u4")])
BYTES = np.dtype(np.uint8)


class Collector:
    """Collects the entries of an archive run by run, and enforces the limits on their number, total size and names.

    Use it in a `with` block, which removes its temporary files unless the index was built.
    """

    def __init__(self, path: Path, limits: Settings) -> None:
        """path: the archive, beside which temporary files are written."""
        self._limits = limits
        self._report = SkipReport()
        self._exits = ExitStack()
        self._rows = ScratchFile(path.with_name("plan"))
        self._exits.callback(self._rows.discard)
        self._names = ScratchFile(path.with_name("names"))
        self._exits.callback(self._names.discard)
        self._hashes = ExternalSort(HASHED, path.with_name("hashes"))
        self._exits.callback(self._hashes.discard)
        self._rows.append(array_header(ENTRY, 0))
        self._rows_start = self._rows.size
        self._count = self._kept = self._size = self._described = self._named = 0
        self._folders: dict[str, str] = {}
        self._smallest = limits.max_entry_bytes + 1
        self._first = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exits.close()

    def check(self, count: int, size: int) -> None:
        """Check that `count` more entries of `size` unpacked bytes are within the limits; raises `TooLarge`."""
        if self._count + count > self._limits.max_archive_entries:
            raise TooLarge(
                "archive_too_large",
                f"the archive has more than {self._limits.max_archive_entries} entries"
                " (GLASSBOX_MAX_ARCHIVE_ENTRIES; GLASSBOX_MAX_DATASET_FILES for a data set)",
            )
        if self._size + size > self._limits.max_expanded_bytes:
            raise TooLarge(
                "archive_too_large",
                f"the archive unpacks to more than {self._limits.max_expanded_bytes} bytes"
                " (GLASSBOX_MAX_EXPANDED_BYTES; GLASSBOX_MAX_DATASET_BYTES for a data set)",
            )

    def add(
        self,
        run: NDArray[np.void],
        names: Sequence[bytes],
        reasons: NDArray[np.uint8],
        raw_names: Sequence[bytes] | None = None,
    ) -> None:
        """Add a validated run (n,) of ENTRY, with the names in UTF-8 and, if different, as stored in the archive.

        reasons: why each entry is skipped (n,), an index of `REASONS`. Raises `TooLarge`, or `StorageFull`.
        """
        self._count += len(run)
        self._size += int(run["size"].sum())
        self._named += sum(map(len, names))
        for reason in np.flatnonzero(np.bincount(reasons, minlength=1)).tolist():
            if (code := REASONS[reason]) not in {None, FOLDER}:
                places = np.flatnonzero(reasons == reason)
                self._report.add(code, (names[place].decode() for place in places.tolist()), len(places))
                if code in {LINK, HIDDEN}:
                    for place in places.tolist():
                        self._note_folder(code, names[place].decode())
        wanted = reasons == 0
        if not wanted.all():
            chosen = wanted.tolist()
            run, names = run[wanted], list(compress(names, chosen))
            raw_names = None if raw_names is None else list(compress(raw_names, chosen))
        if names:
            self._write(run, names, raw_names or ())
        if self._named > self._limits.max_names_bytes:
            raise TooLarge(
                "archive_too_large",
                f"the archive's names have more than {self._limits.max_names_bytes} bytes in all"
                " (GLASSBOX_MAX_NAMES_BYTES)",
            )

    def _write(self, run: NDArray[np.void], names: Sequence[bytes], raw_names: Sequence[bytes]) -> None:
        if not self._kept:
            self._first = names[0].decode()
        self._smallest = min(self._smallest, int(run["size"].min()))
        lengths = np.fromiter(map(len, names), np.int64, len(names))
        run["name"] = run["raw"] = self._names.size + np.cumsum(lengths) - lengths
        run["name_length"] = run["raw_length"] = lengths
        parts = [*names]
        if raw_names and raw_names != names:
            end = self._names.size + int(lengths.sum())
            for index, raw in enumerate(raw_names):
                if raw != names[index]:
                    run["raw"][index], run["raw_length"][index] = end, len(raw)
                    parts.append(raw)
                    end += len(raw)
                    self._named += len(raw)
        self._names.append(b"".join(parts))
        self._rows.append(run)
        hashes = np.fromiter(map(hash, _places(names)), np.int64, len(names))
        self._hashes.add(key=hashes.view(np.uint64), entry=range(self._kept, self._kept + len(names)))
        self._kept += len(names)

    @property
    def size(self) -> int:
        """The unpacked bytes of the entries collected so far."""
        return self._size

    def skip(self, reason: str, name: str) -> None:
        """Report an entry that is not in the index, as it only describes the archive, or is a link of a folder."""
        self._report.add(reason, [name])
        self._described += 1
        self._note_folder(reason, name)

    def _note_folder(self, code: str, name: str) -> None:
        """Keep the folder of a link, or of a hidden image in a folder that is not hidden: it may be all of a class."""
        folder = name.rpartition("/")[0]
        hidden_image = code == HIDDEN and f"{name.lower()}\n".endswith(IMAGE_ENDINGS) and not leftover(f"{folder}/x")
        if folder and (code == LINK or hidden_image) and len(self._folders) < MOST_FOLDERS:
            self._folders.setdefault(folder, name)

    def build_index(self, kind: Kind) -> ArchiveIndex:
        """Build the index of all collected entries.

        Raises `Invalid` for a duplicate name, or if nothing is left, and `TooLarge` if every file is too large to be
        read. A single one that is too large is an error when it is read.
        """
        entries = StoredArray(self._rows, self._rows_start, self._kept, ENTRY)
        passed_over = self._count - self._kept + self._described
        self._refuse_duplicates(ArchiveIndex(kind, 0, entries, StoredArray(self._names, 0, self._names.size, BYTES)))
        if self._kept == 0:
            raise Invalid("archive_empty", self._nothing_left())
        largest = self._limits.max_entry_bytes
        if self._smallest > largest:
            which = "" if self._kept == 1 else f", and so are all {self._kept} files"
            raise TooLarge(
                "archive_entry_too_large",
                f"{shown(self._first)} is larger than {largest} bytes (GLASSBOX_MAX_ENTRY_BYTES){which}; send smaller"
                " files",
            )
        self._rows.write(array_header(ENTRY, self._kept), 0)
        self._rows.append(array_header(BYTES, self._names.size))
        names = StoredArray(self._rows, self._rows.size, self._names.size, BYTES)
        self._rows.copy_from(self._names)
        self._exits.pop_all()
        self._names.discard()
        self._hashes.discard()
        return ArchiveIndex(kind, passed_over, entries, names, skipped=self._report.as_json(), skipped_in=self._folders)

    def _nothing_left(self) -> str:
        """Return what the archive holds instead of images."""
        if skipped := self._report.as_json():
            links = "; pack the files to which the links lead (tar --dereference)" if LINK in skipped else ""
            return f"the archive holds no images; its files are skipped: {in_words(skipped)}{links}"
        folders = f": its {self._count} entries are folders" if self._count else " and no entry at all"
        return f"the archive holds no files{folders}"

    def _refuse_duplicates(self, index: ArchiveIndex) -> None:
        """Raise `Invalid` for a duplicate name. Reads only the names with equal hashes."""
        for chunk in self._hashes.chunks():
            equal = chunk["key"][1:] == chunk["key"][:-1]
            if not equal.any():
                continue
            seen = set()
            for entry in chunk["entry"][np.append(equal, False) | np.insert(equal, 0, False)].tolist():
                place = normalised(index.paths(entry, entry + 1)[0].encode())
                if place in seen:
                    raise Invalid("archive_duplicate", f"{shown(place.decode())} is in the archive twice; remove one")
                seen.add(place)


def _places(names: Sequence[bytes]) -> Iterable[bytes]:
    """Return the normalised names, for comparison; in nearly every archive they are the names themselves."""
    together = b"\n".join(names)
    if b"./" in together or b"//" in together or together.endswith(b"/.") or b"/.\n" in together:
        return map(normalised, names)
    return names
