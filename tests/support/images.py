"""Image files as bytes."""

from __future__ import annotations

import io
from typing import Any

from numpy.typing import NDArray
from PIL import Image


def encoded(image: Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    """The image as a file's bytes."""
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def png(pixels: NDArray[Any]) -> bytes:
    """An array (H, W), or (H, W, channels), as a PNG file."""
    return encoded(Image.fromarray(pixels))
