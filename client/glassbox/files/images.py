"""Images as parts of an HTML form."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from glassbox.errors import LocalFileError

ImageFile = Path | str | bytes
Part = tuple[str, tuple[str, bytes, str]]


def form(images: Iterable[ImageFile]) -> list[Part]:
    """Return the parts `image`. Raises `LocalFileError` if a file cannot be read."""
    return [("image", _part(image)) for image in images]


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
