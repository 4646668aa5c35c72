"""The API keys: a file with a line `name:scopes:sha256` for each, read again whenever it changes.

The file has no key in it, only each one's SHA-256: a key has 256 random bits, so its digest tells nothing about it and
a slow hash would add nothing. A key is shown once, when it is made.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from shared.runtime.remedies import create_key, how_to_require_keys, restore_keys
from shared.runtime.settings import Settings
from shared.storage import durable

log = logging.getLogger(__name__)

PREFIX = "glassbox_"  # by which people, and the scanners of repositories, recognize a key
BYTES = 32
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
DIGEST = re.compile(r"[0-9a-fA-F]{64}")


class Scope(StrEnum):
    """What a key allows; each one allows what stands above it, too."""

    READ = "read"  # look at everything, and have a model predict
    SUBMIT = "submit"  # upload data sets, submit jobs, cancel and retry them
    MANAGE = "manage"  # delete, move aliases

    def covers(self, other: Scope) -> bool:
        """Whether who has this scope may do what `other` is needed for."""
        order = list(Scope)
        return order.index(self) >= order.index(other)


class KeysError(Exception):
    """The keys' file is missing or damaged, or the API needs one; the message says what to do."""


@dataclass(frozen=True)
class ApiKey:
    """One line of the file: whose key it is, what it allows, and the SHA-256 of the key in hexadecimal."""

    name: str
    scopes: frozenset[Scope]
    digest: str

    def allows(self, scope: Scope) -> bool:
        """Whether the key may be used for what needs this scope."""
        return any(own.covers(scope) for own in self.scopes)

    @classmethod
    def parse(cls, line: str) -> ApiKey:
        """Read a line; the error tells what is wrong with it and never shows it, for a key may stand there."""
        parts = [part.strip() for part in line.split(":")]
        if len(parts) != 3:
            raise KeysError(f"it has {len(parts)} parts and not the three of name:scopes:sha256")
        name, scopes, digest = parts
        if not NAME.fullmatch(name):
            raise KeysError("the name must be 1 to 64 letters, digits, dots, underscores, @ and hyphens")
        if not DIGEST.fullmatch(digest):
            raise KeysError("the last part must be the key's SHA-256, 64 hexadecimal digits")
        return cls(name, parse_scopes(scopes), digest.lower())

    def __str__(self) -> str:
        """The line."""
        return f"{self.name}:{','.join(scope for scope in Scope if scope in self.scopes)}:{self.digest}"


def parse_scopes(text: str) -> frozenset[Scope]:
    """Scopes with commas or pluses between them; raises `KeysError`."""
    try:
        return frozenset(Scope(part.strip()) for part in re.split("[,+]", text))
    except ValueError as error:
        raise KeysError(f"the scopes must be some of {', '.join(Scope)}, with commas or pluses between them") from error


def digest_of(key: str) -> str:
    """The SHA-256 of a key's text, as the file has it."""
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()


def new_key(name: str, scopes: frozenset[Scope]) -> tuple[str, ApiKey]:
    """A new key, to be shown once, and its line; raises `KeysError` for a name that cannot stand in a line."""
    key = PREFIX + secrets.token_urlsafe(BYTES)
    return key, ApiKey.parse(str(ApiKey(name, scopes, digest_of(key))))


class KeysFile:
    """The keys as they stand in the file now. Of a file that is damaged while it is used, the whole lines count."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, int, int] | None = None
        self._keys: tuple[ApiKey, ...] = ()

    def find(self, presented: str) -> ApiKey | None:
        """The key that somebody shows, if it is known; takes as long for one that is as for one that is not."""
        digest = digest_of(presented)
        found = None
        for key in self.current():
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found

    def current(self) -> Sequence[ApiKey]:
        """The keys, read again where the file has changed; none where it is gone."""
        stamp = self._read_stamp()
        if stamp != self._stamp:
            keys, damage = self._read()
            for what in damage:
                log.error("API keys: %s; this line counts for nothing", what)
            self._keys, self._stamp = keys, stamp
        return self._keys

    def check(self) -> Sequence[ApiKey]:
        """The keys of a file that is whole; raises `KeysError`, with the line's number where one is damaged."""
        keys, damage = self._read()
        if damage:
            raise KeysError("; ".join(damage))
        return keys

    def write(self, keys: Iterable[ApiKey]) -> None:
        """Put these keys into the file, atomically, for its owner alone to read."""
        with durable.replacing(self.path) as file:
            os.fchmod(file.fileno(), 0o600)
            file.write("".join(f"{key}\n" for key in keys).encode())

    def _read_stamp(self) -> tuple[int, int, int] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _read(self) -> tuple[tuple[ApiKey, ...], list[str]]:
        """The keys of the whole lines, and what is wrong with the others."""
        try:
            lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError as error:
            return (), [f"{self.path} cannot be read: {error.strerror}"]
        return _parse(lines, str(self.path))


def parse_keys(content: bytes, source: str) -> Sequence[ApiKey]:
    """The keys of such a file's content; raises `KeysError`, with the line's number if one is damaged."""
    keys, damage = _parse(content.decode(errors="replace").splitlines(), source)
    if damage:
        raise KeysError("; ".join(damage))
    return keys


def _parse(lines: Iterable[str], source: str) -> tuple[tuple[ApiKey, ...], list[str]]:
    """The keys of the whole lines, and what is wrong with the others."""
    keys: dict[str, ApiKey] = {}
    damage = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            key = ApiKey.parse(line)
        except KeysError as error:
            damage.append(f"{source}, line {number}: {error}")
            continue
        if key.name in keys:
            damage.append(f"{source}, line {number}: another line has the name {key.name!r} already")
        else:
            keys[key.name] = key
    return tuple(keys.values()), damage


def required_keys(settings: Settings) -> KeysFile | None:
    """The keys that the API asks for, None where it asks for none because only this host can reach it.

    Raises `KeysError` where others can reach it and there is no key, or where the file is missing or damaged.
    """
    if settings.api_keys_file is None:
        if settings.is_local:
            return None
        raise KeysError(
            "the API would be open to everybody who reaches"
            f" {settings.domain or settings.published_on or settings.bind}. {how_to_require_keys(settings)}"
        )
    keys = KeysFile(settings.api_keys_file)
    if reason := _why_unreadable(keys.path):
        raise KeysError(
            f"{reason}. Make a key: `{create_key(settings)}`; or restore a copy of the file: `{restore_keys(settings)}`"
        )
    try:
        present = keys.check()
    except KeysError as error:
        raise KeysError(f"{error}. Correct that, or restore a copy of the file: `{restore_keys(settings)}`") from error
    if not present and not settings.is_local:
        raise KeysError(f"{keys.path} has no key in it. Make one: `{create_key(settings)}`")
    return keys


def _why_unreadable(path: Path) -> str | None:
    """Why this process cannot read the file: it is missing, or whose it is, with which mode."""
    try:
        with path.open("rb"):
            return None
    except PermissionError as error:
        with suppress(OSError):
            status = path.stat()
            owner = f"it belongs to uid {status.st_uid} with mode {status.st_mode & 0o7777:04o}"
            return f"{path} cannot be read by uid {os.geteuid()}: {owner}"
        return f"{path} cannot be read: {error.strerror}"
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
