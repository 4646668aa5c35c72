"""From an input tensor to the network's rows: numbers as they are, or encoded images."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.open_inference.tensors import Tensor, refuse
from shared.errors import Malformed
from shared.images.decoding import decode_into
from shared.runtime.settings import Settings

INPUT = "images"
OVERSHOOT = 1e-3  # by how much floating point may leave the range: interpolation and short types round


def rows_of(inputs: list[Tensor], image_shape: tuple[int, int], limits: Settings) -> NDArray[Any]:
    """The one input as images: bytes or floating point, (N, H·W) or (N, H, W). Raises `Invalid`.

    Floating point goes from 0 to 1, as the network takes it; integers are greys from 0 to 255, as data sets have them;
    BYTES (N,) or (N, 1) are encoded images.
    """
    if len(inputs) != 1:
        raise refuse("#/inputs", f"must be the one input {INPUT!r}")
    tensor = inputs[0]
    if tensor.name != INPUT:
        raise refuse("#/inputs/0/name", f"there is no input {tensor.name!r}; the model's input is {INPUT!r}")
    if isinstance(tensor.values, list):
        return _decoded(tensor, tensor.values, image_shape, limits)
    height, width = image_shape
    if not tensor.shape or not tensor.shape[0] or tensor.shape[1:] not in {(height * width,), image_shape}:
        expected = f"[N, {math.prod(image_shape)}] or [N, {height}, {width}], N from 1"
        raise refuse("#/inputs/0/shape", f"must be {expected}, and is {list(tensor.shape)}")
    return _in_range(tensor.values, is_floating=tensor.datatype.startswith("FP"))


def _in_range(values: NDArray[Any], *, is_floating: bool) -> NDArray[Any]:
    if values.dtype == np.bool_:
        return values.astype(np.float32)
    lowest, highest = values.min(), values.max()
    if is_floating:
        if not (lowest >= -OVERSHOOT and highest <= 1 + OVERSHOOT):  # NaN is on neither side
            raise refuse("#/inputs/0/data", "in floating point must go from 0 to 1; send greys from 0 to 255 as UINT8")
        return values if values.dtype.kind == "f" else values.astype(np.float32)
    if not (lowest >= 0 and highest <= 255):
        raise refuse("#/inputs/0/data", "in integers must be greys from 0 to 255")
    return values.astype(np.uint8, copy=False)


def _decoded(tensor: Tensor, contents: list[bytes], shape: tuple[int, int], limits: Settings) -> NDArray[np.uint8]:
    if tensor.shape not in {(len(contents),), (len(contents), 1)} or not contents:
        raise refuse("#/inputs/0/shape", f"must be [N] or [N, 1] for encoded images, and is {list(tensor.shape)}")
    if len(contents) > limits.max_online_images:
        raise refuse("#/inputs/0/shape", f"is of more than {limits.max_online_images} images; use a batch for more")
    images = np.empty((len(contents), *shape), np.uint8)
    for index, content in enumerate(contents):
        try:
            decode_into(images[index], content, limits.max_image_pixels)
        except Malformed as error:
            raise refuse(f"#/inputs/0/data/{index}", error.detail) from error
    return images
