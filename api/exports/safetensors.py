"""The safetensors format: a header in JSON that says where each tensor lies, then their bytes, and nothing else.

Source: huggingface/safetensors, README.md, "Format". Eight bytes, little-endian, have the header's length; the header
is padded with spaces so that the first tensor begins at a multiple of 8; tensors follow one another without a gap.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from api.exports.description import description
from api.exports.parts import Part, little_endian
from shared.registry import ModelVersion

DTYPES = {"float32": "F32", "float64": "F64"}
ALIGNMENT = 8


def encode(version: ModelVersion, parameters: Mapping[str, NDArray[Any]]) -> list[Part]:
    """The parameters under their own names, as they are in the .npz; the metadata say the rest."""
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
        content.append(little_endian(array))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    return [len(text).to_bytes(8, "little"), text, *content]
