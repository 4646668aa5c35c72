"""The API keys file: one line `name:scopes:sha256` per key, reloaded after each change.

The file holds the SHA-256 of each key, never the key. A key has 256 random bits, so its digest reveals nothing and a
slow hash adds no security. A key is shown once, on creation.
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

PREFIX = "glassbox_"  # lets people and secret scanners recognize a key
BYTES = 32
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
DIGEST = re.compile(r"[0-9a-fA-F]{64}")


class Scope(StrEnum):
    """What a key allows. Each scope includes the scopes above it."""

    READ = "read"  # read everything, run predictions
    SUBMIT = "submit"  # upload data sets; submit, cancel and retry jobs
    MANAGE = "manage"  # delete, move aliases

    def covers(self, other: Scope) -> bool:
        """Return whether this scope includes `other`."""
        order = list(Scope)
        return order.index(self) >= order.index(other)


class KeysError(Exception):
    """The API keys file is missing, damaged or required. The message says what to do."""


@dataclass(frozen=True)
class ApiKey:
    """One line of the file: the key's name, its scopes, and its SHA-256 in hexadecimal."""

    name: str
    scopes: frozenset[Scope]
    digest: str

    def allows(self, scope: Scope) -> bool:
        """Return whether one of the key's scopes includes this scope."""
        return any(own.covers(scope) for own in self.scopes)

    @classmethod
    def parse(cls, line: str) -> ApiKey:
        """Parse a line. Raises `KeysError`, whose message omits the line, because it might contain a key."""
        parts = [part.strip() for part in line.split(":")]
        if len(parts) != 3:
            raise KeysError(f"the line must have the three parts name:scopes:sha256; got {len(parts)}")
        name, scopes, digest = parts
        if not NAME.fullmatch(name):
            raise KeysError("the name must be 1 to 64 letters, digits, dots, underscores, @ and hyphens")
        if not DIGEST.fullmatch(digest):
            raise KeysError("the last part must be the key's SHA-256, 64 hexadecimal digits")
        return cls(name, parse_scopes(scopes), digest.lower())

    def __str__(self) -> str:
        """Return the line."""
        return f"{self.name}:{','.join(scope for scope in Scope if scope in self.scopes)}:{self.digest}"


def parse_scopes(text: str) -> frozenset[Scope]:
    """Parse scopes separated by commas or plus signs. Raises `KeysError`."""
    try:
        return frozenset(Scope(part.strip()) for part in re.split("[,+]", text))
    except ValueError as error:
        raise KeysError(
            f"the scopes must be one or more of {', '.join(Scope)}, separated by commas or plus signs"
        ) from error


def digest_of(key: str) -> str:
    """Return the SHA-256 of a key in hexadecimal, as the file holds it."""
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()


def new_key(name: str, scopes: frozenset[Scope]) -> tuple[str, ApiKey]:
    """Return a new key and its line. Raises `KeysError` if the name is invalid."""
    key = PREFIX + secrets.token_urlsafe(BYTES)
    return key, ApiKey.parse(str(ApiKey(name, scopes, digest_of(key))))


class KeysFile:
    """The current content of the keys file. If the file is damaged while in use, its valid lines still apply."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, ...] | None = None
        self._keys: tuple[ApiKey, ...] = ()

    def find(self, presented: str) -> ApiKey | None:
        """Return the entry of a presented key, or None. The lookup takes constant time."""
        digest = digest_of(presented)
        found = None
        for key in self.current():
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found

    def current(self) -> Sequence[ApiKey]:
        """Return the keys, reloaded if the file changed; empty if the file is missing."""
        stamp = self._read_stamp()
        if stamp != self._stamp:
            keys, damage = self._read()
            for problem in damage:
                log.error("API keys: %s; this line is ignored", problem)
            self._keys, self._stamp = keys, stamp
        return self._keys

    def check(self) -> Sequence[ApiKey]:
        """Return the keys. Raises `KeysError` with the line number if a line is invalid."""
        keys, damage = self._read()
        if damage:
            raise KeysError("; ".join(damage))
        return keys

    def write(self, keys: Iterable[ApiKey]) -> None:
        """Replace the file atomically with these keys; only its owner may read it."""
        with durable.replacing(self.path) as file:
            os.fchmod(file.fileno(), 0o600)
            file.write("".join(f"{key}\n" for key in keys).encode())

    def _read_stamp(self) -> tuple[int, ...] | None:
        """Return what changes with the file: also the time of a new owner or mode, which may make it readable."""
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ctime_ns, status.st_ino

    def _read(self) -> tuple[tuple[ApiKey, ...], list[str]]:
        """Return the keys of the valid lines, and the problems of the others."""
        try:
            lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError as error:
            return (), [f"{self.path} cannot be read: {error.strerror}"]
        return _parse(lines, str(self.path))


def parse_keys(content: bytes, source: str) -> Sequence[ApiKey]:
    """Parse a keys file's content. Raises `KeysError` with the line number if a line is invalid."""
    keys, damage = _parse(content.decode(errors="replace").splitlines(), source)
    if damage:
        raise KeysError("; ".join(damage))
    return keys


def _parse(lines: Iterable[str], source: str) -> tuple[tuple[ApiKey, ...], list[str]]:
    """Return the keys of the valid lines, and the problems of the others."""
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
            damage.append(f"{source}, line {number}: the name {key.name!r} is used by an earlier line")
        else:
            keys[key.name] = key
    return tuple(keys.values()), damage


def required_keys(settings: Settings) -> KeysFile | None:
    """Return the keys that the API requires; None if it requires none, because only this host can reach it.

    Raises `KeysError` if other hosts can reach it and no key exists, or if the file is missing or damaged.
    """
    if settings.api_keys_file is None:
        if settings.is_local:
            return None
        raise KeysError(
            "without API keys, the API would be open to every client that can reach"
            f" {settings.domain or settings.published_on or settings.bind}. {how_to_require_keys(settings)}"
        )
    keys = KeysFile(settings.api_keys_file)
    if reason := _why_unreadable(keys.path):
        raise KeysError(
            f"{reason}. Create a key: `{create_key(settings)}`;"
            f" or restore a copy of the file: `{restore_keys(settings)}`"
        )
    try:
        present = keys.check()
    except KeysError as error:
        raise KeysError(
            f"{error}. Correct the line, or restore a copy of the file: `{restore_keys(settings)}`"
        ) from error
    if not present and not settings.is_local:
        raise KeysError(f"{keys.path} holds no key. Create one: `{create_key(settings)}`")
    return keys


def _why_unreadable(path: Path) -> str | None:
    """Return why this process cannot read the file (missing, or its owner and mode); None if it can."""
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
