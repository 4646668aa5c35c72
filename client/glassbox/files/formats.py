"""What a batch's rows can be written as."""

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
    """The format that a file's ending stands for. Raises `WrongArgument`."""
    found = FORMATS.get(Path(name).suffix.lower())
    if found is None:
        raise WrongArgument(f"the ending of {name} is none of {', '.join(FORMATS)}: name the format")
    return found
