"""Images as numbers in JSON: `{"instances": [[…784 numbers…], …]}`, turned into a model's bytes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import FieldError, Invalid

TOLD = 20  # of the instances that are wrong


def images_of(document: Any, image_shape: tuple[int, int]) -> NDArray[np.uint8]:
    """The instances as images (N, H, W).

    An instance is a list of H·W numbers, or H lists of W: greys from 0 to 255 as data sets have them, rounded to whole
    ones; or from 0 to 1, where none of its numbers is above 1. Raises `Invalid`, which names those that are wrong.
    """
    if not isinstance(document, dict) or not isinstance(document.get("instances"), list) or not document["instances"]:
        raise _invalid([FieldError("must be a list of at least one image", pointer="#/instances")])
    if unknown := sorted(document.keys() - {"instances"}):
        raise _invalid([FieldError("is not a field of this request", pointer=f"#/{name}") for name in unknown])
    instances = document["instances"]
    numbers = _numbers(instances)
    if numbers is None or numbers.shape[1:] not in {image_shape, (math.prod(image_shape),)}:
        raise _invalid(_wrong(instances, image_shape))
    rows = numbers.reshape(len(numbers), -1).astype(np.float64)
    lowest, highest = rows.min(axis=1), rows.max(axis=1)
    fits = (lowest >= 0) & (highest <= 255)  # neither is true of NaN, which JSON does not have
    if not fits.all():
        raise _invalid(_out_of_range(np.flatnonzero(~fits)))
    rows[highest <= 1] *= 255
    return np.rint(rows).astype(np.uint8).reshape(len(rows), *image_shape)


def _numbers(value: Any) -> NDArray[Any] | None:
    """The numbers as an array; None where they are no block of numbers."""
    try:
        array = np.array(value)
    except (ValueError, OverflowError):
        return None
    return array if array.dtype.kind in "iuf" else None


def _wrong(instances: list[Any], image_shape: tuple[int, int]) -> list[FieldError]:
    """What is wrong with each instance by itself; with all of them where each is right, but differs from the others."""
    height, width = image_shape
    expected = f"must be {height * width} numbers, or {height} lists of {width}"
    shapes = {image_shape, (height * width,)}
    wrong = []
    for index, instance in enumerate(instances):
        numbers = _numbers(instance)
        if numbers is None or numbers.shape not in shapes:
            wrong.append(FieldError(expected, pointer=f"#/instances/{index}"))
    return wrong[:TOLD] or [FieldError(f"each {expected}, and all in the same way", pointer="#/instances")]


def _out_of_range(indices: NDArray[np.intp]) -> list[FieldError]:
    reason = "has numbers that are no greys: they go from 0 to 255, or from 0 to 1"
    return [FieldError(reason, pointer=f"#/instances/{index}") for index in indices[:TOLD].tolist()]


def _invalid(fields: list[FieldError]) -> Invalid:
    return Invalid("validation_failed", "; ".join(f"{field.pointer}: {field.detail}" for field in fields), fields)
