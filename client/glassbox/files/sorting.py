"""Local images sorted into a folder for each label, by the rows of a batch.

An existing file is never overwritten: a name that is taken gets a number. Labels and the names of an archive's entries
become safe names of files on every system.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from glassbox.errors import LocalFileError
from glassbox.files.classified import DAMAGE, ClassifiedFiles
from glassbox.records.rows import Row

UNSURE = "_unsure"
"""The folder of the images whose confidence is below the threshold; a label of this name is escaped."""

UNSAFE = re.compile(r'[/\\:*?"<>|%]')
RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")
LONGEST = 255 - len("-1000000")  # bytes of a file's name; a number may follow
MISSING = "the file does not exist any more"
NAMED = 20  # files that could not be sorted, by name
HOPELESS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EMFILE})


@dataclass
class SortedImages:
    """The result of sorting. labels: images by label. unsure: images below the confidence. failed: files by reason."""

    folder: Path
    labels: Counter[str] = field(default_factory=Counter)
    unsure: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    failures: int = 0

    @property
    def total(self) -> int:
        """The number of sorted images."""
        return self.labels.total() + self.unsure


def sort_images(
    rows: Iterable[Row],
    files: ClassifiedFiles,
    folder: Path,
    *,
    link: bool = False,
    min_confidence: float | None = None,
) -> SortedImages:
    """Copy the file of each row into `folder`/<label>; return the counts.

    link: make symbolic links in place of copies. min_confidence: images below it are sorted into `_unsure`. A file that
    cannot be read is in `failed`. Raises `LocalFileError` if the folder cannot be written.
    """
    done = SortedImages(folder)
    labels = LabelFolders(folder)
    for row in rows:
        is_unsure = min_confidence is not None and row.confidence < min_confidence
        target = labels.of(None if is_unsure else row.label)
        if reason := _sorted_into(target, row.path, files, link=link):
            done.failures += 1
            if done.failures <= NAMED:
                done.failed.append((row.path, reason))
        elif is_unsure:
            done.unsure += 1
        else:
            done.labels[row.label] += 1
    return done


def prepare_folder(folder: Path) -> None:
    """Make the folder if it does not exist. Raises `LocalFileError` if that fails or it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = "a file has this name" if isinstance(error, FileExistsError) else error.strerror
        raise LocalFileError(f"the folder {folder} cannot be made: {reason}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise LocalFileError(f"the folder {folder} cannot be written: permission denied")


def safe_name(text: str) -> str:
    """Return a text as the name of a file or folder: unsafe characters are percent-encoded, long ones cut.

    Two texts have different names; those that are safe stay as they are.
    """
    name = "".join(_encoded(each) if UNSAFE.match(each) or not each.isprintable() else each for each in text) or "%"
    if name[0] in ". " or RESERVED.fullmatch(name):
        name = _encoded(name[0]) + name[1:]
    if name[-1] in ". ":  # Windows drops them
        name = name[:-1] + _encoded(name[-1])
    if len(name.encode()) <= LONGEST:
        return name
    ending = PurePosixPath(name).suffix if len(PurePosixPath(name).suffix.encode()) <= 10 else ""
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    kept = name.encode()[: LONGEST - len(digest) - 1 - len(ending.encode())].decode(errors="ignore")
    return f"{kept}~{digest}{ending}"


def _encoded(character: str) -> str:
    return "".join(f"%{octet:02X}" for octet in character.encode("utf-8", "surrogatepass"))


@dataclass
class LabelFolder:
    """A label's folder, and the next number of each name that was taken."""

    path: Path
    numbers: dict[str, int] = field(default_factory=dict)


class LabelFolders:
    """The folders of the labels, made when they are first needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str | None, LabelFolder] = {}

    def of(self, label: str | None) -> LabelFolder:
        """Return a label's folder; None: that of the images below the confidence. Raises `LocalFileError`."""
        if label not in self._made:
            self._made[label] = LabelFolder(self._make(_folder_name(label)))
        return self._made[label]

    def _make(self, name: str) -> Path:
        """Make a folder; its name gets a number if it is that of another label, as `A` and `a` are on some systems."""
        path, number = self._folder / name, 1
        try:
            while True:
                path.mkdir(exist_ok=True)
                if not any(path.samefile(other.path) for other in self._made.values()):
                    return path
                number += 1
                path = self._folder / f"{name}%{number}"
        except OSError as error:
            raise LocalFileError(f"the folder {path} cannot be made: {error.strerror}") from error


def _folder_name(label: str | None) -> str:
    if label is None:
        return UNSURE
    name = safe_name(label)
    return "%5F" + name[1:] if name.lower() == UNSURE else name


def _sorted_into(target: LabelFolder, path: str, files: ClassifiedFiles, *, link: bool) -> str | None:
    """Copy or link the file of a row's path; return the reason if it cannot be read."""
    location = files.location(path)
    name = _file_name(path, location)
    if link:
        if location is None:
            return MISSING
        _place(target, name, lambda new: new.symlink_to(location.resolve()))
        return None
    try:
        source = files.opened(path)
    except DAMAGE as error:
        return f"the file cannot be read: {error}"
    if source is None:
        return MISSING
    with source:
        return _copied(source, target, name, location)


def _file_name(path: str, location: Path | None) -> str:
    """Return the name of a file on this machine, or a safe one for the entry of an archive."""
    if location is not None and len(os.fsencode(location.name)) <= LONGEST:
        return location.name
    return safe_name(path.rpartition("/")[2])


def _copied(source: IO[bytes], target: LabelFolder, name: str, original: Path | None) -> str | None:
    descriptors: list[int] = []
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    new = _place(target, name, lambda new: descriptors.append(os.open(new, flags, 0o666)))
    try:
        with os.fdopen(descriptors[0], "wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
        if original is not None:
            shutil.copystat(original, new)
    except BaseException as error:
        new.unlink(missing_ok=True)
        if isinstance(error, DAMAGE):
            _raise_if_hopeless(error, new)
            return f"the file cannot be copied: {error}"
        raise
    return None


def _place(target: LabelFolder, name: str, create: Callable[[Path], object]) -> Path:
    """Create a file with a name that is not taken, and return its path. Raises `LocalFileError`."""
    stem, dot, ending = name.rpartition(".")
    new = target.path / name
    while True:
        try:
            create(new)
        except FileExistsError:
            number = target.numbers[name] = target.numbers.get(name, 1) + 1
            new = target.path / (f"{stem}-{number}.{ending}" if dot else f"{name}-{number}")
        except OSError as error:
            raise LocalFileError(f"{new} cannot be written: {error.strerror}") from error
        else:
            return new


def _raise_if_hopeless(error: BaseException, new: Path) -> None:
    """Raise `LocalFileError` if the next file would fail, too."""
    if isinstance(error, OSError) and error.errno in HOPELESS:
        raise LocalFileError(f"{new} cannot be written: {error.strerror}; the images before it are sorted") from error
