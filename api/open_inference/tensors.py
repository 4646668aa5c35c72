"""Tensors of the Open Inference Protocol as NumPy arrays, from JSON or from the bytes after the JSON."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.requests.field_errors import summary
from api.requests.online.numbers import MOST_AXES, array_of
from shared.errors import FieldError, Invalid
from shared.json_types import JsonObject
from shared.network.settings.validation import shown

DATATYPES = {
    "BOOL": np.dtype("?"),
    **{f"UINT{8 * size}": np.dtype(f"<u{size}") for size in (1, 2, 4, 8)},
    **{f"INT{8 * size}": np.dtype(f"<i{size}") for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
}
BYTES = "BYTES"
INPUT = "images"
MEMBERS = {"name", "shape", "datatype", "parameters", "data"}
KINDS = {"b": "b", "u": "iu", "i": "iu", "f": "iuf"}  # a datatype's kind to the kinds of JSON values that it accepts


@dataclass(frozen=True)
class Tensor:
    """One input: numbers as an array of its shape, or BYTES as a list in row-major order."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: NDArray[Any] | list[bytes]


class Binary:
    """The bytes after the JSON. The binary tensors consume them in the order of the inputs."""

    def __init__(self, content: memoryview) -> None:
        self._rest = content

    def take(self, size: Any, pointer: str) -> memoryview:
        """Return the next `size` bytes. Raises `Invalid` if fewer remain."""
        if type(size) is not int or size < 0 or size > len(self._rest):
            reason = f"must be from 0 to the {len(self._rest)} remaining bytes; got {shown(size)}"
            raise invalid(f"{pointer}/parameters/binary_data_size", reason)
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def check_empty(self) -> None:
        """Raise `Invalid` if bytes remain that belong to no tensor."""
        if self._rest:
            raise invalid("#/inputs", f"must consume all bytes after the JSON; {len(self._rest)} bytes remain")


def invalid(pointer: str, reason: str) -> Invalid:
    """Return the error of one member of the request."""
    field = FieldError(reason, pointer=pointer)
    return Invalid("validation_failed", summary([field]), [field])


def reject_unknown(given: JsonObject, known: set[str], pointer: str) -> None:
    """Raise `Invalid` if a member is unknown."""
    if not given.keys() <= known:
        raise invalid(f"{pointer}/{min(given.keys() - known)}", "is not a member of an inference request")


def parameters_of(given: JsonObject, pointer: str) -> JsonObject:
    """Return the parameters of a request, an input or an output. The protocol ignores unknown ones."""
    parameters = given.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise invalid(f"{pointer}/parameters", f"must be a JSON object; got {shown(parameters)}")
    return parameters


