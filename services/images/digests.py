"""Reads the digests of the listed images from their registries, and prints the known digests as variables.

    python -m services.images.digests update [FOLDER]    write each tag's digest and today's date into `list.txt`
    python -m services.images.digests env [FOLDER]       print GLASSBOX_…_DIGEST=@sha256:…, for .env or a release

`update` needs docker with buildx, and access to the registries. An image whose tag cannot be read keeps its line.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

from services.images.listed import DIGEST, LIST, Entry, entries

INSPECT = ("docker", "buildx", "imagetools", "inspect", "--format", "{{.Manifest.Digest}}")
SECONDS = 60


class Unreadable(Exception):
    """The digest of a tag could not be read; the message says why."""


def update(folder: Path, today: date) -> list[str]:
    """Write the registries' present digests into the list; return a sentence for each that could not be read."""
    path = folder / LIST
    lines = path.read_text(encoding="utf-8").splitlines()
    failures = []
    for entry in entries("\n".join(lines)):
        if not isinstance(entry, Entry):
            failures.append(str(entry))
            continue
        try:
            digest = read(entry.reference)
        except Unreadable as reason:
            failures.append(f"{LIST}:{entry.line}: {entry.reference} could not be read and keeps its line: {reason}")
        else:
            lines[entry.line - 1] = f"{entry.reference:<25} {digest}  {today.isoformat()}  {entry.purpose}"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return failures


def read(reference: str) -> str:
    """Return the registry's present digest for a tag. Raises `Unreadable`."""
    try:
        done = subprocess.run([*INSPECT, reference], capture_output=True, text=True, timeout=SECONDS, check=False)
    except FileNotFoundError:
        raise Unreadable("the command `docker` was not found; install Docker") from None
    except subprocess.TimeoutExpired:
        raise Unreadable(f"no response within {SECONDS} s") from None
    digest = done.stdout.strip()
    if done.returncode != 0:
        raise Unreadable((done.stderr.strip().splitlines() or [f"docker ended with {done.returncode}"])[-1])
    if not DIGEST.fullmatch(digest):
        raise Unreadable(f"docker printed {digest!r}, which is not a digest")
    return digest


def variables(folder: Path) -> list[str]:
    """Return the variables of Compose and of the build that pin the images with known digests."""
    listed = [each for each in entries((folder / LIST).read_text(encoding="utf-8")) if isinstance(each, Entry)]
    return [f"{entry.variable}=@{entry.digest}" for entry in listed if entry.digest]


if __name__ == "__main__":
    command, root = (sys.argv[1:2] or [""])[0], Path(sys.argv[2] if len(sys.argv) > 2 else ".")
    if command == "env":
        print("\n".join(variables(root)))
    elif command == "update":
        problems = update(root, datetime.now(UTC).date())
        for problem in problems:
            print(f"images: {problem}", file=sys.stderr)
        sys.exit(1 if problems else 0)
    else:
        sys.exit("usage: python -m services.images.digests update|env [FOLDER]")
