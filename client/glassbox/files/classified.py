"""The image files of a classified folder or archive, found by the paths in the rows.

The server writes paths in the Unicode form NFC with `/`, and chooses the encoding of an archive's names if it is not
stated. So a file matches a row if one of the possible spellings of its name does.
"""

from __future__ import annotations

import os
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, Protocol

from glassbox.errors import LocalFileError, WrongArgument

ARRAYS = (".npy", ".npz")
CODE_PAGES = (
    *("cp437", "cp850", "cp1252", "cp932", "gbk", "cp950", "cp949", "cp866", "cp1251", "cp852", "euc_jp", "koi8_u"),
    "latin-1",
)
UTF_8_NAME = 0x800  # of a zip entry's flags
DAMAGE = (OSError, EOFError, zipfile.BadZipFile, zlib.error, tarfile.TarError, RuntimeError, NotImplementedError)
"""What the standard library raises for an archive that changed or is damaged."""


class ClassifiedFiles(Protocol):
    """The image files of a batch. Paths must be in the archive's order."""

    def opened(self, path: str) -> IO[bytes] | None:
        """Open the file of a row's path; None if it does not exist any more."""

    def location(self, path: str) -> Path | None:
        """Return the path of the file on this machine; None if it is in an archive or does not exist any more."""

    def close(self) -> None:
        """Close the archive."""


@contextmanager
def classified_files(images: Path, *, link: bool = False) -> Iterator[ClassifiedFiles]:
    """Open the folder or archive that was classified. Raises `WrongArgument` or `LocalFileError`.

    link: whether links to the files are needed.
    """
    files = _found(images)
    if link and not isinstance(files, FolderFiles):
        files.close()
        raise WrongArgument(f"{images} is an archive: links are made only to the images of a folder")
    try:
        yield files
    finally:
        files.close()


def _found(images: Path) -> ClassifiedFiles:
    if images.is_dir():
        return FolderFiles(images)
    if images.name.lower().endswith(ARRAYS):
        raise WrongArgument(f"{images} is an array of images: only the files of a folder or archive can be sorted")
    try:
        return ZipFiles(images) if zipfile.is_zipfile(images) else TarFiles(images)
    except OSError as error:
        raise LocalFileError(f"{images} cannot be read: {error.strerror or error}") from error
    except DAMAGE as error:
        raise LocalFileError(
            f"{images} cannot be extracted here: extract it by another program, and classify the folder ({error})"
        ) from error


class FolderFiles:
    """The files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def opened(self, path: str) -> IO[bytes] | None:
        """Open the file of a row's path."""
        found = self.location(path)
        return None if found is None else found.open("rb")

    def location(self, path: str) -> Path | None:
        """Return the file of a row's path."""
        if path.startswith("/") or ".." in path.split("/"):
            return None
        found = self._folder / path
        return found if found.is_file() else self._respelled.get(path)

    def close(self) -> None:
        """Do nothing: no file stays open."""

    @cached_property
    def _respelled(self) -> dict[str, Path]:
        """The files whose names the server spells differently."""
        found = {}
        for parent, _, names in os.walk(self._folder, followlinks=True):
            for name in names:
                location = Path(parent, name)
                path = location.relative_to(self._folder).as_posix()
                if _as_row(path) != path:
                    found[_as_row(path)] = location
        return found


class ZipFiles:
    """The files of a zip."""

    def __init__(self, archive: Path) -> None:
        self._archive = zipfile.ZipFile(archive)
        self._entries: dict[str, zipfile.ZipInfo] = {}
        for entry in self._archive.infolist():
            if not entry.is_dir():
                for name in self._names(entry):
                    self._entries.setdefault(name, entry)

    @staticmethod
    def _names(entry: zipfile.ZipInfo) -> Iterator[str]:
        yield _as_row(entry.filename)
        name = entry.orig_filename
        if not (name.isascii() or entry.flag_bits & UTF_8_NAME):
            yield from _spellings(name.encode("cp437", "replace"))

    def opened(self, path: str) -> IO[bytes] | None:
        """Open the entry of a row's path."""
        entry = self._entries.get(path)
        return None if entry is None else self._archive.open(entry)

    def location(self, path: str) -> Path | None:  # noqa: ARG002 - as in `ClassifiedFiles`
        """Return None."""
        return None

    def close(self) -> None:
        """Close the archive."""
        self._archive.close()


class TarFiles:
    """The files of a tar, compressed or not: read once, in the order of its entries."""

    def __init__(self, archive: Path) -> None:
        self._path = archive
        self._archive = tarfile.open(archive)  # noqa: SIM115 - `close` closes it

    def opened(self, path: str) -> IO[bytes] | None:
        """Open the entry of a row's path, which is after those of the paths before."""
        while (member := self._archive.next()) is not None:
            vars(self._archive)["members"].clear()  # a tar of a million entries does not fit into memory
            if path not in _tar_names(member):
                continue
            if not member.islnk():
                return self._archive.extractfile(member)
            return self._linked.extractfile(self._linked.getmember(member.name))
        return None

    def location(self, path: str) -> Path | None:  # noqa: ARG002 - as in `ClassifiedFiles`
        """Return None."""
        return None

    def close(self) -> None:
        """Close the archive."""
        self._archive.close()
        if "_linked" in self.__dict__:
            self._linked.close()

    @cached_property
    def _linked(self) -> tarfile.TarFile:
        """The archive once more, for hard links, whose content is at another entry."""
        return tarfile.open(self._path)


def _tar_names(member: tarfile.TarInfo) -> set[str]:
    if member.name.isascii():
        return {_as_row(member.name)}
    raw = member.name.encode("utf-8", "surrogateescape")
    return {_as_row(member.name), *_spellings(raw)}


def _as_row(name: str) -> str:
    return name if name.isascii() and "\\" not in name else unicodedata.normalize("NFC", name.replace("\\", "/"))


def _spellings(name: bytes) -> Iterator[str]:
    """Yield the name in each encoding that can decode it."""
    for encoding in ("utf-8", *CODE_PAGES):
        try:
            yield _as_row(name.decode(encoding))
        except UnicodeDecodeError:
            continue
