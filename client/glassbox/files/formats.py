"""File formats of a batch's rows."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from glassbox.errors import WrongArgument

Format = Literal["jsonl", "csv", "npz", "parquet"]

FORMATS: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".npz": "npz",
    ".parquet": "parquet",
}


def format_of(name: str) -> Format:
    """Return the format of a file's ending. Raises `WrongArgument`."""
    found = FORMATS.get(Path(name).suffix.lower())
    if found is None:
        raise WrongArgument(f"{name} has none of the endings {', '.join(FORMATS)}: set the format")
    return found
