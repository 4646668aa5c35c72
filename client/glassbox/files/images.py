"""Images as parts of an HTML form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from glassbox.errors import LocalFileError

ImageFile = Path | str | bytes
ImagePlace = Mapping[str, Any]
"""The place of an image on the server: {"dataset": "mnist", "split": "test", "index": 740}, {"job": …, "index": 3}."""
Part = tuple[str, tuple[str, bytes, str]]


def form(images: Iterable[ImageFile]) -> list[Part]:
    """Return the parts `image`. Raises `LocalFileError` if a file cannot be read."""
    return [("image", _part(image)) for image in images]


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