def read_tensor(given: Any, binary: Binary, pointer: str, most_images: int) -> Tensor:
    """Parse one of the request's inputs. `most_images`: the most elements of a BYTES tensor. Raises `Invalid`."""
    if not isinstance(given, dict):
        raise invalid(pointer, f"must be a JSON object; got {shown(given)}")
    reject_unknown(given, MEMBERS, pointer)
    name, datatype, shape = given.get("name"), given.get("datatype"), given.get("shape")
    if not isinstance(name, str):
        raise invalid(f"{pointer}/name", f"must be a string; got {shown(name)}")
    if not isinstance(datatype, str) or (datatype not in DATATYPES and datatype != BYTES):
        raise invalid(f"{pointer}/datatype", f"must be one of {', '.join([*DATATYPES, BYTES])}; got {shown(datatype)}")
    if not isinstance(shape, list) or not all(type(side) is int and side >= 0 for side in shape[: MOST_AXES + 1]):
        raise invalid(f"{pointer}/shape", f"must be a list of whole numbers of at least 0; got {shown(shape)}")
    if len(shape) > MOST_AXES:
        raise invalid(f"{pointer}/shape", f"must have at most {MOST_AXES} sides; got {len(shape)}")
    count = math.prod(shape)
    size = parameters_of(given, pointer).get("binary_data_size")
    if (size is None) == ("data" not in given):
        raise invalid(f"{pointer}/data", "must be given, unless the parameter binary_data_size is; give one of the two")
    if datatype == BYTES:
        if count > most_images:
            reason = f"must have at most {most_images} images; got {count}; submit a batch job for more"
            raise invalid(f"{pointer}/shape", reason)
        all_of = _strings(given["data"], pointer) if size is None else _elements(binary.take(size, pointer), pointer)
        return Tensor(name, datatype, tuple(shape), _as_many(all_of, count, pointer))
    dtype = DATATYPES[datatype]
    if size is None:
        values = _numbers(given["data"], dtype, pointer)
    else:
        values = _array(binary.take(size, pointer), dtype, pointer)
    if values.size != count:
        raise invalid(f"{pointer}/shape", f"has {count} elements, but the data has {values.size}")
    try:
        return Tensor(name, datatype, tuple(shape), values.reshape(shape))
    except ValueError:  # a side that NumPy cannot hold, beside one of 0
        raise invalid(f"{pointer}/shape", f"has a side that is too large; got {shown(shape)}") from None


def _as_many(elements: Iterator[bytes], count: int, pointer: str) -> list[bytes]:
    """Return the elements if there are `count`, without reading more."""
    found = list(islice(elements, count + 1))
    if len(found) != count:
        given = f"more than {count}" if len(found) > count else len(found)
        raise invalid(f"{pointer}/shape", f"has {count} elements, but the data has {given}")
    return found


def _numbers(data: Any, dtype: np.dtype[Any], pointer: str) -> NDArray[Any]:
    """Return JSON numbers, flat or nested, as an array of the widest dtype of their kind, for a range check."""
    values = array_of(data)
    if values is not None and (values.size == 0 or values.dtype.kind in KINDS[dtype.kind]):
        return values
    raise invalid(f"{pointer}/data", f"must be a flat or nested list of values of the datatype {dtype.name}")


def _array(content: memoryview, dtype: np.dtype[Any], pointer: str) -> NDArray[Any]:
    """Return a tensor's bytes, little-endian in C order, as a flat array. Raises `Invalid` if an element is cut."""
    if dtype.kind == "b" and np.frombuffer(content, np.uint8).max(initial=0) > 1:
        raise invalid(pointer, "must have only the bytes 0 (false) and 1 (true)")
    if len(content) % dtype.itemsize:
        raise invalid(pointer, f"must have {dtype.itemsize} bytes for each element; got {len(content)} bytes")
    return np.frombuffer(content, dtype)


def _elements(content: memoryview, pointer: str) -> Iterator[bytes]:
    """Iterate over the elements of a binary BYTES tensor. Each follows its length, four bytes little-endian."""
    while content:
        end = 4 + int.from_bytes(content[:4], "little")
        if len(content) < max(4, end):
            raise invalid(pointer, "must end after a whole element; the last element is cut short")
        yield bytes(content[4:end])
        content = content[end:]


def packed(elements: Iterable[str]) -> bytes:
    """Encode strings as a binary BYTES tensor."""
    encoded = [element.encode() for element in elements]
    return b"".join(len(element).to_bytes(4, "little") + element for element in encoded)


def _strings(data: Any, pointer: str) -> Iterator[bytes]:
    """Iterate over the elements of a BYTES tensor in JSON, which are base64."""
    try:
        for text in _flat(data):
            yield base64.b64decode(text, validate=True)
    except (TypeError, ValueError, RecursionError):
        raise invalid(f"{pointer}/data", "must be a list of base64 strings") from None


def _flat(data: Any) -> Iterator[str]:
    if isinstance(data, list):
        for item in data:
            yield from _flat(item)
    elif isinstance(data, str):
        yield data
    else:
        raise TypeError
