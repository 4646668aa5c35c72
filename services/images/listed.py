"""The list of base images, `list.txt`: reads and validates its entries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

LIST = Path("services/images/list.txt")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
REFERENCE = re.compile(r"(?:[a-z0-9.-]+(?::\d+)?/)?[a-z0-9._/-]+:[A-Za-z0-9_][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Entry:
    """A line of the list. `digest` is None if it is not known."""

    line: int
    reference: str
    digest: str | None
    verified: date
    purpose: str

    @property
    def variable(self) -> str:
        """The variable of Compose and, without its prefix, the build argument that appends the digest."""
        return f"GLASSBOX_{self.reference.partition(':')[0].rpartition('/')[2].upper()}_DIGEST"


class Malformed(ValueError):
    """A line of the list that is not an entry; the message says where and what is wrong."""


def entries(text: str) -> Iterator[Entry | Malformed]:
    """Yield the entries of the list in order; for a malformed line, yield the error instead."""
    seen: set[str] = set()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            entry = _entry(number, line)
        except Malformed as problem:
            yield problem
            continue
        if entry.reference in seen:
            yield Malformed(f"{LIST}:{number}: {entry.reference} is listed twice; remove one of the lines")
            continue
        seen.add(entry.reference)
        yield entry


def _entry(number: int, line: str) -> Entry:
    where = f"{LIST}:{number}"
    words = line.split(maxsplit=3)
    if len(words) < 4:
        raise Malformed(f"{where}: expected reference, digest or -, date and purpose; got {line.strip()!r}")
    reference, digest, verified, purpose = words
    if not REFERENCE.fullmatch(reference):
        raise Malformed(f"{where}: {reference} is not an image with a tag, such as redis:8.8-trixie")
    if reference.endswith(":latest"):
        raise Malformed(f"{where}: {reference} names no version; choose the tag of a release")
    if digest != "-" and not DIGEST.fullmatch(digest):
        raise Malformed(f"{where}: {digest} is neither sha256: with 64 hexadecimal digits nor - (unknown)")
    try:
        day = date.fromisoformat(verified)
    except ValueError:
        raise Malformed(
            f"{where}: {reference} has no date; write the day on which it was verified as YYYY-MM-DD, not {verified!r}"
        ) from None
    if day > datetime.now(UTC).date():
        raise Malformed(f"{where}: {reference} was verified on {day}, which is in the future")
    return Entry(number, reference, None if digest == "-" else digest, day, purpose)
