"""Images as parts of an HTML form, and as numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from glassbox.errors import LocalFileError, WrongArgument

ImageFile = Path | str | bytes
ImagePlace = Mapping[str, Any]
"""The place of an image on the server: {"dataset": "mnist", "split": "test", "index": 740}, {"job": …, "index": 3}."""
Part = tuple[str, tuple[str, bytes, str]]


def form(images: Iterable[ImageFile]) -> list[Part]:
    """Return the parts `image`. Raises `LocalFileError` if a file cannot be read."""
    return [("image", _part(image)) for image in images]


def plain_numbers(images: Any) -> list[Any]:
    """Return an array of images, or a sequence of arrays or lists, as lists. Raises `WrongArgument`."""
    whole = images.tolist() if hasattr(images, "tolist") else images
    if not isinstance(whole, list | tuple):
        raise WrongArgument(f"images as numbers are an array or a list of them; got {whole!r:.50}")
    plain = [image.tolist() if hasattr(image, "tolist") else image for image in whole]
    for index, image in enumerate(plain):
        if not _is_finite(image):
            raise WrongArgument(f"image {index} has NaN or infinite numbers, which are no pixel values")
    return plain


def _is_finite(numbers: Any) -> bool:
    if isinstance(numbers, list | tuple):
        return all(map(_is_finite, numbers))
    return not isinstance(numbers, float) or math.isfinite(numbers)


def one_image(image: ImageFile | ImagePlace) -> dict[str, Any]:
    """Return the body of a request about one image. Raises `LocalFileError` if a file cannot be read."""
    return {"json": dict(image)} if isinstance(image, Mapping) else {"files": form([image])}


def _part(image: ImageFile) -> tuple[str, bytes, str]:
    if isinstance(image, bytes):
        return "image", image, "application/octet-stream"
    path = Path(image)
    try:
        return path.name, path.read_bytes(), "application/octet-stream"
    except FileNotFoundError as error:
        raise LocalFileError(f"there is no file {path}") from error
    except OSError as error:
        raise LocalFileError(f"{path} cannot be read: {error.strerror}") from error
