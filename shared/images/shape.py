"""How large an image is, upright, by its header alone."""

from __future__ import annotations

import warnings

from shared.errors import Malformed
from shared.images import grey
from shared.images.formats import format_of, open_image


def shape_of(content: bytes, max_pixels: int) -> tuple[int, int]:
    """The height and width that an image has when it is decoded and not resized; raises `Malformed`."""
    kind = format_of(content)
    try:
        with warnings.catch_warnings(action="ignore"), open_image(kind, content, max_pixels) as image:
            width, height = image.size
            sideways = grey.orientation_of(image) in grey.SIDEWAYS
    except Malformed:
        raise
    except Exception as error:  # Pillow's readers raise much on damaged headers
        raise Malformed(
            "image_damaged", f"the {kind.name}'s header is damaged: {str(error) or type(error).__name__}"
        ) from None
    return (width, height) if sideways else (height, width)
