"""What the decoding of a file changes, in words."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from shared.images.changes import changes_of
from shared.images.shapes import Shape

GRAY, COLOUR = (28, 28), (28, 28, 3)
PIXELS = 10**6
RESIZED = "resized from 56 × 56 to 28 × 28 pixels"


def encoded(mode: str, size: tuple[int, int], kind: str = "PNG", orientation: int = 1) -> bytes:
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    Image.new(mode, size).save(file, kind, exif=exif)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "shape", "changes"),
    [
        (encoded("L", (28, 28)), GRAY, []),
        (encoded("RGB", (28, 28)), COLOUR, []),
        (
            encoded("RGB", (56, 56)),
            GRAY,
            [RESIZED, "colours converted to gray levels"],
        ),
        (encoded("L", (28, 28)), COLOUR, ["gray levels repeated as red, green and blue"]),
        (encoded("I;16", (28, 28)), GRAY, ["16 bits of a pixel reduced to 8"]),
        (
            encoded("RGBA", (28, 28)),
            COLOUR,
            ["transparent pixels blended with black, or with white if the picture is dark"],
        ),
        (
            encoded("L", (28, 14), "JPEG", orientation=6),
            GRAY,
            [
                "rotated upright, as its EXIF data say",
                "resized from 14 × 28 to 28 × 28 pixels, which changes its proportions",
            ],
        ),
        (encoded("RGB", (56, 56), "AVIF"), COLOUR, []),  # its header is read in another process only
        (b"\x89PNG\r\n\x1a\n", GRAY, []),
    ],
)
def test_changes_are_said_by_the_header(content: bytes, shape: Shape, changes: list[str]) -> None:
    assert changes_of(content, shape, PIXELS) == changes
