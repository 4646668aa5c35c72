"""A backup's file: a tar that begins by saying what it is, and ends with the SHA-256 of everything in it.

    glassbox-backup.json    the form's number, which Glassbox wrote it, and when
    records/…               what Redis held, a JSON file for each piece
    volume/…                the volume's files
    digests.json            the SHA-256 of each of those, by name

It is written and read in one go, so it may go through a pipe. One that was cut short lacks its end.
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


class Digesting(io.RawIOBase):
    """A file that is read, and the SHA-256 of what was read of it."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file
        self._digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Read, and add it to the digest; raises `Damaged` where a backup ends here."""
        try:
            block = self._file.read(size)
        except tarfile.ReadError as error:
            raise _unreadable(error) from error
        self._digest.update(block)
        return block

    def hexdigest(self) -> str:
        """The SHA-256 of what was read so far."""
        return self._digest.hexdigest()


class BackupWriter:
    """Writes a backup to a stream. Use it in a `with` block; one that ends with an error leaves it without its end."""

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
        """Add a small file of JSON."""
        encoded = json.dumps(content).encode()
        self._add(name, io.BytesIO(encoded), len(encoded), 0.0)

    def add_file(self, name: str, file: IO[bytes]) -> None:
        """Add an open file, of which nothing is changed any more."""
        status = os.fstat(file.fileno())
        self._add(name, file, status.st_size, status.st_mtime)

    def _add(self, name: str, file: IO[bytes], size: int, changed: float) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mtime, member.mode = size, int(changed), 0o644
        content = Digesting(file)
        self._tar.addfile(member, cast("IO[bytes]", content))
        self._digests[name] = content.hexdigest()
        self.bytes += size


class BackupReader:
    """Reads a backup from a stream: go through it once, and it has been checked.

    Raises `Invalid` for what is no backup, or one of a form that is not known yet; `Damaged` for one that is not whole.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.title: Mapping[str, Any] = {}
        self._digests: dict[str, str] = {}

    def __iter__(self) -> Iterator[tuple[PurePosixPath, IO[bytes]]]:
        """The name and the content of everything below `records/` and `volume/`; each is to be read before the next."""
        said: dict[str, str] | None = None
        try:
            with tarfile.open(mode="r|", fileobj=self._stream) as tar:
                for member in tar:
                    file = tar.extractfile(member) if member.isreg() else None
                    if file is None:
                        _damaged(f"{member.name!r} is no file")
                    if member.name in self._digests:
                        _damaged(f"{member.name!r} is in it twice")
                    if member.name == DIGESTS:
                        said = json.load(file)
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
        self._compare(said)

    def _compare(self, said: Mapping[str, str] | None) -> None:
        if not self._digests:
            raise _foreign()
        if said is None:
            _damaged("its end is missing")
        if wrong := sorted(name for name in said.keys() | self._digests if said.get(name) != self._digests.get(name)):
            _damaged(f"{wrong[0]!r} is not what was saved, nor are {len(wrong) - 1} others")


def _title(name: str, content: Digesting) -> Mapping[str, Any]:
    if name != TITLE:
        raise _foreign()
    title: Mapping[str, Any] = json.loads(content.read())
    if title["form"] != FORM:
        detail = f"Glassbox {title['version']} wrote this backup in a form that this version, {VERSION}, does not know"
        raise Invalid("backup_form", f"{detail}; restore it with that one")
    return title


def _path(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or path.parts[0] not in {RECORDS, VOLUME} or len(path.parts) < 2:
        _damaged(f"{name!r} belongs nowhere")
    return path


def _damaged(what: str) -> NoReturn:
    raise Damaged("backup_damaged", f"the backup is damaged: {what}")


def _unreadable(error: Exception) -> Damaged:
    return Damaged("backup_damaged", f"the backup cannot be read to its end: {error}")


def _foreign() -> Invalid:
    return Invalid("backup_foreign", "this is no backup of Glassbox; `make backup` writes one")
