"""An exported version: a file's content in parts, most of which are views of the parameters' memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from api.exports import onnx, safetensors
from api.exports.parts import Part
from shared.registry import ModelVersion
from shared.storage.durable import BLOCK

FORMATS: Mapping[str, Callable[[ModelVersion, Mapping[str, NDArray[Any]]], list[Part]]] = {
    "safetensors": safetensors.encode,
    "onnx": onnx.encode,
}


@dataclass(frozen=True)
class Export:
    """A file's content; `length` in bytes, `sha256` in hexadecimal."""

    parts: Sequence[Part]
    length: int
    sha256: str

    def blocks(self) -> Iterator[bytes]:
        """Yield the content in blocks."""
        for part in self.parts:
            for start in range(0, len(part), BLOCK):
                yield bytes(part[start : start + BLOCK])


def export(version: ModelVersion, parameters: Mapping[str, NDArray[Any]], file_format: str) -> Export:
    """Export a version in one of `FORMATS`. `parameters`: the version's parameters by name."""
    parts = FORMATS[file_format](version, parameters)
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return Export(parts, sum(map(len, parts)), digest.hexdigest())
