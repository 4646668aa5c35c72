"""The safetensors format: a JSON header with each tensor's offsets, then the tensors' bytes.

Source: huggingface/safetensors, README.md, "Format". The first eight bytes hold the header's length, little-endian. The
header is padded with spaces so that the first tensor starts at a multiple of 8. The tensors follow without gaps.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from api.exports.description import description
from api.exports.parts import Part, content_of
from shared.registry import ModelVersion
from shared.registry.stored import StoredArray

DTYPES = {"float32": "F32", "float64": "F64"}
ALIGNMENT = 8


def encode(version: ModelVersion, parameters: Mapping[str, StoredArray]) -> list[Part]:
    """Encode the parameters under their names in the .npz, with the version's metadata."""
    header: dict[str, object] = {"__metadata__": description(version)}
    content: list[Part] = []
    end = 0
    for name, array in parameters.items():
        start, end = end, end + array.nbytes
        header[name] = {
            "dtype": DTYPES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [start, end],
        }
        content.append(content_of(array))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    return [len(text).to_bytes(8, "little"), text, *content]
