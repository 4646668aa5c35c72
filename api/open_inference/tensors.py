"""Tensors of the Open Inference Protocol, out of JSON or out of the bytes behind it, as NumPy arrays."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import FieldError, Invalid
from shared.json_types import JsonObject

DATATYPES = {
    "BOOL": np.dtype("?"),
    **{f"UINT{8 * size}": np.dtype(f"<u{size}") for size in (1, 2, 4, 8)},
    **{f"INT{8 * size}": np.dtype(f"<i{size}") for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
}
BYTES = "BYTES"
MEMBERS = {"name", "shape", "datatype", "parameters", "data"}
KINDS = {"b": "b", "u": "iu", "i": "iu", "f": "iuf"}  # of a datatype, and of the JSON numbers that it takes


@dataclass(frozen=True)
class Tensor:
    """One input: numbers as an array of its shape, or BYTES as a list in row-major order."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: NDArray[Any] | list[bytes]


class Binary:
    """The bytes behind the JSON: each binary tensor takes its part, in the order of the inputs."""

    def __init__(self, content: memoryview) -> None:
        self._rest = content

    def take(self, size: Any, pointer: str) -> memoryview:
        """The next `size` bytes."""
        if type(size) is not int or size < 0 or size > len(self._rest):
            raise refuse(f"{pointer}/parameters/binary_data_size", f"says {size!r}, of {len(self._rest)} bytes left")
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def check_empty(self) -> None:
        """Raise `Invalid` where bytes are left that belong to no tensor."""
        if self._rest:
            raise refuse("#/inputs", f"leave {len(self._rest)} bytes behind the JSON that belong to none of them")


def refuse(pointer: str, reason: str) -> Invalid:
    """The error of one member of the request."""
    return Invalid("validation_failed", f"{pointer}: {reason}", [FieldError(reason, pointer=pointer)])


def refuse_unknown(given: JsonObject, known: set[str], pointer: str) -> None:
    """Raise `Invalid` where there is a member that is not known."""
    if not given.keys() <= known:
        raise refuse(f"{pointer}/{min(given.keys() - known)}", "is not a member of an inference request")


def parameters_of(given: JsonObject, pointer: str) -> JsonObject:
    """The parameters of a request, an input or an output; unknown ones are passed over, as the protocol says."""
    parameters = given.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise refuse(f"{pointer}/parameters", "must be a JSON object")
    return parameters


def read_tensor(given: Any, binary: Binary, pointer: str) -> Tensor:
    """Read one of the request's inputs; raises `Invalid`."""
    if not isinstance(given, dict):
        raise refuse(pointer, "must be a JSON object")
    refuse_unknown(given, MEMBERS, pointer)
    name, datatype, shape = given.get("name"), given.get("datatype"), given.get("shape")
    if not isinstance(name, str):
        raise refuse(f"{pointer}/name", "must be a string")
    if not isinstance(datatype, str) or (datatype not in DATATYPES and datatype != BYTES):
        raise refuse(f"{pointer}/datatype", f"must be one of {', '.join([*DATATYPES, BYTES])}")
    if not isinstance(shape, list) or not all(type(side) is int and side >= 0 for side in shape):
        raise refuse(f"{pointer}/shape", "must be a list of numbers, none of them negative")
    size = parameters_of(given, pointer).get("binary_data_size")
    if (size is None) == ("data" not in given):
        raise refuse(f"{pointer}/data", "must be there unless the parameter binary_data_size is, and only then")
    if datatype == BYTES:
        strings = _strings(given["data"], pointer) if size is None else _elements(binary.take(size, pointer), pointer)
        if len(strings) != math.prod(shape):
            raise refuse(f"{pointer}/shape", f"is of {math.prod(shape)} elements, and {len(strings)} came")
        return Tensor(name, datatype, tuple(shape), strings)
    dtype = DATATYPES[datatype]
    if size is None:
        values = _numbers(given["data"], dtype, pointer)
    else:
        values = _array(binary.take(size, pointer), dtype, pointer)
    if values.size != math.prod(shape):
        raise refuse(f"{pointer}/shape", f"is of {math.prod(shape)} elements, and {values.size} came")
    return Tensor(name, datatype, tuple(shape), values.reshape(shape))


def _numbers(data: Any, dtype: np.dtype[Any], pointer: str) -> NDArray[Any]:
    """JSON numbers, flat or nested, as an array: not of the datatype yet, so that what does not fit is seen."""
    try:
        values = np.array(data)
    except (ValueError, OverflowError):
        values = np.array(None)
    if values.size == 0 or values.dtype.kind in KINDS[dtype.kind]:
        return values
    raise refuse(f"{pointer}/data", f"must be a list, flat or nested, of what the datatype says: {dtype.name}")


def _array(content: memoryview, dtype: np.dtype[Any], pointer: str) -> NDArray[Any]:
    """A tensor's bytes, little-endian and in C order, as a flat array; what is left over makes it one too long."""
    if dtype.kind == "b" and np.frombuffer(content, np.uint8).max(initial=0) > 1:
        raise refuse(pointer, "has a byte that is no boolean: 0 is false and 1 is true")
    if len(content) % dtype.itemsize:
        return np.empty(len(content) // dtype.itemsize + 1)
    return np.frombuffer(content, dtype)


def _elements(content: memoryview, pointer: str) -> list[bytes]:
    """The elements of a binary BYTES tensor: each behind its length, four bytes little-endian."""
    elements = []
    while content:
        end = 4 + int.from_bytes(content[:4], "little")
        if len(content) < max(4, end):
            raise refuse(pointer, "ends within an element")
        elements.append(bytes(content[4:end]))
        content = content[end:]
    return elements


def packed(elements: Iterable[str]) -> bytes:
    """Texts as a binary BYTES tensor."""
    encoded = [element.encode() for element in elements]
    return b"".join(len(element).to_bytes(4, "little") + element for element in encoded)


def _strings(data: Any, pointer: str) -> list[bytes]:
    """The elements of a BYTES tensor in JSON, which are base64."""
    try:
        return [base64.b64decode(text, validate=True) for text in _flat(data)]
    except (TypeError, ValueError, RecursionError):
        raise refuse(f"{pointer}/data", "must be a list of strings in base64") from None


def _flat(data: Any) -> Iterator[str]:
    if isinstance(data, list):
        for item in data:
            yield from _flat(item)
    elif isinstance(data, str):
        yield data
    else:
        raise TypeError
