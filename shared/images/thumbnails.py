"""An image as a small PNG in a data URI: what a web page shows without asking anybody for it."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared.images.area import area_resize

LARGEST = 64
"""The most pixels of a side; a larger image is made smaller, so that a picture stays below 6 KB."""


def data_uri(image: NDArray[np.uint8]) -> str:
    """The greys (H, W), 0 for black, as `data:image/png;base64,…`."""
    height, width = image.shape
    shrink = max(height, width) / LARGEST
    if shrink > 1:
        image = area_resize(image, (max(1, round(height / shrink)), max(1, round(width / shrink))))
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
