"""PNG images of signed numbers."""

from __future__ import annotations

import base64
import io

import numpy as np
from glassbox.report.png import ABOVE, BELOW, diverging, rgb
from numpy.typing import NDArray
from PIL import Image


def shown(uri: str) -> NDArray[np.uint8]:
    """Return the pixels as a browser decodes them: (H, W, RGBA)."""
    content = base64.b64decode(uri.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"))


def test_negative_numbers_are_blue_positive_are_red_and_zero_is_transparent() -> None:
    pixels = shown(diverging([-1.0, 0.0, 1.0, -0.5, 0.5, 0.01], 3, 1.0))

    assert pixels.shape == (2, 3, 4)
    assert tuple(pixels[0, 0]) == (*BELOW, 255)
    assert pixels[0, 1, 3] == 0
    assert tuple(pixels[0, 2]) == (*ABOVE, 255)
    assert tuple(pixels[1, 0, :3]) == BELOW
    assert 110 < pixels[1, 0, 3] == pixels[1, 1, 3] < 150
    assert pixels[1, 2, 3] == 0


def test_numbers_beyond_the_largest_have_the_full_colour() -> None:
    pixels = shown(diverging([-9.0, 9.0], 2, 1.0))

    assert pixels[0, :, 3].tolist() == [255, 255]


def test_an_image_of_zeros_is_transparent() -> None:
    assert shown(diverging([0.0] * 4, 2, 0.0))[..., 3].max() == 0


def test_an_image_is_small() -> None:
    noise = np.random.default_rng(0).normal(size=784).tolist()

    assert len(diverging(noise, 28, 2.0)) < 1500


def test_three_numbers_are_red_green_and_blue_with_gray_at_zero() -> None:
    pixels = shown(rgb([0.0, 0.0, 0.0, 1.0, -1.0, 0.5, -9.0, 9.0, 0.0, 0.0, 0.0, 0.01], 2, 1.0))

    assert pixels.tolist() == [
        [[127, 127, 127, 255], [254, 0, 191, 255]],
        [[0, 254, 127, 255], [127, 127, 128, 255]],
    ]


def test_an_image_of_zeros_in_colour_is_gray() -> None:
    assert np.unique(shown(rgb([0.0] * 12, 2, 0.0))[..., :3]).tolist() == [127]
