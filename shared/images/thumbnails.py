"""Thumbnails: an image as a small PNG in a data URI, which a web page shows without another request."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared.images.area import area_resize

LARGEST = 64
"""The longest side in pixels; a larger image is scaled down: a thumbnail has less than 6 KB (18 KB in colour)."""


def data_uri(image: NDArray[np.uint8]) -> str:
    """Return pixels, (H, W) with 0 for black or (H, W, 3) in RGB, as `data:image/png;base64,…`."""
    height, width, *rest = image.shape
    shrink = max(height, width) / LARGEST
    if shrink > 1:
        image = area_resize(image, (max(1, round(height / shrink)), max(1, round(width / shrink)), *rest))
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
