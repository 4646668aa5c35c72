"""A sink: files below one folder or prefix, written whole under their final names; and the claim of a job to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from shared.errors import Conflict, Invalid
from shared.storage.durable import TEMPORARY

CLAIM = "_job.json"
"""The name of the file that says which job writes to a sink. Readers of data sets skip names that begin with `_`."""

LONGEST_CLAIM = 4096  # bytes

Chunks = Callable[[], Iterator[bytes]]
"""Returns an iterator over the content of a file, from the beginning each time."""


class Sink(Protocol):
    """The files of one job's results. A name is relative, with slashes; a writer creates the folders it needs.

    All methods raise `NotFound` (`sink_not_found`: the bucket or the operator's folder does not exist), `Invalid`
    (`sink_refused`: no right to do that), `StorageFull` (`sink_full`), or `Unavailable` (`sink_unavailable`: trying
    again may help).
    """

    url: str

    def names(self, folder: str = "") -> Iterator[str]:
        """Iterate over the names of the files and folders in a folder of the sink, `""` or one such as `results/`."""

    def read(self, name: str, most: int) -> bytes | None:
        """Return the first bytes of a file, at most this number; None if it does not exist."""

    def write(self, name: str, chunks: Chunks) -> None:
        """Write a file, atomically: readers see it whole or not at all. It replaces a file of the same name."""

    def delete(self, name: str) -> None:
        """Delete a file; one that does not exist is not an error."""


def claim(sink: Sink, job_id: str) -> bool:
    """Claim an empty sink for a job by writing a file; return False if the job has claimed it before.

    This also shows that the sink can be written. Raises `Conflict` if it has other files, or is another job's.
    """
    content = sink.read(CLAIM, LONGEST_CLAIM)
    if content is None:
        others = (name for name in sink.names() if not name.startswith(TEMPORARY))
        if (name := next(others, None)) is not None:
            raise Conflict(
                "sink_not_empty",
                f"{sink.url} is not empty: it contains {_shortened(name)}. Results are written to an empty folder or"
                " prefix only: name another one, or empty this one",
            )
        sink.write(CLAIM, lambda: iter([claim_of(job_id)]))
        return True
    owner = _owner(content)
    if owner != job_id:
        whose = "another writer" if owner is None else f"the job {_shortened(owner)}"
        raise Conflict(
            "sink_not_empty",
            f"{sink.url} has the results of {whose}, by its file {CLAIM}: name another folder or prefix, or empty"
            " this one",
        )
    return False


def claim_of(job_id: str) -> bytes:
    """Return the content of the file that claims a sink."""
    about = "Results of a batch of Glassbox. They are complete when manifest.json exists."
    return json.dumps({"job": job_id, "about": about}, indent=2).encode() + b"\n"


def _owner(content: bytes) -> str | None:
    try:
        owner = json.loads(content)["job"]
    except (ValueError, TypeError, KeyError):
        return None
    return owner if isinstance(owner, str) else None


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 100 else f"{text[:100]}…")


def refused(reason: str) -> Invalid:
    """Return the error of a sink that this server may not use as it must."""
    return Invalid("sink_refused", reason)


def joined(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Join chunks to ones of at least `size` bytes; the last one may be smaller."""
    parts: list[bytes] = []
    count = 0
    for chunk in chunks:
        parts.append(chunk)
        count += len(chunk)
        if count >= size:
            yield b"".join(parts)
            parts, count = [], 0
    if parts:
        yield b"".join(parts)
