"""The file with the secrets that sign webhooks, one per line, readable only by its owner.

python -m worker.webhooks.secrets show
python -m worker.webhooks.secrets set < FILE    takes effect when the service `courier` restarts
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from shared.errors import StorageFull
from shared.runtime.settings import SecretError, SettingsError, load_settings
from shared.storage import durable
from shared.storage.volume import Volume

PREFIX = "whsec_"
FEWEST_BYTES, MOST_BYTES = 24, 64
USAGE = "usage: python -m worker.webhooks.secrets show | set < FILE"


@dataclass(frozen=True)
class SecretsFile:
    """The secrets at `path`; each method raises `SecretError` if it fails."""

    path: Path

    def make(self, replaces: Path) -> None:
        """Create the file if it is missing: from `replaces`, the file of older versions, or with a new secret.

        The older file, which more services can read, is removed after its secrets are in this one.
        """
        older = SecretsFile(replaces)
        must_move = replaces != self.path and replaces.exists()
        if not self.path.exists():
            self._write(older.read() if must_move else [PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()])
        if must_move and set(older.read()) <= set(self.read()):
            replaces.unlink(missing_ok=True)

    def read(self) -> list[str]:
        """Return the secrets, each in a valid format."""
        try:
            found = self.path.read_text().split()
        except (OSError, UnicodeDecodeError) as error:
            raise SecretError(f"{self.path} cannot be read: {_reason(error)}") from error
        if not found:
            raise SecretError(f"{self.path} is empty; it must hold a webhook secret")
        for secret in found:
            key_of(secret)
        return found

    def replace(self, text: str) -> None:
        """Replace the present secrets with these."""
        found = text.split()
        if not found:
            raise SecretError("the standard input has no secret; the file is unchanged")
        for secret in found:
            key_of(secret)
        try:
            with durable.replacing(self.path) as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(_lines(found))
        except (OSError, StorageFull) as error:
            raise SecretError(f"{self.path} cannot be written: {_reason(error)}") from error

    def _write(self, found: Sequence[str]) -> None:
        """Create the file, unless another process has created it."""
        previous_umask = os.umask(0o077)
        try:
            durable.write_exclusively(self.path, _lines(found))
        except (OSError, StorageFull) as error:
            raise SecretError(f"{self.path} cannot be written: {_reason(error)}") from error
        finally:
            os.umask(previous_umask)


def key_of(secret: str) -> bytes:
    """Return a secret's key as bytes; raises `SecretError` if it is not in the format of Standard Webhooks."""
    key = b""
    with suppress(binascii.Error, ValueError):
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    if not secret.startswith(PREFIX) or not FEWEST_BYTES <= len(key) <= MOST_BYTES:
        raise SecretError(
            f"a webhook secret must be {PREFIX!r} and the base64 of {FEWEST_BYTES} to {MOST_BYTES} bytes; one is not"
        )
    return key


def main(arguments: Sequence[str]) -> None:
    """Run the command; end the process with a message if it fails."""
    try:
        settings = load_settings()
        file = SecretsFile(settings.webhook_secrets_file or Volume(settings.volume).webhook_secret)
        if arguments == ["show"]:
            print("\n".join(file.read()))
        elif arguments == ["set"]:
            file.replace(sys.stdin.read())
        else:
            sys.exit(USAGE)
    except (SettingsError, SecretError) as error:
        sys.exit(f"glassbox: {error}")


def _lines(found: Sequence[str]) -> bytes:
    return "".join(f"{secret}\n" for secret in found).encode()


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


if __name__ == "__main__":
    main(sys.argv[1:])
