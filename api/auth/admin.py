"""`python -m api.auth.admin keys create|list|revoke|restore`: manages API keys; a running API reloads them."""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from api.auth.keys import KeysError, KeysFile, Scope, new_key, parse_keys, parse_scopes
from shared.errors import StorageFull
from shared.runtime.remedies import name_keys_file
from shared.runtime.settings import SettingsError, load_settings
from shared.storage import durable


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line. Exits with a message if the command fails."""
    wanted = _parser().parse_args(arguments)
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.exit(f"glassbox-admin: {error}")
    path = wanted.file or settings.api_keys_file
    if path is None:
        sys.exit(f"glassbox-admin: no API keys file is set. {name_keys_file(settings)}")
    try:
        wanted.run(KeysFile(path), wanted)
    except KeysError as error:
        sys.exit(f"glassbox-admin: {error}")
    except (OSError, StorageFull) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        sys.exit(f"glassbox-admin: {path} cannot be written: {reason}")


def create(keys: KeysFile, wanted: argparse.Namespace) -> None:
    """Create a key and print it. The key is never shown again."""
    key, line = new_key(wanted.name, parse_scopes(wanted.scopes))
    with _locked(keys.path):
        others = keys.check() if keys.path.exists() else ()
        if any(other.name == line.name for other in others):
            raise KeysError(f"the key {line.name!r} exists already; revoke it first, or choose another name")
        keys.write([*others, line])
    print(
        f"Created the key {line.name!r} ({wanted.scopes}); {keys.path} holds its SHA-256."
        " Copy the key now, it is not shown again:",
        file=sys.stderr,
    )
    print(key)


def show(keys: KeysFile, _wanted: argparse.Namespace) -> None:
    """Print each key's name and scopes."""
    for key in keys.check():
        print(f"{key.name}\t{','.join(scope for scope in Scope if scope in key.scopes)}")


def revoke(keys: KeysFile, wanted: argparse.Namespace) -> None:
    """Remove a key from the file. The API rejects the key from its next request on."""
    with _locked(keys.path):
        present = keys.check()
        remaining = [key for key in present if key.name != wanted.name]
        if len(remaining) == len(present):
            raise KeysError(f"{keys.path} has no key {wanted.name!r}")
        keys.write(remaining)
    print(f"The key {wanted.name!r} is revoked.", file=sys.stderr)


def restore(keys: KeysFile, _wanted: argparse.Namespace) -> None:
    """Replace the file with the content of standard input, with the owner and mode that the API needs."""
    restored = parse_keys(sys.stdin.buffer.read(), "standard input")
    if not restored:
        raise KeysError("standard input holds no key; the file is unchanged")
    with _locked(keys.path):
        keys.write(restored)
    print(f"{keys.path} has {len(restored)} keys: {', '.join(key.name for key in restored)}", file=sys.stderr)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Lock the file for one change, so that two concurrent changes both take effect."""
    durable.make_folder(path.absolute().parent)
    folder = os.open(path.absolute().parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m api.auth.admin", description="Administer a Glassbox API.")
    subjects = parser.add_subparsers(required=True, metavar="keys")
    subject = subjects.add_parser("keys", help="API keys")
    subject.add_argument("--file", type=Path, help="the API keys file (default: GLASSBOX_API_KEYS_FILE)")
    keys = subject.add_subparsers(required=True, metavar="create|list|revoke|restore")
    command = keys.add_parser("create", help="create a key and print it once")
    command.add_argument("name", help="the key's owner; the log and `list` show it")
    command.add_argument("--scopes", default="submit", help="read, submit or manage; each includes the ones before it")
    command.set_defaults(run=create)
    command = keys.add_parser("list", help="list the keys' names and scopes")
    command.set_defaults(run=show)
    command = keys.add_parser("revoke", help="revoke a key at once")
    command.add_argument("name")
    command.set_defaults(run=revoke)
    command = keys.add_parser("restore", help="replace the file with a copy from standard input")
    command.set_defaults(run=restore)
    return parser


if __name__ == "__main__":
    main()
