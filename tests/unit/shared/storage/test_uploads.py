"""Requests that write to the same upload at once, an owner's uploads, and the space and lock of an upload."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from shared.errors import Conflict, Locked, NotFound, StorageFull, TooLarge
from shared.runtime.settings import MiB, Settings
from shared.storage import durable
from shared.storage.names import new_id
from shared.storage.uploads import lock, same_bytes, space
from shared.storage.uploads.contents import Contents, OwnFile
from shared.storage.uploads.expiry import expire
from shared.storage.uploads.folder import UploadFolder, folder_names
from shared.storage.uploads.lock import UploadLock
from shared.storage.uploads.record import Upload, UploadRecord
from shared.storage.uploads.same_bytes import _equal_bytes
from shared.storage.uploads.store import UploadStore
from shared.storage.volume import Volume

STALLED_SECONDS = 3600.0


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer counts as stalled only if a test says so, however slow the machine is."""
    monkeypatch.setattr(lock, "STALLED_SECONDS", STALLED_SECONDS)


@pytest.fixture
def store(volume: Volume, limits: Settings) -> UploadStore:
    return UploadStore(volume, limits)


def a_new(store: UploadStore, length: int = 10, owner: str = "bob") -> Upload:
    return store.create(owner, UploadRecord(id=new_id(), length=length))


def folder_of(volume: Volume, upload: Upload) -> UploadFolder:
    return UploadFolder(volume, upload.owner, upload.record.id)


def stall(folder: UploadFolder) -> None:
    """Change the times of the upload as if its writer had written nothing for a while."""
    then = time.time() - STALLED_SECONDS - 60
    for path in (folder.lock, folder.data):
        os.utime(path, (then, then))


class TestLock:
    def test_second_writer_is_refused_while_the_first_one_writes(self, store: UploadStore) -> None:
        upload = a_new(store)
        other = UploadStore(store._volume, store._limits)  # as in another process: locks belong to open files

        with store.writing(upload) as writer:
            writer.write(b"12345")
            with pytest.raises(Locked), other.writing(upload):
                pass
        with other.writing(upload) as writer:
            assert writer.offset == 5

    def test_writer_that_has_stalled_loses_the_lock_and_writes_nothing_more(
        self, store: UploadStore, volume: Volume
    ) -> None:
        upload = a_new(store)

        with pytest.raises(Locked), store.writing(upload) as first:  # noqa: PT012 - at its end
            first.write(b"123")
            stall(folder_of(volume, upload))
            with store.writing(upload) as second:
                second.write(b"456")
                with pytest.raises(Locked), store.writing(upload):
                    pass
            first.write(b"xyz")
        assert folder_of(volume, upload).data.read_bytes() == b"123456"

    def test_part_with_a_checksum_is_discarded_if_another_writer_takes_over(
        self, store: UploadStore, volume: Volume
    ) -> None:
        upload = a_new(store)

        with pytest.raises(Locked), store.writing(upload) as first, first.verifying():  # noqa: PT012 - at its end
            first.write(b"123")
            stall(folder_of(volume, upload))
            with store.writing(upload) as second:
                assert second.offset == 0
                second.write(b"45")
        assert folder_of(volume, upload).data.read_bytes() == b"45"
        assert store.find("bob", upload.record.id).offset == 2

    def test_writer_of_a_removed_upload_stops(self, store: UploadStore) -> None:
        upload = a_new(store)

        with pytest.raises(NotFound), store.writing(upload) as writer:  # noqa: PT012 - at its end
            store.remove("bob", upload.record.id)
            writer.write(b"123")

    def test_writer_of_a_placed_part_that_lost_the_lock_leaves_the_count_of_the_next_one(
        self, store: UploadStore, volume: Volume
    ) -> None:
        part = store.create("bob", UploadRecord(id=new_id(), length=6, partial=True, start=0))

        with pytest.raises(Locked), store.writing(part) as first:  # noqa: PT012 - at its end
            first.write(b"123")
            then = time.time() - STALLED_SECONDS - 60
            for path in (folder_of(volume, part).lock, folder_of(volume, part).count):
                os.utime(path, (then, then))
            with store.writing(part) as second:
                second.write(b"456")

        assert store.find("bob", part.record.id).is_complete


