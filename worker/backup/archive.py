"""The file format of a backup: a tar that begins with a header and ends with the SHA-256 of each member.

    glassbox-backup.json    the format's number, the version of Glassbox that wrote it, and the time
    records/…               the content of Redis, one JSON file for each chunk
    volume/…                the volume's files
    records/deleted.json    the folders of the volume, such as `jobs/<id>`, that were deleted after a part was saved
    digests.json            the SHA-256 of each of these members, by name

It is written and read sequentially, so it may go through a pipe. A truncated backup lacks `digests.json`.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from types import TracebackType
from typing import IO, Any, NoReturn, Self, cast

from shared.errors import Damaged, Invalid
from shared.runtime import clock
from shared.runtime.version import VERSION
from shared.storage import durable

FORM = 1
TITLE = "glassbox-backup.json"
DIGESTS = "digests.json"
RECORDS = "records"
VOLUME = "volume"
DELETED = f"{RECORDS}/deleted.json"


class Digesting(io.RawIOBase):
    """A readable file that computes the SHA-256 of the bytes read."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file
        self._digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Read a block and add it to the digest; raises `Damaged` if the backup is truncated."""
        try:
            block = self._file.read(size)
        except tarfile.ReadError as error:
            raise _unreadable(error) from error
        self._digest.update(block)
        return block

    def hexdigest(self) -> str:
        """Return the SHA-256 of the bytes read so far."""
        return self._digest.hexdigest()


class BackupWriter:
    """Writes a backup to a stream. Use it in a `with` block; after an error the backup lacks its digests."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._tar = tarfile.open(mode="w|", fileobj=stream, format=tarfile.PAX_FORMAT)  # noqa: SIM115
        self._digests: dict[str, str] = {}
        self.bytes = 0

    def __enter__(self) -> Self:
        self.add_json(TITLE, {"form": FORM, "version": VERSION, "created_at": clock.now()})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.add_json(DIGESTS, self._digests)
            self._tar.close()

    def add_json(self, name: str, content: Any) -> None:
        """Add a small JSON file."""
        encoded = json.dumps(content).encode()
        self._add(name, io.BytesIO(encoded), len(encoded), 0.0)

    def add_file(self, name: str, file: IO[bytes]) -> None:
        """Add an open file that no longer changes."""
        status = os.fstat(file.fileno())
        self._add(name, file, status.st_size, status.st_mtime)

    def _add(self, name: str, file: IO[bytes], size: int, modified: float) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mtime, member.mode = size, int(modified), 0o644
        content = Digesting(file)
        self._tar.addfile(member, cast("IO[bytes]", content))
        self._digests[name] = content.hexdigest()
        self.bytes += size


class BackupReader:
    """Reads a backup from a stream; one complete iteration also verifies it.

    Raises `Invalid` if the stream is not a backup or has an unsupported format, and `Damaged` if it is incomplete or
    corrupt.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.title: Mapping[str, Any] = {}
        self._digests: dict[str, str] = {}

    def __iter__(self) -> Iterator[tuple[PurePosixPath, IO[bytes]]]:
        """Yield the name and content of each file below `records/` and `volume/`; read each before the next."""
        expected: dict[str, str] | None = None
        try:
            with tarfile.open(mode="r|", fileobj=self._stream) as tar:
                for member in tar:
                    file = tar.extractfile(member) if member.isreg() else None
                    if file is None:
                        _damaged(f"{member.name!r} is not a regular file")
                    if member.name in self._digests:
                        _damaged(f"{member.name!r} is in it twice")
                    if member.name == DIGESTS:
                        expected = json.load(file)
                        if not isinstance(expected, dict):
                            _damaged(f"{DIGESTS!r} is not a JSON object")
                        continue
                    content = Digesting(file)
                    if not self._digests:
                        self.title = _title(member.name, content)
                    else:
                        yield _path(member.name), cast("IO[bytes]", content)
                    while content.read(durable.BLOCK):
                        pass
                    self._digests[member.name] = content.hexdigest()
        except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError) as error:
            if not self._digests:
                raise _foreign() from error
            raise _unreadable(error) from error
        self._compare(expected)

    def _compare(self, expected: Mapping[str, str] | None) -> None:
        if not self._digests:
            raise _foreign()
        if expected is None:
            _damaged("its end is missing")
        found = self._digests
        if wrong := sorted(name for name in expected.keys() | found if expected.get(name) != found.get(name)):
            others = f"; {len(wrong) - 1} other files do not either" if len(wrong) > 1 else ""
            _damaged(f"{wrong[0]!r} does not match its checksum{others}")


def _title(name: str, content: Digesting) -> Mapping[str, Any]:
    if name != TITLE:
        raise _foreign()
    title: Mapping[str, Any] = json.loads(content.read())
    if title["form"] != FORM:
        detail = f"Glassbox {title['version']} wrote this backup in a format that version {VERSION} does not support"
        raise Invalid("backup_form", f"{detail}; restore it with version {title['version']}")
    return title


def _path(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if len(path.parts) < 2 or path.parts[0] not in {RECORDS, VOLUME} or ".." in path.parts:
        _damaged(f"{name!r} is not a path that a backup has")
    return path


def _damaged(what: str) -> NoReturn:
    raise Damaged("backup_damaged", f"the backup is damaged: {what}")


def _unreadable(error: Exception) -> Damaged:
    return Damaged("backup_damaged", f"the backup cannot be read to its end: {error}")


def _foreign() -> Invalid:
    return Invalid("backup_foreign", "this is not a backup of Glassbox; `make backup` writes one")
