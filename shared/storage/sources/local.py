"""Files and folders of the server's own disk, by `file:` URLs, below the folders that the operator has named.

A file is read in place. Its inode, size and modification time are pinned, and a file that differs is not read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote_to_bytes, urlsplit

from shared.errors import Conflict, Forbidden, Invalid, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTING = "GLASSBOX_IMPORT_FOLDERS"
WITHOUT_WAITING = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe would wait for its writer


@dataclass(frozen=True)
class PinnedFile:
    """A file as it was when it was named: its resolved path, and what changes if its content changes.

    modified: the time of the last change in nanoseconds. A folder has its inode only; its files are pinned one by one.
    """

    path: str
    inode: int
    size: int = 0
    modified: int = 0
    is_folder: bool = False

    @classmethod
    def of(cls, path: str, status: os.stat_result) -> Self:
        """Return the pinned file for a resolved path and its status."""
        if stat.S_ISDIR(status.st_mode):
            return cls(path, status.st_ino, is_folder=True)
        return cls(path, status.st_ino, status.st_size, status.st_mtime_ns)

    def opened(self) -> int:
        """Open the file and return its descriptor. Raises `NotFound`, or `Conflict` if it has changed."""
        with missing_as_error(self.path):
            descriptor = os.open(self.path, WITHOUT_WAITING)
        try:
            self.check(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def check(self, descriptor: int | None = None) -> None:
        """Raise `Conflict` if the file, or that of an open descriptor, is not the one that was pinned."""
        with missing_as_error(self.path):
            status = Path(self.path).stat() if descriptor is None else os.fstat(descriptor)
        if PinnedFile.of(self.path, status) != self:
            raise changed(self.path)

    def as_json(self) -> dict[str, Any]:
        """Return the fields as JSON."""
        return asdict(self)


def changed(path: str) -> Conflict:
    """Return the error for a file that is not the one that was pinned."""
    return Conflict(
        "source_changed",
        f"{path} has changed since the request named it, and nothing of it was used after that: submit it again when it"
        " no longer changes",
    )


@contextmanager
def missing_as_error(path: str) -> Iterator[None]:
    """Translate the error of a file that does not exist, or that no longer is a plain file or folder."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(
            "source_not_found",
            f"{path} does not exist any more, or is not mounted where it is read: bring it back, or mount its folder"
            " for the API and for the classifiers",
        ) from error
    except PermissionError as error:
        raise NotFound("source_unreadable", f"{path} cannot be read: let the service's user read it") from error


def local_source(url: str, folders: Sequence[Path]) -> PinnedFile:
    """Return the file or folder of a `file:` URL, which must be below one of the folders.

    Symbolic links are resolved first, and must lead to a file below these folders. Raises `Invalid` for a URL that is
    not valid, `Forbidden` for any other place, whether it exists or not, and `NotFound`.
    """
    named = _path_of(url)
    if not folders:
        raise Forbidden("source_not_allowed", f"this server reads no files of its own disk: {SETTING} names no folder")
    path = os.path.realpath(named)
    if not any(Path(path).is_relative_to(os.path.realpath(folder)) for folder in folders):
        allowed = ", ".join(map(str, folders))
        raise Forbidden(
            "source_not_allowed", f"{named} is not in a folder whose files may be named: {SETTING} has {allowed}"
        )
    try:
        descriptor = _opened_without_links(path)
    except PermissionError as error:
        raise NotFound("source_unreadable", f"{named} cannot be read: let the service's user read it") from error
    except OSError as error:
        raise NotFound("source_not_found", f"there is no file or folder {named}") from error
    try:
        status = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise Invalid("source_not_a_file", f"{named} is neither a file nor a folder")
    return PinnedFile.of(path, status)


def _opened_without_links(path: str) -> int:
    """Open a resolved path part by part; a link that has taken a part's place since then is an error."""
    opened = os.open("/", WITHOUT_WAITING | os.O_DIRECTORY)
    for part in Path(path).parts[1:]:
        try:
            inner = os.open(part, WITHOUT_WAITING | os.O_NOFOLLOW, dir_fd=opened)
        finally:
            os.close(opened)
        opened = inner
    return opened


def _path_of(url: str) -> str:
    """Return the absolute path in the URL of a source. Raises `Invalid`."""
    try:
        return path_in(url)
    except ValueError as error:
        raise Invalid("source_invalid", f"the URL of the source {error}") from error


def path_in(url: str) -> str:
    """Return the absolute path in a `file:` URL (RFC 8089). Raises ValueError with the rest of a sentence."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ValueError(f"is not a URL: {error}") from error
    if parts.netloc not in {"", "localhost"}:
        raise ValueError("must have no host: file:///folder/file")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise ValueError("must have no query and no fragment: write ? as %3F and # as %23")
    raw = unquote_to_bytes(parts.path)
    if b"\0" in raw:
        raise ValueError("must have a path without NUL")
    if not raw.startswith(b"/"):
        raise ValueError("must have an absolute path: file:///folder/file")
    if b".." in raw.split(b"/"):
        raise ValueError("must have a path without ..")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise ValueError("must have a path in UTF-8") from error