def test_upload_that_another_request_deletes_meanwhile_does_not_exist(
    store: UploadStore, volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = a_new(store)

    def opened(folder: UploadFolder) -> Contents:
        folder.remove()
        return OwnFile(folder.data)

    monkeypatch.setattr(UploadFolder, "opened", opened)
    with pytest.raises(NotFound):
        store.find("bob", upload.record.id)


class TestOwners:
    def test_upload_does_not_exist_for_another_owner(self, store: UploadStore) -> None:
        upload = a_new(store)

        with pytest.raises(NotFound):
            store.find("eve", upload.record.id)
        with pytest.raises(NotFound):
            store.remove("eve", upload.record.id)
        with pytest.raises(NotFound), store.used("eve", upload.record.id):
            pass

    def test_quota_is_that_of_one_owner_and_excludes_used_uploads(self, volume: Volume, limits: Settings) -> None:
        store = UploadStore(volume, limits.model_copy(update={"upload_quota": 10}))
        upload = a_new(store)
        a_new(store, owner="eve")
        with store.writing(upload) as writer:
            writer.write(b"0123456789")

        with store.used("bob", upload.record.id) as path:
            assert path.read_bytes() == b"0123456789"

        a_new(store)

    def test_length_can_be_announced_if_the_owner_may_have_no_further_upload(
        self, volume: Volume, limits: Settings
    ) -> None:
        store = UploadStore(volume, limits.model_copy(update={"max_uploads_per_key": 1}))
        upload = store.create("bob", UploadRecord(id=new_id()))

        assert store.set_length(upload, 5).record.length == 5

    def test_space_of_deleted_parts_counts_until_the_last_part_is_deleted(
        self, volume: Volume, limits: Settings
    ) -> None:
        size = 4 * MiB
        store = UploadStore(volume, limits.model_copy(update={"upload_quota": 2 * size}))
        first = store.create("bob", UploadRecord(id=new_id(), length=1, partial=True, start=0))
        other = store.create(
            "bob", UploadRecord(id=new_id(), length=size, partial=True, start=1, first=first.record.id)
        )
        with store.writing(other) as writer:  # not every file system reserves space
            writer.write(bytes(size))

        store.remove("bob", other.record.id)

        assert store.left("bob") <= size
        with pytest.raises(TooLarge):
            a_new(store, length=2 * size - 1)
        store.remove("bob", first.record.id)
        assert store.left("bob") == 2 * size


class TestConcatenation:
    @staticmethod
    def parts(store: UploadStore) -> tuple[str, str]:
        """Return the ids of two complete parts that share a file."""
        first = store.create("bob", UploadRecord(id=new_id(), length=4096, partial=True, start=0))
        second = UploadRecord(id=new_id(), length=4096, partial=True, start=4096, first=first.record.id)
        for part in (first, store.create("bob", second)):
            with store.writing(part) as writer:
                writer.write(bytes(4096))
        return first.record.id, second.id

    def test_repeated_request_returns_the_upload_that_shares_its_bytes_with_an_equal_one(
        self, store: UploadStore
    ) -> None:
        store.concatenate("bob", UploadRecord(id=new_id(), parts=self.parts(store)))
        parts = self.parts(store)
        whole = store.concatenate("bob", UploadRecord(id=new_id(), parts=parts))

        again = store.concatenate("bob", UploadRecord(id=new_id(), parts=parts))

        assert again.record.id == whole.record.id
        assert again.is_complete

    def test_refused_request_leaves_no_upload(self, store: UploadStore, volume: Volume) -> None:
        parts = self.parts(store)
        with UploadLock(UploadFolder(volume, "bob", parts[0])), pytest.raises(Locked):
            store.concatenate("bob", UploadRecord(id=new_id(), parts=parts))

        assert folder_names(volume.uploads_of("bob")) == sorted(parts)
        assert store.concatenate("bob", UploadRecord(id=new_id(), parts=parts)).is_complete

    def test_complete_part_does_not_expire_while_another_one_is_sent(self, store: UploadStore, volume: Volume) -> None:
        first, _ = self.parts(store)
        folder = UploadFolder(volume, "bob", first)
        os.utime(folder.lock, (1.0, 1.0))

        assert list(expire(volume, time.time(), expiry=3600)) == []
        os.utime(folder.data, (1.0, 1.0))
        assert list(expire(volume, time.time(), expiry=3600)) == [folder.path]


class TestUse:
    def test_incomplete_upload_cannot_be_used(self, store: UploadStore) -> None:
        with pytest.raises(Conflict, match="0 of 10 bytes"), store.used("bob", a_new(store).record.id):
            pass

    def test_content_can_be_moved_and_used_again(self, store: UploadStore, volume: Volume) -> None:
        upload = a_new(store, length=3)
        with store.writing(upload) as writer:
            writer.write(b"abc")

        for name in ("first", "second"):
            with store.used("bob", upload.record.id) as path:
                path.rename(volume.root / name)

        data = folder_of(volume, upload).data
        assert all((volume.root / name).samefile(data) for name in ("first", "second"))
        assert list(volume.incoming.iterdir()) == []


class TestSpace:
    def test_missing_space_is_named(self, volume: Volume) -> None:
        with pytest.raises(StorageFull, match=r"needs 1,000,000,000,000,000,000 bytes.* bytes are missing"):
            space.check(volume.root, 10**18)

    def test_reserved_space_survives_a_repeated_creation(self, store: UploadStore, volume: Volume) -> None:
        upload = a_new(store, length=1 << 20)
        blocks = folder_of(volume, upload).data.stat().st_blocks
        with store.writing(upload) as writer:
            writer.write(b"abc")

        assert store.create("bob", upload.record).offset == 0

        assert folder_of(volume, upload).data.stat().st_blocks == blocks

    def test_repeated_creation_leaves_the_bytes_that_others_share(self, store: UploadStore, volume: Volume) -> None:
        """As after the death of a process that had stored the whole upload, but not its response."""
        first, again = a_new(store, owner="bob"), a_new(store, owner="eve")
        for upload in (first, again):
            with store.writing(upload) as writer:
                writer.write(b"0123456789")
        folder_of(volume, again).data.unlink()
        os.link(folder_of(volume, first).data, folder_of(volume, again).data)

        assert store.create("eve", again.record).offset == 0
        assert folder_of(volume, first).data.read_bytes() == b"0123456789"

    def test_repeated_creation_of_a_part_that_was_concatenated_changes_nothing(
        self, store: UploadStore, volume: Volume
    ) -> None:
        part = store.create("bob", UploadRecord(id=new_id(), length=4, partial=True))
        with store.writing(part) as writer:
            writer.write(b"0123")
        whole = store.concatenate("bob", UploadRecord(id=new_id(), parts=(part.record.id,)))

        assert store.create("bob", part.record).is_complete
        assert folder_of(volume, whole).data.read_bytes() == b"0123"

    def test_folder_without_a_record_and_a_lock_expires(self, store: UploadStore, volume: Volume) -> None:
        folder = folder_of(volume, a_new(store))
        folder.record.unlink()
        folder.lock.unlink()

        assert list(expire(volume, time.time() + 25, expiry=10)) == [folder.path]
        assert not folder.path.exists()


class TestSameBytes:
    def test_uploads_that_differ_at_their_ends_only_are_compared_a_few_times(
        self, store: UploadStore, volume: Volume, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(durable, "BLOCK", 1024)
        compared: list[int] = []

        def counted(one: Path, other: Path) -> int:
            compared.append(_equal_bytes(one, other))
            return compared[-1]

        monkeypatch.setattr(same_bytes, "_equal_bytes", counted)
        uploads = [a_new(store, length=8192) for _ in range(10)]
        for number, upload in enumerate(uploads):
            with store.writing(upload) as writer:
                writer.write(bytes(8191) + bytes([number]))

        assert not same_bytes.store_once(volume, folder_of(volume, uploads[-1]).data)
        assert compared == [7168] * (same_bytes.MOST_COMPARISONS + 1)
