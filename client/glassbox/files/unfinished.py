"""The state of unfinished uploads, in files of this machine: a later process continues them.

A state belongs to a file's content as far as its path, size and time of change show, and to one server. It has no key.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from glassbox.errors import LocalFileError


@dataclass
class Part:
    """A range of the file, and the id of the upload that receives it; None before that was begun."""

    start: int
    end: int
    id: str | None = None


@dataclass
class Unfinished:
    """An upload of a file. id: the upload of the whole file, once all parts have arrived and are concatenated."""

    parts: list[Part] = field(default_factory=list)
    id: str | None = None


@dataclass(frozen=True)
class Fingerprint:
    """What identifies the content of a file without reading it."""

    path: str
    size: int
    changed: int

    @classmethod
    def of(cls, path: Path) -> Fingerprint:
        """Return the fingerprint of a file. Raises `LocalFileError`."""
        try:
            found = path.stat()
        except OSError as error:
            raise LocalFileError(f"{path} cannot be read: {error.strerror}") from error
        return cls(str(path.resolve()), found.st_size, found.st_mtime_ns)


class StateFile:
    """The state of the upload of one file to one server. A folder that cannot be written is no error: see `save`."""

    def __init__(self, folder: Path, server: str, fingerprint: Fingerprint) -> None:
        identity = json.dumps([server, *asdict(fingerprint).values()])
        self._path = folder / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.json"
        self._about = {"server": server, "file": fingerprint.path}

    def load(self) -> Unfinished:
        """Return the state; an empty one if there is none, or if it is damaged."""
        try:
            content = json.loads(self._path.read_bytes())
            return Unfinished([Part(**part) for part in content["parts"]], content["id"])
        except (OSError, ValueError, KeyError, TypeError):
            return Unfinished()

    def save(self, state: Unfinished) -> None:
        """Write the state atomically; without it, an interrupted upload starts again."""
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            new = self._path.with_suffix(f".{os.getpid()}")
            new.write_text(json.dumps({**self._about, **asdict(state)}), "utf-8")
            new.replace(self._path)

    def remove(self) -> None:
        """Forget the upload."""
        with contextlib.suppress(OSError):
            self._path.unlink()


def state_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of the states, which may be missing: below `XDG_STATE_HOME`, or `~/.local/state`."""
    base = environment.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "glassbox" / "uploads"
