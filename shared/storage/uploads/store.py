"""The resumable uploads on the volume: creation within the limits, look-up, use, expiry.

Everything that an upload needs is on the volume, so that it outlives a loss of Redis and every process.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import repeat
from pathlib import Path

from shared.errors import Conflict, Gone, TooLarge
from shared.runtime import clock
from shared.runtime.settings import MiB, Settings
from shared.storage import durable
from shared.storage.uploads import space
from shared.storage.uploads.concatenation import check_parts, concatenate, join
from shared.storage.uploads.contents import write_count
from shared.storage.uploads.folder import UploadFolder, folder_names
from shared.storage.uploads.lock import UploadLock, no_write, removed
from shared.storage.uploads.record import Upload, UploadRecord
from shared.storage.uploads.same_bytes import store_once
from shared.storage.uploads.writer import UploadWriter, opened_writer
from shared.storage.volume import Volume

ID = re.compile(r"[0-9a-z]{26}")
ROUNDING = MiB  # bytes by which the blocks of a file may exceed its content
OWNER_LOCK = ".lock"
OWNER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@-]{0,63}")


class UploadStore:
    """The uploads of one volume. owner: the name of the key that makes an upload, and alone may use it."""

    def __init__(self, volume: Volume, limits: Settings) -> None:
        self._volume = volume
        self._limits = limits

    @property
    def most_bytes(self) -> int:
        """The most bytes of one upload."""
        most = self._limits.max_upload_bytes or space.total(self._volume.root)
        return min(most, self.quota)

    @property
    def quota(self) -> int:
        """The most bytes of all uploads of one owner that are incomplete or not used yet."""
        return self._limits.upload_quota or space.total(self._volume.root) // 2

    def create(self, owner: str, record: UploadRecord) -> Upload:
        """Create an upload, and reserve its space. If it exists, because its request is repeated, it becomes empty.

        Raises `TooLarge` if a limit or the owner's quota is exceeded, and `StorageFull`.
        """
        with self._creating(owner):
            return self._create(owner, record)

    def _create(self, owner: str, record: UploadRecord) -> Upload:
        folder = UploadFolder(self._volume, owner, record.id)
        if folder.path.exists():
            self._empty(folder)
            return self.find(owner, record.id)
        needed = record.length or 0
        self.check_length((record.start or 0) + needed)
        if record.first is not None:
            self._check_first(owner, record.first)
        self._check_count(owner)
        self.check_quota(owner, needed)
        space.check(self._volume.root, needed)
        self._write_new(folder, record, needed)
        return self.find(owner, record.id)

    def _empty(self, folder: UploadFolder) -> None:
        """Remove the bytes of an upload; other uploads and batches that share them keep them."""
        with suppress(FileNotFoundError):  # a concatenation has them
            if folder.count.exists() or folder.data.stat().st_nlink == 1:
                with opened_writer(folder) as writer:
                    writer.truncate(0)
                return
            with UploadLock(folder):
                empty = durable.temporary_beside(folder.data)
                empty.touch(exist_ok=False)
                _reserve(empty, folder.read().length or 0)
                durable.rename(empty, folder.data)

    def concatenate(self, owner: str, record: UploadRecord) -> Upload:
        """Make an upload from complete partial ones, `record.parts`, whose bytes move into it.

        If the request is repeated, or was interrupted, the upload that it made is completed and returned. Raises
        `NotFound`, `Gone`, `Conflict`, `Malformed`, `Locked`, `TooLarge` or `StorageFull`.
        """
        parts = [self.find(owner, part) for part in record.parts]
        with self._creating(owner):
            target = check_parts(parts)
            placed = parts[0].record.start is not None
            if target is None:
                length = sum(part.offset for part in parts)
                self.check_length(length)
                record = record.model_copy(update={"length": length})
                self._write_new(UploadFolder(self._volume, owner, record.id), record, 0)
            else:
                record = self.find(owner, target).record
                if list(record.parts) != [part.record.id for part in parts]:
                    raise Conflict("upload_concatenated", f"a part is already a part of the upload {target}")
            if placed:  # while nobody can create another part that shares the file
                with self._undone_if_refused(owner, record):
                    self._join(owner, record)
        if not placed:
            with self._undone_if_refused(owner, record):
                self._copy_parts(owner, record, parts, begun=target is not None)
        self.completed(owner, record.id)
        return self.find(owner, record.id)

    @contextmanager
    def _undone_if_refused(self, owner: str, record: UploadRecord) -> Iterator[None]:
        """Remove a concatenation if the block raises before a part belongs to it: repeated requests would leave more.

        Raises `NotFound` if a file is missing, because another request deletes a part meanwhile.
        """
        try:
            yield
        except Exception as error:
            if record.id not in map(self._target_of, repeat(owner), record.parts):
                UploadFolder(self._volume, owner, record.id).remove()
            if isinstance(error, FileNotFoundError):
                raise removed() from error
            raise

    def _target_of(self, owner: str, part: str) -> str | None:
        with suppress(FileNotFoundError):
            return UploadFolder(self._volume, owner, part).read().target
        return None

    def _check_first(self, owner: str, first: str) -> None:
        """Raise `Conflict` if no part can share the file of this one."""
        record = self.find(owner, first).record
        if record.start != 0 or not record.partial or record.target is not None:
            raise Conflict("upload_place", f"the upload {first} is not a part at place 0 that is not concatenated yet")

    def _remove_leftovers(self, owner: str) -> None:
        """Remove what requests that died left. Call it while no request of this owner creates an upload.

        It may have links to the file that the parts share.
        """
        folder = self._volume.uploads_of(owner)
        for entry in folder.iterdir():
            if entry.name.startswith(".") and entry.is_dir():
                durable.remove_tree(entry)

    def _remove_other_parts(self, owner: str, parts: Sequence[str]) -> None:
        """Remove the parts that share the file but are not named: a client that lost a response began them twice."""
        for name in set(folder_names(self._volume.uploads_of(owner))) - set(parts):
            with suppress(FileNotFoundError):
                if UploadFolder(self._volume, owner, name).read().first == parts[0]:
                    self._remove(owner, name)

    def _join(self, owner: str, record: UploadRecord) -> None:
        self._remove_leftovers(owner)
        self._remove_other_parts(owner, record.parts)
        join(
            UploadFolder(self._volume, owner, record.id),
            record,
            [UploadFolder(self._volume, owner, part) for part in record.parts],
        )

    def _copy_parts(self, owner: str, record: UploadRecord, parts: Sequence[Upload], *, begun: bool) -> None:
        folder = UploadFolder(self._volume, owner, record.id)
        space.check(self._volume.root, 0 if begun else max((part.offset for part in parts[1:]), default=0))
        concatenate(folder, record, [UploadFolder(self._volume, owner, part) for part in record.parts])

    def find(self, owner: str, upload_id: str, *, durably: bool = False) -> Upload:
        """Return an upload; durably: its offset is of bytes on the disk. Raises `NotFound`, or `Gone` if it expired."""
        if not ID.fullmatch(upload_id):
            raise removed()
        folder = UploadFolder(self._volume, owner, upload_id)
        try:
            record = folder.read()
            expires_at = folder.last_activity() + self._limits.upload_expiry
        except FileNotFoundError:
            raise removed() from None
        if expires_at < time.time():
            raise _expired(self._limits)
        try:
            offset = folder.received(durably=durably)
        except FileNotFoundError:
            try:
                record = folder.read()  # again: a concatenation may have moved the bytes meanwhile
            except FileNotFoundError:
                raise removed() from None
            if record.target is None or record.length is None:
                raise _expired(self._limits) from None
            offset = record.length
        return Upload(owner, record, offset, expires_at)

    @contextmanager
    def writing(self, upload: Upload) -> Iterator[UploadWriter]:
        """Open an upload for writing. Raises `Locked` or `NotFound`."""
        try:
            with opened_writer(UploadFolder(self._volume, upload.owner, upload.record.id)) as writer:
                yield writer
        except FileNotFoundError:
            raise removed() from None

    def set_length(self, upload: Upload, length: int) -> Upload:
        """Store the length of an upload that was created without one, and reserve its space. Call it while writing.

        Raises `TooLarge` or `StorageFull`.
        """
        self.check_length(length)
        folder = UploadFolder(self._volume, upload.owner, upload.record.id)
        with self._creating(upload.owner):
            self.check_quota(upload.owner, length - upload.offset)
            space.check(self._volume.root, length - upload.offset)
            _reserve(folder.data, length)
            folder.write(upload.record.model_copy(update={"length": length}))
        return self.find(upload.owner, upload.record.id)

    def completed(self, owner: str, upload_id: str) -> None:
        """Store the bytes of a complete upload once, if another complete upload has the same ones."""
        store_once(self._volume, UploadFolder(self._volume, owner, upload_id).data)

    def remove(self, owner: str, upload_id: str) -> None:
        """Remove an upload, also while a request writes to it, and the records of its parts.

        Raises `NotFound` or `Gone`.
        """
        upload = self.find(owner, upload_id)
        for each in (upload_id, *upload.record.parts):
            self._remove(owner, each)

    def _remove(self, owner: str, upload_id: str) -> None:
        folder = UploadFolder(self._volume, owner, upload_id)
        with ExitStack() as writes:
            with suppress(FileNotFoundError):
                writes.enter_context(no_write(folder))  # the last write may be to a file that other parts share
            folder.remove()

    @contextmanager
    def used(self, owner: str, upload_id: str) -> Iterator[Path]:
        """Return a link to the bytes of a complete upload, which the block may move or replace.

        Afterwards the upload counts as used. It stays until it expires, so that it can be used again. Raises
        `NotFound`, `Gone`, or `Conflict` if the upload is incomplete or partial.
        """
        upload = self.find(owner, upload_id)
        if upload.record.partial:
            raise Conflict("upload_partial", f"the upload {upload_id} is partial: concatenate it, and use the result")
        if not upload.is_complete:
            raise Conflict(
                "upload_incomplete",
                f"the upload {upload_id} has {upload.offset:,} of {upload.expected} bytes; send the rest first",
            )
        folder = UploadFolder(self._volume, owner, upload_id)
        path = durable.temporary_beside(self._volume.incoming / "upload")
        durable.make_folder(path.parent)
        try:
            with durable.translated_errors():
                os.link(folder.data, path)
                os.utime(path)  # the cleanup removes temporary files by their age
        except FileNotFoundError:
            raise removed() from None
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            folder.used.touch()

    def check_length(self, length: int) -> None:
        """Raise `TooLarge` if an upload may not have this many bytes."""
        if length <= self.most_bytes:
            return
        if length > self.quota:
            setting = f"{self.quota:,}, the quota of one key (GLASSBOX_UPLOAD_QUOTA)"
        else:
            setting = f"{self.most_bytes:,} (GLASSBOX_MAX_UPLOAD_BYTES)"
        raise TooLarge("upload_too_large", f"an upload may have at most {setting} bytes; got {length:,}")

    @contextmanager
    def _creating(self, owner: str) -> Iterator[None]:
        """Let only one request at a time of an owner create uploads, so that together they keep the quota."""
        if not OWNER.fullmatch(owner):
            raise ValueError(f"{owner!r} is not the name of a key")
        folder = self._volume.uploads_of(owner)
        durable.make_folder(folder)
        descriptor = os.open(folder / OWNER_LOCK, os.O_RDWR | os.O_CREAT, 0o644)  # NFS locks no folders
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _folders(self, owner: str) -> Iterator[UploadFolder]:
        """Iterate over the folders of an owner's uploads that have not expired."""
        now = time.time()
        for name in folder_names(self._volume.uploads_of(owner)):
            folder = UploadFolder(self._volume, owner, name)
            with suppress(FileNotFoundError):
                if folder.last_activity() + self._limits.upload_expiry >= now:
                    yield folder

    def _check_count(self, owner: str) -> None:
        """Raise `TooLarge` if the owner may have no further upload."""
        count = sum(1 for _ in self._folders(owner))
        if count >= self._limits.max_uploads_per_key:
            raise TooLarge(
                "too_many_uploads",
                f"this key has {count:,} uploads, and may have {self._limits.max_uploads_per_key:,}"
                " (GLASSBOX_MAX_UPLOADS_PER_KEY); delete some, or wait until they expire",
            )

    def _taken(self, owner: str) -> int:
        """Return the bytes of the owner's uploads that are incomplete or that no job has used."""
        taken = 0
        shared: dict[int, tuple[int, int]] = {}  # the bytes of a file's parts and blocks, by its inode
        for folder in self._folders(owner):
            with suppress(FileNotFoundError):
                record = folder.read()
                if record.target is None and not folder.used.exists():
                    size = folder.received() if record.parts else max(record.length or 0, folder.received())
                    taken += size
                    if record.start is not None:
                        status = folder.data.stat()
                        before, _ = shared.get(status.st_ino, (0, 0))
                        shared[status.st_ino] = before + size, status.st_blocks * space.BLOCK
        return taken + sum(_kept_by_deleted_parts(parts, blocks) for parts, blocks in shared.values())

    def left(self, owner: str) -> int:
        """Return how many bytes of the owner's quota are left."""
        return max(0, self.quota - self._taken(owner))

    def check_quota(self, owner: str, needed: int) -> None:
        """Raise `TooLarge` if the owner's quota does not have this many bytes left."""
        taken = self._taken(owner)
        if taken + needed > self.quota:
            raise TooLarge(
                "upload_quota_exceeded",
                f"the upload needs {needed:,} bytes; this key's uploads that are incomplete or not used yet have"
                f" {taken:,} of at most {self.quota:,} (GLASSBOX_UPLOAD_QUOTA): {taken + needed - self.quota:,} bytes"
                " are missing; use or delete some, or wait until they expire",
            )

    def _write_new(self, folder: UploadFolder, record: UploadRecord, reserved: int) -> None:
        """Write the folder of a new upload under a temporary name, and rename it, so that no reader sees half of it."""
        temporary = durable.temporary_beside(folder.path)
        with durable.translated_errors():
            temporary.mkdir()
            try:
                data = temporary / folder.data.name
                if record.first is None:
                    data.touch()
                else:
                    _link(UploadFolder(self._volume, folder.owner, record.first).data, data)
                _reserve(data, reserved, record.start or 0)
                if record.start is not None:
                    _begin_count(temporary / folder.count.name)
                (temporary / folder.lock.name).touch()
                record = record.model_copy(update={"created_at": record.created_at or clock.now()})
                durable.write_json(temporary / folder.record.name, record.model_dump(mode="json"))
            except BaseException:
                durable.remove_tree(temporary)
                raise
        durable.publish_folder(temporary, folder.path)


def _kept_by_deleted_parts(parts: int, blocks: int) -> int:
    """Return the bytes of a shared file that were reserved for parts that were deleted while others are left."""
    return blocks - parts if blocks - parts > ROUNDING else 0


def _reserve(data: Path, length: int, start: int = 0) -> None:
    descriptor = os.open(data, os.O_RDWR)
    try:
        space.reserve(descriptor, length, start)
    finally:
        os.close(descriptor)


def _link(data: Path, target: Path) -> None:
    try:
        os.link(data, target)
    except FileNotFoundError:  # a concatenation or a DELETE came first
        raise removed() from None


def _begin_count(count: Path) -> None:
    descriptor = os.open(count, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        write_count(descriptor, 0, 0)
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def _expired(limits: Settings) -> Gone:
    return Gone(
        "upload_expired",
        f"the upload has expired: nothing arrived for {limits.upload_expiry:,.0f} s (GLASSBOX_UPLOAD_EXPIRY); begin a"
        " new one",
    )
