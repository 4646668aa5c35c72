"""Image files of a request for predictions: the body, or the parts `image` of a form."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
from flask import request
from numpy.typing import NDArray

from api.requests.bodies.body import FOR_MORE
from api.requests.bodies.content_coding import decoded
from api.requests.bodies.forms import FormLimits, read_form
from api.requests.field_errors import summary
from api.requests.online.images import RequestImages
from api.requests.validation import RequestModel
from shared.errors import FieldError, Invalid, Malformed, TooLarge
from shared.images.shapes import Shape
from shared.runtime.settings import Settings


def read_images(body: bytes, options: type[RequestModel], limits: Settings) -> tuple[list[bytes], Mapping[str, str]]:
    """Return the body's image files, one unless it is a form, and the texts of the form, which may be these options.

    Raises `TooLarge`, `Malformed` or `Invalid`.
    """
    if request.mimetype != "multipart/form-data":
        return [body], {}
    images: list[io.BytesIO] = []

    def open_image() -> io.BytesIO:
        images.append(io.BytesIO())
        return images[-1]

    images_limit = limits.limit("max_online_images")
    parts = images_limit._replace(most=images_limit.most + len(options.model_fields))
    blocks = decoded(io.BytesIO(body), "identity")
    texts = read_form(blocks, "image", open_image, FormLimits(parts, limits.limit("max_json_bytes"), FOR_MORE))
    if not images:
        raise Invalid("file_expected", "the form must have its images as files in parts named 'image'")
    check_images(len(images), limits)
    return [image.getvalue() for image in images], texts


def check_images(count: int, limits: Settings) -> None:
    """Raise `TooLarge` if a request has more encoded images than the limit."""
    if count > limits.max_online_images:
        limit = (
            f"a request may have at most {limits.max_online_images} images (GLASSBOX_MAX_ONLINE_IMAGES); got {count}"
        )
        raise TooLarge("too_many_images", f"{limit}{FOR_MORE}")


def decoded_images(contents: list[bytes], shape: Shape, limits: Settings) -> NDArray[np.uint8]:
    """Return the images (N, H, W) or (N, H, W, 3). Raises `Invalid`, which names each invalid image, or `TooLarge`."""
    images = np.empty((len(contents), *shape), np.uint8)
    decoder = RequestImages(limits)
    wrong: list[tuple[str, FieldError]] = []
    for index, content in enumerate(contents):
        try:
            decoder.decode_into(images[index], content)
        except Malformed as error:
            wrong.append((error.code, FieldError(error.detail, parameter=f"image[{index}]")))
    if wrong:
        code = wrong[0][0] if len(wrong) == 1 else "invalid_images"
        fields = [field for _, field in wrong]
        raise Invalid(code, summary(fields), fields)
    return images
