"""Durable and atomic writes: files are written under a temporary name, fsynced, then renamed or linked into place."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from uuid import uuid4

from shared.errors import StorageFull

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

TEMPORARY = ".tmp-"  # the prefix of unfinished files and folders; readers and listings skip them
BLOCK = 1024 * 1024
PART = 32 * BLOCK  # of a large file, which is made durable before the next part is written


def temporary_beside(path: Path) -> Path:
    """Return a new temporary name in the folder of `path`, so that a rename into place stays within one file system."""
    return path.with_name(f"{TEMPORARY}{uuid4().hex}-{path.name}")


@contextmanager
def translated_errors() -> Iterator[None]:
    """Translate the errors of a full disk or quota to `StorageFull`."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StorageFull("storage_full", "the volume has no space left; free some and try again") from error
        raise


def fsync_folder(folder: Path) -> None:
    """Make the folder's entries durable: before this, a rename may not be on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@translated_errors()
def make_folder(folder: Path) -> None:
    """Create the folder and its missing parents durably."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        new.mkdir(exist_ok=True)
        fsync_folder(new.parent)


class CheckedWriter(io.BufferedWriter):
    """A file that is written to the disk part by part; `check` is called after each part.

    A large file on a slow disk takes minutes, and one fsync at its end would take most of them.
    """

    def __init__(self, path: Path, check: Callable[[], None]) -> None:
        super().__init__(io.FileIO(path, "xb"))
        self._check = check
        self._unsynced = 0

    def write(self, content: ReadableBuffer, /) -> int:
        """Write the content; returns its length in bytes."""
        view = memoryview(content).cast("B")
        for start in range(0, len(view), PART):
            self._unsynced += super().write(view[start : start + PART])
            if self._unsynced >= PART:
                self.flush()
                os.fdatasync(self.fileno())
                self._unsynced = 0
                self._check()
        return len(view)


@contextmanager
def fsynced(path: Path, check: Callable[[], None] | None = None) -> Iterator[IO[bytes]]:
    """Open a new file at `path`; it is on the disk when the block ends, and removed if the block raises.

    check: called after each part of a large file.
    """
    with translated_errors():
        try:
            with path.open("xb") if check is None else CheckedWriter(path, check) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise


@contextmanager
def replacing(path: Path, check: Callable[[], None] | None = None) -> Iterator[IO[bytes]]:
    """Open a file that replaces `path` atomically and durably when the block ends without an error.

    check: called after each part of a large file.
    """
    make_folder(path.parent)
    temporary = temporary_beside(path)
    with fsynced(temporary, check) as file:
        yield file
    try:
        rename(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, atomically and durably."""
    with replacing(path) as file:
        file.write(content)


def write_json(path: Path, content: Any) -> None:
    """Write `content` to `path` as JSON, atomically and durably."""
    write_bytes(path, encode_json(content))


def encode_json(content: Any) -> bytes:
    """Encode `content` as indented JSON in UTF-8; raises ValueError for NaN and infinity."""
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"


@translated_errors()
def rename(source: Path, target: Path) -> None:
    """Rename a file or folder into place, durably."""
    source.rename(target)
    fsync_folder(target.parent)


@translated_errors()
def link_exclusively(source: Path, target: Path) -> bool:
    """Link `target` to the file `source`, durably; returns False if `target` exists already.

    On NFS, the reply to a `link` may get lost, and its retry fails although the first one succeeded. The count of links
    shows whether it did (open(2), the note on O_EXCL).
    """
    linked = _link(source, target)
    if linked:
        fsync_folder(target.parent)
    return linked


def _link(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
    except FileExistsError:
        return source.stat().st_nlink > 1 and source.samefile(target)
    return True


def write_exclusively(path: Path, content: bytes) -> bool:
    """Write `content` to a new file `path`, durably; returns False and changes nothing if `path` exists."""
    make_folder(path.parent)
    temporary = temporary_beside(path)
    with fsynced(temporary) as file:
        file.write(content)
    try:
        return link_exclusively(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@translated_errors()
def add(path: Path, parts: Iterable[bytes]) -> bool:
    """Write one of many new files in a folder; returns False and changes nothing if `path` exists.

    The folder must exist, so that a late writer does not recreate a deleted one. The content is durable at once, the
    name only after a call of `fsync_folder`, which callers make once for all files.
    """
    temporary = temporary_beside(path)
    with fsynced(temporary) as file:
        file.writelines(parts)
    try:
        return _link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def publish_folder(temporary: Path, path: Path) -> bool:
    """Rename a finished folder into place; removes `temporary` and returns False if `path` exists already."""
    fsync_folder(temporary)
    try:
        rename(temporary, path)
    except (OSError, StorageFull) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
            return False
        raise
    return True


def remove_tree(folder: Path) -> None:
    """Remove a folder and its content. It is renamed first, so that no reader sees a half-removed folder."""
    with suppress(FileNotFoundError):
        shutil.rmtree(unlist(folder))


def unlist(folder: Path) -> Path:
    """Rename a folder to a temporary name, durably, before its removal; return that. Raises `FileNotFoundError`."""
    unlisted = folder.with_name(f"{TEMPORARY}{uuid4().hex}-removed")  # of a length that repeated calls do not change
    rename(folder, unlisted)
    return unlisted


def sha256_of(path: Path, check: Callable[[], None] = lambda: None) -> str:
    """Return the SHA-256 of a file in hexadecimal. `check` is called after each part of the file."""
    digest = hashlib.sha256()
    buffer = bytearray(BLOCK)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(memoryview(buffer)[:count])
            check()
    return digest.hexdigest()
