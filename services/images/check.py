"""Checks that every image that the sources name is in `list.txt`, with a date, and that every entry is used.

    python -m services.images.check [FOLDER]

`make lint` runs it. It prints a line for each problem and fails if there is one.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePath

from services.images.listed import LIST, Entry, entries
from services.images.named import named

OURS = "glassbox-"  # the images that are built from this repository
LOCKS = PurePath("requirements")  # names and hashes of Python packages


def problems(folder: Path) -> Iterator[str]:
    """Yield a sentence for each problem in the folder, with the place and the remedy."""
    listed: dict[str, Entry] = {}
    for entry in entries((folder / LIST).read_text(encoding="utf-8")):
        if isinstance(entry, Entry):
            listed[entry.reference] = entry
        else:
            yield str(entry)
    used: set[str] = set()
    for path in _sources(folder):
        for image in named(path, _text(folder / path)):
            reference, _, digest = image.reference.partition("@")
            if reference.rpartition("/")[2].startswith(OURS):
                continue
            if path.suffix != ".md":
                used.add(reference)
            yield from _problem(f"{path}:{image.line}", reference, digest, listed.get(reference))
    for entry in listed.values():
        if entry.reference not in used:
            yield f"{LIST}:{entry.line}: nothing uses {entry.reference}; remove the line"


def _problem(where: str, reference: str, digest: str, entry: Entry | None) -> Iterator[str]:
    if entry is None and ":" not in reference.rpartition("/")[2]:
        yield f"{where}: the image {reference} has no tag; name a release that is listed in {LIST}"
    elif entry is None:
        yield f"{where}: the image {reference} is not in {LIST}; add it with the date on which it was verified"
    elif digest and digest != entry.digest:
        yield f"{where}: {reference} has the digest {digest}, {LIST}:{entry.line} has {entry.digest or 'none'}"


def _sources(folder: Path) -> Iterator[PurePath]:
    """Yield the files that Git tracks or would track, except the list itself and the locked requirements."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, check=True).stdout.decode().split("\0")
    for path in sorted({PurePath(file) for file in files if file}):
        if path != PurePath(LIST) and path.parent != LOCKS and (folder / path).is_file():
            yield path


def _text(path: Path) -> str:
    content = path.read_bytes()
    return "" if b"\0" in content[:8192] else content.decode("utf-8", errors="replace")


if __name__ == "__main__":
    found = list(problems(Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
    for problem in found:
        print(f"images: {problem}", file=sys.stderr)
    sys.exit(1 if found else 0)
