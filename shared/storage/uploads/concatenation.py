"""The concatenation of partial uploads: the bytes of the first become those of the result, the others are appended.

Parts with a place share one file, which becomes that of the result: nothing is copied. Other parts are consumed one
after another, so that the volume needs the space of one part more, not of all. Each step can be repeated: a request
that was interrupted is completed by the next one with the same parts.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from shared.errors import Conflict, Malformed
from shared.storage import durable
from shared.storage.uploads.folder import UploadFolder
from shared.storage.uploads.lock import UploadLock, removed
from shared.storage.uploads.record import Upload, UploadRecord

MOST_PARTS = 1000
NOT_COPIED_BY_THE_KERNEL = {errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF}


def check_parts(parts: Sequence[Upload]) -> str | None:
    """Return the id of the upload into which some of these parts were moved already; None if none was.

    Raises `Malformed` or `Conflict` if the parts cannot be concatenated.
    """
    ids = [part.record.id for part in parts]
    if not ids or len(ids) > MOST_PARTS or len(set(ids)) < len(ids):
        raise Malformed("malformed_concatenation", f"name 1 to {MOST_PARTS} different partial uploads")
    for part in parts:
        if not part.record.partial:
            raise Conflict("upload_not_partial", f"the upload {part.record.id} was not created as a partial one")
        if not part.is_complete:
            raise Conflict(
                "upload_incomplete",
                f"the part {part.record.id} has {part.offset:,} of {part.expected} bytes; send the rest",
            )
    _check_places(parts)
    return next((part.record.target for part in parts if part.record.target), None)


def _check_places(parts: Sequence[Upload]) -> None:
    """Raise `Conflict` if some parts have a place, but do not follow each other in the same file."""
    first = parts[0].record
    place = 0
    for part in parts:
        record = part.record
        is_placed = record.start is not None
        if is_placed != (first.start is not None) or (is_placed and first.id not in {record.id, record.first}):
            raise Conflict("upload_place", f"the part {record.id} is not in the same file as the part {first.id}")
        if is_placed and record.start != place:
            raise Conflict(
                "upload_place", f"the part {record.id} begins at byte {record.start:,} of the whole; expected {place:,}"
            )
        place += part.offset


def join(folder: UploadFolder, record: UploadRecord, parts: Sequence[UploadFolder]) -> None:
    """Make the file that the parts share that of the upload. Raises `Locked`, or `Conflict` if it has other parts.

    No other part may be created meanwhile: a link that is left could change the upload's bytes later.
    """
    with ExitStack() as locks:
        for each in [*sorted(parts, key=lambda part: part.path), folder]:
            locks.enter_context(UploadLock(each))
        is_moved = not parts[0].data.exists()  # by an earlier request; others may share the file since then
        if not is_moved:
            _check_links(parts)
        elif parts[0].read().target != record.id:
            raise removed()
        _set_target(record, parts)
        with durable.translated_errors():
            if not is_moved:
                os.truncate(parts[0].data, record.length or 0)
                durable.rename(parts[0].data, folder.data)
            for part in parts[1:]:
                part.data.unlink(missing_ok=True)


def _check_links(parts: Sequence[UploadFolder]) -> None:
    """Raise `Conflict` if the file of these parts has a link that is none of them."""
    status = parts[0].data.stat()
    if status.st_nlink > sum(_is_link(part.data, status) for part in parts):
        raise Conflict("upload_place", "another part has its place in the same file: try again")


def _is_link(path: Path, status: os.stat_result) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), status)
    return False


def _set_target(record: UploadRecord, parts: Sequence[UploadFolder]) -> None:
    """Store in the parts' records which upload has their bytes. Raises `Conflict` if another has."""
    for part in parts:
        found = part.read()
        if found.target is None:
            part.write(found.model_copy(update={"target": record.id}))
        elif found.target != record.id:
            raise Conflict("upload_concatenated", f"the part {found.id} is already a part of another upload")


def concatenate(folder: UploadFolder, record: UploadRecord, parts: Sequence[UploadFolder]) -> None:
    """Move the bytes of the parts into the upload. Raises `Locked` if another request does, and `StorageFull`."""
    with ExitStack() as locks:
        held = [locks.enter_context(UploadLock(each)) for each in [*sorted(parts, key=lambda part: part.path), folder]]
        _set_target(record, parts)
        with durable.translated_errors():
            for _ in _moved(folder, parts):
                for lock in held:
                    lock.refresh()


def _moved(folder: UploadFolder, parts: Sequence[UploadFolder]) -> Iterator[None]:
    """Move the bytes; yield after each piece of them."""
    first, *others = parts
    with suppress(FileNotFoundError):  # an earlier request has moved it
        first.data.rename(folder.data)
        durable.fsync_folder(folder.path)
    target = os.open(folder.data, os.O_RDWR)
    try:
        start = first.read().length or 0
        for part in others:
            end = start + (part.read().length or 0)
            size = os.fstat(target).st_size
            if size < end:
                yield from _appended(part, target, size, size - start, end - size)
            part.data.unlink(missing_ok=True)
            start = end
    finally:
        os.close(target)


def _appended(part: UploadFolder, target: int, position: int, offset: int, count: int) -> Iterator[None]:
    """Copy `count` bytes of a part from `offset` to `position` of the target, durably."""
    source = os.open(part.data, os.O_RDONLY)
    try:
        while count:
            copied = _copy(source, target, min(count, durable.PART), offset, position)
            if not copied:
                raise OSError(errno.EIO, f"{part.data} is shorter than its record says")
            offset, position, count = offset + copied, position + copied, count - copied
            os.fdatasync(target)
            yield
    finally:
        os.close(source)


def _copy(source: int, target: int, count: int, offset: int, position: int) -> int:
    """Copy some bytes, in the kernel if the file system can: some of them share the blocks instead of copying."""
    try:
        return os.copy_file_range(source, target, count, offset, position)
    except OSError as error:
        if error.errno not in NOT_COPIED_BY_THE_KERNEL:
            raise
    return os.pwrite(target, os.pread(source, min(count, durable.BLOCK), offset), position)
