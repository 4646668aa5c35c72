"""The files of an upload that the server skipped."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SkippedFiles:
    """The files that were skipped for one reason. names: the first few."""

    count: int
    names: tuple[str, ...]
