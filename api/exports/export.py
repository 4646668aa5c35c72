"""An exported version: a file's content in parts, most of which are read from the version's file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from api.exports import onnx, safetensors
from api.exports.parts import Part, blocks_of
from shared.registry import ModelVersion
from shared.registry.stored import StoredArray

FORMATS: Mapping[str, Callable[[ModelVersion, Mapping[str, StoredArray]], list[Part]]] = {
    "safetensors": safetensors.encode,
    "onnx": onnx.encode,
}


@dataclass(frozen=True)
class Export:
    """A file's content; `length` in bytes."""

    parts: Sequence[Part]
    length: int

    def blocks(self) -> Iterator[bytes]:
        """Yield the content in blocks."""
        for part in self.parts:
            yield from blocks_of(part)

    def sha256(self) -> str:
        """Return the SHA-256 in hexadecimal, for which all parts are read."""
        digest = hashlib.sha256()
        for block in self.blocks():
            digest.update(block)
        return digest.hexdigest()


def export(version: ModelVersion, parameters: Mapping[str, StoredArray], file_format: str) -> Export:
    """Export a version in one of `FORMATS`. `parameters`: the version's parameters by name."""
    return export_of(FORMATS[file_format](version, parameters))


def export_of(parts: Sequence[Part]) -> Export:
    """Return a file with these parts."""
    return Export(parts, sum(map(len, parts)))
