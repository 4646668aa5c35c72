"""Reader of a tensor in a safetensors file, with only the standard library.

Source: huggingface/safetensors, README.md, "Format": eight bytes with the length of a JSON header, then the header with
the offsets of the tensors, then their data.
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
    """An array of numbers. values: in row-major order."""

    shape: tuple[int, ...]
    values: array[float]


def read_tensor(path: Path, name: str) -> Tensor:
    """Return a tensor of the file. Raises `UnexpectedAnswer` if the file is damaged or lacks the tensor."""
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
        raise UnexpectedAnswer(f"the tensor {name} cannot be read from the weights: {error!r}") from error
    if len(values) != math.prod(shape):
        raise UnexpectedAnswer(f"the tensor {name} has {len(values)} numbers, but its shape is {shape}")
    if sys.byteorder == "big":
        values.byteswap()
    return Tensor(shape, values)
