"""`python -m api.auth.admin keys create|list|revoke|restore`: makes and revokes API keys; a running API notices."""

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
    """Do what the command line says; ends the process with a sentence where it cannot be done."""
    wanted = _parser().parse_args(arguments)
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.exit(f"glassbox-admin: {error}")
    path = wanted.file or settings.api_keys_file
    if path is None:
        sys.exit(f"glassbox-admin: no file of keys is named. {name_keys_file(settings)}")
    try:
        wanted.run(KeysFile(path), wanted)
    except KeysError as error:
        sys.exit(f"glassbox-admin: {error}")
    except (OSError, StorageFull) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        sys.exit(f"glassbox-admin: {path} cannot be written: {reason}")


def create(keys: KeysFile, wanted: argparse.Namespace) -> None:
    """Make a key, and print it: the only time that it is shown."""
    key, line = new_key(wanted.name, parse_scopes(wanted.scopes))
    with _locked(keys.path):
        others = keys.check() if keys.path.exists() else ()
        if any(other.name == line.name for other in others):
            raise KeysError(f"there is a key {line.name!r} already; revoke it first, or take another name")
        keys.write([*others, line])
    print(f"The key {line.name!r} ({wanted.scopes}) is in {keys.path}, as its SHA-256. Keep it now:", file=sys.stderr)
    print(key)


def show(keys: KeysFile, _wanted: argparse.Namespace) -> None:
    """Print each key's name and scopes."""
    for key in keys.check():
        print(f"{key.name}\t{','.join(scope for scope in Scope if scope in key.scopes)}")


def revoke(keys: KeysFile, wanted: argparse.Namespace) -> None:
    """Take a key out of the file; whoever has it is refused from the next request on."""
    with _locked(keys.path):
        every = keys.check()
        left = [key for key in every if key.name != wanted.name]
        if len(left) == len(every):
            raise KeysError(f"there is no key {wanted.name!r} in {keys.path}")
        keys.write(left)
    print(f"The key {wanted.name!r} is revoked.", file=sys.stderr)


def restore(keys: KeysFile, _wanted: argparse.Namespace) -> None:
    """Replace the file by the one that comes by the standard input, with the owner and the mode that the API needs."""
    restored = parse_keys(sys.stdin.buffer.read(), "the standard input")
    if not restored:
        raise KeysError("no key came by the standard input; the file is as it was")
    with _locked(keys.path):
        keys.write(restored)
    print(f"{keys.path} has {len(restored)} keys: {', '.join(key.name for key in restored)}", file=sys.stderr)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the file for this change alone, so that two made at once are both in it."""
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
    subject.add_argument("--file", type=Path, help="where they are (GLASSBOX_API_KEYS_FILE)")
    keys = subject.add_subparsers(required=True, metavar="create|list|revoke|restore")
    command = keys.add_parser("create", help="make a key and print it, once")
    command.add_argument("name", help="whose it is: the log and `list` show it")
    command.add_argument("--scopes", default="submit", help="read, submit or manage; each allows the ones before it")
    command.set_defaults(run=create)
    command = keys.add_parser("list", help="show the keys' names and scopes")
    command.set_defaults(run=show)
    command = keys.add_parser("revoke", help="make a key useless at once")
    command.add_argument("name")
    command.set_defaults(run=revoke)
    command = keys.add_parser("restore", help="replace the file by a copy of it, from the standard input")
    command.set_defaults(run=restore)
    return parser


if __name__ == "__main__":
    main()
