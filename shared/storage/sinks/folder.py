"""A sink in a folder of the server's own disk, below the folders that the operator has named for output.

The folders of a path are opened one by one without following links, so that a link that somebody puts into a named
folder does not lead a write to another place.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from uuid import uuid4

from shared.errors import Forbidden, NotFound, StorageFull, Unavailable
from shared.storage.durable import BLOCK, PART, TEMPORARY
from shared.storage.sinks.sink import Chunks, joined, refused

SETTING = "GLASSBOX_EXPORT_FOLDERS"
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class FolderSink:
    """The folder at `path`, an absolute path below one of the folders `allowed`. It is created if it is missing."""

    def __init__(self, url: str, path: str, allowed: Sequence[Path]) -> None:
        self.url = url
        if not allowed:
            raise Forbidden("sink_not_allowed", f"this server writes to no folder of its own disk: {SETTING} is empty")
        below = [folder for folder in allowed if Path(path).is_relative_to(folder)]
        if not below:
            named = ", ".join(map(str, allowed))
            raise Forbidden(
                "sink_not_allowed", f"{path} is not in a folder to which results may be written: {SETTING} has {named}"
            )
        self._root = below[0]
        self._parts = Path(path).relative_to(self._root).parts

    def names(self, folder: str = "") -> Iterator[str]:
        """Iterate over the names of the files and folders in a folder; those of unfinished files begin with `.tmp-`."""
        with self._errors():
            try:
                with self._opened(PurePosixPath(folder).parts) as opened, os.scandir(opened) as entries:
                    for entry in entries:
                        yield folder + entry.name
            except FileNotFoundError:
                return

    def read(self, name: str, most: int) -> bytes | None:
        """Return the first bytes of a file; None if it does not exist."""
        place = PurePosixPath(name)
        with self._errors():
            try:
                with self._opened(place.parent.parts) as folder:
                    descriptor = os.open(place.name, FILE, dir_fd=folder)
                    with os.fdopen(descriptor, "rb") as file:
                        return file.read(most)
            except FileNotFoundError:
                return None

    def write(self, name: str, chunks: Chunks) -> None:
        """Write a file under a temporary name, make it durable, and rename it."""
        place = PurePosixPath(name)
        temporary = f"{TEMPORARY}{uuid4().hex}"
        with self._errors(), self._opened(place.parent.parts, create=True) as folder:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=folder)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    unsynced = 0
                    for chunk in joined(chunks(), BLOCK):
                        file.write(chunk)
                        unsynced += len(chunk)
                        if unsynced >= PART:
                            file.flush()
                            os.fdatasync(file.fileno())
                            unsynced = 0
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, place.name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=folder)
                raise
            os.fsync(folder)

    def delete(self, name: str) -> None:
        """Delete a file; one that does not exist is not an error."""
        place = PurePosixPath(name)
        with self._errors(), suppress(FileNotFoundError), self._opened(place.parent.parts) as folder:
            os.unlink(place.name, dir_fd=folder)
            os.fsync(folder)

    @contextmanager
    def _opened(self, parts: Sequence[str], *, create: bool = False) -> Iterator[int]:
        """Open a folder of the sink from the operator's folder on, part by part; yield its descriptor."""
        try:
            opened = os.open(self._root.resolve(), FOLDER)
        except FileNotFoundError as error:
            detail = f"{self._root}, which {SETTING} names, does not exist here: make it, or mount it for the API and"
            raise NotFound("sink_not_found", f"{detail} for the classifiers") from error
        try:
            for part in (*self._parts, *parts):
                if create:
                    with suppress(FileExistsError):
                        os.mkdir(part, dir_fd=opened)
                        os.fsync(opened)
                inner = os.open(part, FOLDER, dir_fd=opened)
                os.close(opened)
                opened = inner
            yield opened
        finally:
            os.close(opened)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Translate the errors of the system."""
        try:
            yield
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                detail = f"{self.url} cannot be written: there is no space left; free some, then try again"
                raise StorageFull("sink_full", detail) from error
            if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
                reason = f"{self.url} cannot be written: {error.strerror}; let the service's user, uid {os.getuid()},"
                raise refused(f"{reason} write below {self._root}") from error
            if error.errno in {errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EISDIR}:
                reason = f"{self.url} cannot be written: a part of it is a file or a symbolic link, or too long"
                raise refused(reason) from error
            detail = f"{self.url} cannot be used: {error.strerror or error}"
            raise Unavailable("sink_unavailable", detail) from error
