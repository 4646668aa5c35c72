"""Reads a tensor out of a safetensors file, with the standard library alone.

Source: huggingface/safetensors, README.md, "Format": eight bytes have the length of a header in JSON, which says where
behind it each tensor lies.
"""

from __future__ import annotations

import json
import math
import sys
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glassbox.errors import UnexpectedAnswer

TYPES = {"F32": "f", "F64": "d"}
LONGEST_HEADER = 100_000_000  # the format's own limit


@dataclass(frozen=True)
class Tensor:
    """Numbers row by row, and how many there are along each axis."""

    shape: tuple[int, ...]
    values: array[float]


def read_tensor(path: Path, name: str) -> Tensor:
    """One tensor of the file. Raises `UnexpectedAnswer` where the file is not what it should be, or has no such one."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            entry: dict[str, Any] = json.loads(file.read(min(length, LONGEST_HEADER)))[name]
            start, end = entry["data_offsets"]
            values: array[float] = array(TYPES[entry["dtype"]])
            file.seek(8 + length + start)
            values.frombytes(file.read(end - start))
            shape = tuple(map(int, entry["shape"]))
    except (KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        raise UnexpectedAnswer(f"the weights hold no {name} that can be read: {error!r}") from error
    if len(values) != math.prod(shape):
        raise UnexpectedAnswer(f"the weights hold no whole {name}: {len(values)} numbers, not {shape}")
    if sys.byteorder == "big":
        values.byteswap()
    return Tensor(shape, values)
