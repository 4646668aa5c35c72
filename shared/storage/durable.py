"""Files that are whole or not there: written beside their place, fsynced, then renamed or linked into it."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from shared.errors import StorageFull

TEMPORARY = ".tmp-"  # what is written but not yet in its place starts so; readers and listings pass it over
BLOCK = 1024 * 1024


def temporary_beside(path: Path) -> Path:
    """A fresh name in the folder of `path`, so that a rename into place stays within one file system."""
    return path.with_name(f"{TEMPORARY}{uuid4().hex}-{path.name}")


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn "no space left" from the operating system into `StorageFull`."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StorageFull("storage_full", "the volume has no space left; free some and try again") from error
        raise


def fsync_folder(folder: Path) -> None:
    """Make the folder's own entries durable: a rename is not on the disk before this."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@translated_errors()
def make_folder(folder: Path) -> None:
    """Create the folder and its missing parents, each of them durable."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        new.mkdir(exist_ok=True)
        fsync_folder(new.parent)


@contextmanager
def fsynced(path: Path) -> Iterator[IO[bytes]]:
    """A new file at `path` that is on the disk when the block ends, and gone when the block raises."""
    with translated_errors():
        try:
            with path.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of `path`, whole and durable, when the block ends without an error."""
    make_folder(path.parent)
    temporary = temporary_beside(path)
    with fsynced(temporary) as file:
        yield file
    try:
        rename(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Put `content` at `path`, atomically and durably."""
    with replacing(path) as file:
        file.write(content)


def write_json(path: Path, content: Any) -> None:
    """Put `content` at `path` as JSON, atomically and durably."""
    write_bytes(path, encode_json(content))


def encode_json(content: Any) -> bytes:
    """`content` as people can read it in a file: indented, UTF-8, no NaN."""
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"


@translated_errors()
def rename(source: Path, target: Path) -> None:
    """Rename a file into its place, durably."""
    source.rename(target)
    fsync_folder(target.parent)


@translated_errors()
def link_exclusively(source: Path, target: Path) -> bool:
    """Give `source` the second name `target`, durably; False where `target` is taken already.

    On NFS the answer to a `link` may get lost and its retry fail although the first one succeeded; the count of links
    tells (open(2), the note on O_EXCL).
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
    """Put `content` at `path` where nothing is there yet; False, and nothing changed, where something is."""
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
    """Put a new file into a folder of many; False, and nothing changed, where `path` is taken already.

    The folder must be there, so that who comes late does not bring back one that was removed. The content is durable at
    once, its name when somebody has called `fsync_folder` after the last of them.
    """
    temporary = temporary_beside(path)
    with fsynced(temporary) as file:
        file.writelines(parts)
    try:
        return _link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def publish_folder(temporary: Path, path: Path) -> bool:
    """Rename a finished folder into its place; False, and `temporary` removed, where one is there already."""
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
    """Remove the folder with all in it; first out of sight, so that no reader meets a half-removed one."""
    doomed = temporary_beside(folder)
    with suppress(FileNotFoundError):
        folder.rename(doomed)
        shutil.rmtree(doomed)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
