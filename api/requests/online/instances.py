"""Images as numbers in a JSON request: `instances`, each a flat list or a list of rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.requests.field_errors import summary
from api.requests.online.numbers import array_of
from shared.errors import FieldError, Invalid
from shared.images.number_range import WHITE, MixedRanges, OutOfRange, gray_levels, range_of_request
from shared.images.shapes import Shape, channels_of, shapes_of_numbers
from shared.network.settings.validation import shown

MAX_REPORTED = 20  # errors of invalid instances in one response


def images_of(document: Any, image_shape: Shape) -> tuple[NDArray[np.uint8], list[str]]:
    """Return the instances as images, uint8 (N, H, W) or (N, H, W, 3), and warnings about their range.

    An instance has the shape of an image, or is a flat list of as many numbers. All instances have one range
    (`shared.images.number_range`). Raises `Invalid`, which names the invalid instances.
    """
    if not isinstance(document, dict):
        reason = f"must be a JSON object; got {shown(document)}"
        raise _invalid_instances([FieldError(reason, pointer="#")])
    if not isinstance(document.get("instances"), list) or not document["instances"]:
        raise _invalid_instances([FieldError("must be a list of at least one image", pointer="#/instances")])
    if unknown := sorted(document.keys() - {"instances"}):
        raise _invalid_instances(
            [FieldError("is not a field of this request", pointer=f"#/{name}") for name in unknown[:MAX_REPORTED]]
        )
    instances = document["instances"]
    numbers = array_of(instances)
    if numbers is None or numbers.shape[1:] not in shapes_of_numbers(image_shape):
        raise _invalid_instances(_wrong(instances, image_shape))
    rows = numbers.reshape(len(numbers), -1)
    try:
        found, warning = range_of_request(rows, rows.dtype.kind)
    except MixedRanges as error:
        raise _invalid_instances(_each(f"the numbers of the request {error}", error.images)) from error
    except OutOfRange as error:
        reason = f"the numbers of the request {error}"
        outside = np.flatnonzero((rows < 0).any(axis=1) | (rows > WHITE).any(axis=1))
        raise _invalid_instances(_each(reason, outside) or [FieldError(reason, pointer="#/instances")]) from error
    return gray_levels(rows, found.factor).reshape(len(rows), *image_shape), [warning] if warning else []


def _wrong(instances: list[Any], image_shape: Shape) -> list[FieldError]:
    """Return the errors of invalid instances; one error for all if each is valid, but their shapes differ."""
    height, width = image_shape[:2]
    pixels = f"{width} numbers" if channels_of(image_shape) == 1 else f"{width} pixels [R, G, B]"
    expected = f"must be {math.prod(image_shape)} numbers, or {height} lists of {pixels}"
    wrong: list[FieldError] = []
    for index, instance in enumerate(instances):
        if len(wrong) == MAX_REPORTED:
            break
        numbers = array_of(instance)
        if numbers is None:
            wrong.append(FieldError(expected, pointer=f"#/instances/{index}"))
        elif numbers.shape not in shapes_of_numbers(image_shape):
            shapes = f"the model's images have the shape {list(image_shape)}; got {list(numbers.shape)}"
            wrong.append(FieldError(f"{expected}: {shapes}", pointer=f"#/instances/{index}"))
    return wrong or [FieldError(f"each {expected}, and all must have the same shape", pointer="#/instances")]


def _each(reason: str, indices: NDArray[np.intp]) -> list[FieldError]:
    return [FieldError(reason, pointer=f"#/instances/{index}") for index in indices[:MAX_REPORTED].tolist()]


def _invalid_instances(fields: list[FieldError]) -> Invalid:
    return Invalid("validation_failed", summary(fields), fields)
