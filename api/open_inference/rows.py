"""Conversion of an input tensor, which holds numbers or encoded images, to the network's input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.open_inference.tensors import INPUT, Tensor, invalid
from api.requests.online.images import RequestImages
from shared.errors import Malformed
from shared.images.number_range import WHITE, OutOfRange, gray_levels, range_of_request
from shared.images.shapes import Shape, shapes_of_numbers
from shared.network.settings.validation import shown
from shared.runtime.settings import Settings


def rows_of(tensor: Tensor, image_shape: Shape, limits: Settings) -> tuple[NDArray[Any], str | None]:
    """Return the input as images, uint8 or floating point from 0 to 1, and a warning. Raises `Invalid`.

    Numbers become rows (N, pixels). `shared.images.number_range` has their range; BYTES (N,) or (N, 1) are encoded
    images.
    """
    if tensor.name != INPUT:
        raise invalid("#/inputs/0/name", f"must be {INPUT!r}, the model's only input; got {shown(tensor.name)}")
    if isinstance(tensor.values, list):
        return _decoded(tensor, tensor.values, image_shape, limits), None
    if not tensor.shape or not tensor.shape[0] or tensor.shape[1:] not in shapes_of_numbers(image_shape):
        expected = f"[N, {math.prod(image_shape)}] or [N, {', '.join(map(str, image_shape))}] with N of at least 1"
        raise invalid("#/inputs/0/shape", f"must be {expected}; got {list(tensor.shape)}")
    values = tensor.values.reshape(tensor.shape[0], -1)
    return _in_range(values, "f" if tensor.datatype.startswith("FP") else values.dtype.kind)


def _in_range(values: NDArray[Any], kind: str) -> tuple[NDArray[Any], str | None]:
    """Return numbers of the kind of the tensor's datatype as the network's input, and a warning."""
    try:
        found, warning = range_of_request(values, kind)
    except OutOfRange as error:
        raise invalid("#/inputs/0/data", f"the numbers {error}") from error
    if kind != "f":
        return gray_levels(values, found.factor), warning
    if values.dtype.kind != "f":
        values = values.astype(np.float32)
    if found.factor == WHITE:
        return values, warning
    return values.astype(np.promote_types(values.dtype, np.float32)) / np.float32(WHITE), warning


def _decoded(tensor: Tensor, contents: list[bytes], shape: Shape, limits: Settings) -> NDArray[np.uint8]:
    if tensor.shape not in {(len(contents),), (len(contents), 1)} or not contents:
        raise invalid("#/inputs/0/shape", f"must be [N] or [N, 1] for encoded images; got {list(tensor.shape)}")
    images = np.empty((len(contents), *shape), np.uint8)
    decoder = RequestImages(limits)
    for index, content in enumerate(contents):
        try:
            decoder.decode_into(images[index], content)
        except Malformed as error:
            raise invalid(f"#/inputs/0/data/{index}", error.detail) from error
    return images
