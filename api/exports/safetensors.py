"""The safetensors format: a JSON header with each tensor's offsets, then the tensors' bytes.

Source: huggingface/safetensors, README.md, "Format". The first eight bytes hold the header's length, little-endian. The
header is padded with spaces so that the first tensor starts at a multiple of 8. The tensors follow without gaps.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from api.exports.description import description
from api.exports.parts import Part, content_of
from shared.registry import ModelVersion
from shared.registry.stored import StoredArray

DTYPES = {"float32": "F32", "float64": "F64", "uint8": "U8", "int32": "I32"}
ALIGNMENT = 8

Tensor = tuple[str, np.dtype[np.generic], tuple[int, ...], int]
"""The name, type, shape and size in bytes of a tensor."""


def encode(version: ModelVersion, parameters: Mapping[str, StoredArray]) -> list[Part]:
    """Encode the parameters under their names in the .npz, with the version's metadata."""
    return encode_stored(parameters, description(version))


def encode_stored(arrays: Mapping[str, StoredArray], metadata: Mapping[str, str]) -> list[Part]:
    """Encode arrays, which are read when their bytes are needed."""
    tensors = ((name, array.dtype, array.shape, array.nbytes) for name, array in arrays.items())
    return [*_head(tensors, metadata), *map(content_of, arrays.values())]


def encode_arrays(arrays: Mapping[str, NDArray[np.generic]], metadata: Mapping[str, str]) -> bytes:
    """Encode little-endian arrays that are in memory. Those with larger items must come first, to be aligned."""
    tensors = ((name, array.dtype, array.shape, array.nbytes) for name, array in arrays.items())
    return b"".join([*_head(tensors, metadata), *(np.ascontiguousarray(array).data for array in arrays.values())])


def _head(tensors: Iterable[Tensor], metadata: Mapping[str, str]) -> list[bytes]:
    """Return the bytes before the tensors."""
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    end = 0
    for name, dtype, shape, nbytes in tensors:
        start, end = end, end + nbytes
        header[name] = {"dtype": DTYPES[dtype.name], "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    return [len(text).to_bytes(8, "little"), text]
