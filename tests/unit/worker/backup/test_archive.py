"""The file format of a backup: foreign and damaged files are refused."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable

import pytest

from shared.errors import Damaged, Invalid
from worker.backup.archive import DIGESTS, TITLE, BackupReader, BackupWriter


def a_backup() -> bytes:
    stream = io.BytesIO()
    with BackupWriter(stream) as backup:
        backup.add_json("records/jobs/1.json", {"state": "queued"})
        backup.add_json("volume/jobs/1/specification.json", list(range(2000)))
    return stream.getvalue()


def read(backup: bytes) -> dict[str, bytes]:
    return {str(name): content.read() for name, content in BackupReader(io.BytesIO(backup))}


def packed(*members: tuple[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(mode="w|", fileobj=stream) as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.type = kind if name != TITLE else tarfile.REGTYPE
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


TITLED = (TITLE, b'{"form": 1, "version": "0.1.0", "created_at": "2026-01-01T00:00:00Z"}')


def test_reader_returns_the_saved_files() -> None:
    assert read(a_backup()) == {
        "records/jobs/1.json": b'{"state": "queued"}',
        "volume/jobs/1/specification.json": json.dumps(list(range(2000))).encode(),
    }


def test_reader_may_leave_files_unread() -> None:
    assert len([name for name, _ in BackupReader(io.BytesIO(a_backup()))]) == 2


def test_backup_has_the_version_and_time_of_its_writer() -> None:
    reader = BackupReader(io.BytesIO(a_backup()))
    list(reader)

    assert reader.title.keys() == {"form", "version", "created_at"}


@pytest.mark.parametrize("foreign", [b"", b"hello", b"PK\x03\x04" * 1000, packed(("etc/passwd", b"root"))])
def test_foreign_file_is_refused(foreign: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        read(foreign)
    assert refused.value.code == "backup_foreign"


def test_a_backup_of_a_newer_format_is_refused_with_the_version_that_can_read_it() -> None:
    with pytest.raises(Invalid, match=r"Glassbox 9\.0") as refused:
        read(packed((TITLE, b'{"form": 2, "version": "9.0"}')))
    assert refused.value.code == "backup_form"


def test_a_backup_truncated_anywhere_is_refused() -> None:
    backup = a_backup().rstrip(b"\0")  # without the padding at the end of a tar
    for length in range(0, len(backup), 97):
        with pytest.raises((Damaged, Invalid)):
            read(backup[:length])


def test_a_flipped_bit_in_the_content_is_detected() -> None:
    backup = a_backup()
    content = backup.rstrip(b"\0")
    for place in range(0, len(content), 61):
        flipped = bytearray(backup)
        flipped[place] ^= 4
        try:
            unchanged = read(bytes(flipped)) == read(backup)
        except (Damaged, Invalid):
            continue
        assert unchanged  # a bit of the padding, or of a date


def test_a_backup_that_lacks_a_file_is_refused() -> None:
    with pytest.raises(Damaged, match="does not match its checksum"):
        read(packed(TITLED, ("digests.json", b'{"records/tally.json": "00"}')))


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "volume/../../x", "volume", "elsewhere/x", ".", "", "records/jobs/../../../x"]
)
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(Damaged, match="not a path that a backup has"):
        read(packed(TITLED, (name, b"")))


@pytest.mark.parametrize("digests", [b"[]", b"3", b"null", b'"text"'])
def test_digests_that_are_not_an_object_are_refused(digests: bytes) -> None:
    with pytest.raises(Damaged, match="not a JSON object"):
        read(packed(TITLED, (DIGESTS, digests)))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_a_member_that_is_not_a_regular_file_is_refused(kind: bytes) -> None:
    with pytest.raises(Damaged, match="not a regular file"):
        read(packed(TITLED, ("volume/jobs/x", b""), kind=kind))


def test_a_duplicate_name_is_refused() -> None:
    with pytest.raises(Damaged, match="twice"):
        read(packed(TITLED, ("volume/jobs/x", b""), ("volume/jobs/x", b"")))


def test_a_backup_whose_writing_failed_is_refused() -> None:
    def fail(backup: BackupWriter) -> None:
        backup.add_json("volume/jobs/1/specification.json", {})
        raise ConnectionError

    assert _raises_damaged(fail)


def _raises_damaged(write: Callable[[BackupWriter], None]) -> bool:
    stream = io.BytesIO()
    with pytest.raises(ConnectionError), BackupWriter(stream) as backup:
        write(backup)
    with pytest.raises((Damaged, Invalid)):
        read(stream.getvalue())
    return True
