"""Durable and atomic writes."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from shared.errors import StorageFull
from shared.storage import durable
from tests.support.data.files import files_below


def test_a_written_file_exists_with_its_content(tmp_path: Path) -> None:
    durable.write_bytes(tmp_path / "new" / "folder" / "file", b"content")

    assert (tmp_path / "new" / "folder" / "file").read_bytes() == b"content"
    assert files_below(tmp_path) == ["new/folder/file"]


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    versions = [bytes([number]) * 300_000 for number in range(2)]
    durable.write_bytes(path, versions[0])
    written = threading.Event()

    def write() -> None:
        for number in range(200):
            durable.write_bytes(path, versions[number % 2])
        written.set()

    with ThreadPoolExecutor() as pool:
        writer = pool.submit(write)
        while not written.is_set():
            assert path.read_bytes() in versions
            assert not writer.done() or writer.exception() is None


def test_an_unfinished_file_is_not_in_place(tmp_path: Path) -> None:
    with durable.replacing(tmp_path / "file") as file:
        file.write(b"half")
        file.flush()
        assert not (tmp_path / "file").exists()

    assert (tmp_path / "file").read_bytes() == b"half"


def test_a_failed_write_leaves_the_old_file_and_no_temporary_one(tmp_path: Path) -> None:
    durable.write_bytes(tmp_path / "file", b"old")

    with pytest.raises(TypeError), durable.replacing(tmp_path / "file") as file:
        file.writelines([b"new", None])  # type: ignore[list-item]

    assert (tmp_path / "file").read_bytes() == b"old"
    assert files_below(tmp_path) == ["file"]


def test_a_failed_rename_leaves_no_temporary_file(tmp_path: Path) -> None:
    (tmp_path / "file" / "below").mkdir(parents=True)

    with pytest.raises(OSError, match="directory"):
        durable.write_bytes(tmp_path / "file", b"a folder is in the way")

    assert files_below(tmp_path) == []


def test_a_full_disk_raises_storage_full_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    with pytest.raises(StorageFull) as caught, durable.replacing(tmp_path / "file"):
        Path("/dev/full").write_bytes(b"the kernel refuses this with ENOSPC")

    assert caught.value.code == "storage_full"
    assert files_below(tmp_path) == []


def test_other_errors_of_the_disk_are_not_translated(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), durable.replacing(tmp_path / "file"):
        (tmp_path / "missing").read_bytes()


def test_a_new_file_does_not_replace_an_existing_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"there first")

    with pytest.raises(FileExistsError), durable.fsynced(tmp_path / "file") as file:
        file.write(b"too late")


def test_a_temporary_name_is_in_the_same_folder_with_the_prefix(tmp_path: Path) -> None:
    first, second = (durable.temporary_beside(tmp_path / "file") for _ in range(2))

    assert first != second
    assert first.parent == tmp_path
    assert first.name.startswith(durable.TEMPORARY)


def test_the_second_of_two_exclusive_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "first").write_bytes(b"first")
    (tmp_path / "second").write_bytes(b"second")

    assert durable.link_exclusively(tmp_path / "first", tmp_path / "target")
    assert not durable.link_exclusively(tmp_path / "second", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == b"first"


def test_an_existing_link_to_the_source_counts_as_made(tmp_path: Path) -> None:
    """On NFS, the reply to the first try may get lost."""
    (tmp_path / "source").write_bytes(b"content")
    (tmp_path / "target").hardlink_to(tmp_path / "source")

    assert durable.link_exclusively(tmp_path / "source", tmp_path / "target")


def test_a_source_with_another_link_does_not_count_as_linked(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"source")
    (tmp_path / "elsewhere").hardlink_to(tmp_path / "source")
    (tmp_path / "target").write_bytes(b"of another")

    assert not durable.link_exclusively(tmp_path / "source", tmp_path / "target")


def test_one_of_many_exclusive_writers_wins(tmp_path: Path) -> None:
    writers = [str(number).encode() for number in range(8)]

    with ThreadPoolExecutor(len(writers)) as pool:
        won = list(pool.map(partial(durable.write_exclusively, tmp_path / "folder" / "file"), writers))

    assert won.count(True) == 1
    assert (tmp_path / "folder" / "file").read_bytes() == writers[won.index(True)]
    assert files_below(tmp_path) == ["folder/file"]


def test_a_folder_is_published_once(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)

    assert durable.publish_folder(tmp_path / "first", tmp_path / "place")
    assert not durable.publish_folder(tmp_path / "second", tmp_path / "place")
    assert files_below(tmp_path) == ["place/file"]
    assert (tmp_path / "place" / "file").read_text() == "first"


def test_a_folder_is_removed_with_its_content(tmp_path: Path) -> None:
    (tmp_path / "folder" / "below").mkdir(parents=True)
    (tmp_path / "folder" / "below" / "file").touch()

    durable.remove_tree(tmp_path / "folder")

    assert list(tmp_path.iterdir()) == []


def test_removing_a_missing_folder_does_nothing(tmp_path: Path) -> None:
    durable.remove_tree(tmp_path / "never there")


def test_several_threads_can_make_the_same_folder(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(durable.make_folder, [tmp_path / "a" / "b" / "c"] * 8))

    assert (tmp_path / "a" / "b" / "c").is_dir()


def test_nan_is_not_written_as_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        durable.write_json(tmp_path / "file", {"loss": float("nan")})

    assert files_below(tmp_path) == []


def test_a_files_digest_is_its_sha256(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")

    digest = durable.sha256_of(tmp_path / "file")

    assert digest == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_large_file_is_read_and_written_in_parts_with_a_check_after_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durable, "PART", 1000)
    monkeypatch.setattr(durable, "BLOCK", 1000)
    content = bytes(range(256)) * 40
    written, read = [], []

    with durable.replacing(tmp_path / "large", lambda: written.append(1)) as file:
        file.write(content[:10])
        file.write(content[10:])
    digest = durable.sha256_of(tmp_path / "large", lambda: read.append(1))

    assert (tmp_path / "large").read_bytes() == content
    assert digest == hashlib.sha256(content).hexdigest()
    assert (len(written), len(read)) == (10, 11)


@pytest.mark.parametrize("archive", [False, True])
def test_a_check_that_raises_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, archive: bool) -> None:
    monkeypatch.setattr(durable, "PART", 1000)

    def stop() -> None:
        raise InterruptedError

    def write() -> None:
        with durable.fsynced(tmp_path / "large", stop) as file:
            if archive:
                np.savez(file, array=np.zeros(10_000))
            else:
                file.write(bytes(10_000))

    with pytest.raises(InterruptedError):
        write()

    assert files_below(tmp_path) == []


def test_an_archive_has_the_same_bytes_with_a_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "PART", 1000)
    arrays = {"a": np.arange(5000.0), "b": np.zeros((3, 0)), "c": np.array("text")}
    for name, check in (("with", lambda: None), ("without", None)):
        with durable.fsynced(tmp_path / name, check) as file:
            np.savez(file, allow_pickle=False, **arrays)

    assert (tmp_path / "with").read_bytes() == (tmp_path / "without").read_bytes()
