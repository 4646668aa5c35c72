"""Thumbnails of images."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from shared.images.thumbnails import LARGEST, data_uri


def shown(uri: str) -> NDArray[np.uint8]:
    """Return the pixels that a browser decodes."""
    kind, _, content = uri.partition(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


@pytest.mark.parametrize("shape", [(28, 28), (1, 1), (8, 30), (64, 64), (32, 32, 3), (64, 9, 3)])
def test_a_small_image_keeps_its_pixels(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)

    assert np.array_equal(shown(data_uri(image)), image)


@pytest.mark.parametrize(
    ("shape", "smaller"),
    [
        ((128, 128), (64, 64)),
        ((300, 100), (64, 21)),
        ((5000, 10), (64, 1)),
        ((65, 65), (64, 64)),
        ((99, 200, 3), (32, 64, 3)),
    ],
)
def test_a_large_image_is_scaled_down(shape: tuple[int, int], smaller: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)

    uri = data_uri(image)

    assert shown(uri).shape == smaller
    assert len(uri) < 6000 * len(smaller[1:]) ** 2
    assert abs(float(shown(uri).mean()) - float(image.mean())) < 3


def test_a_strided_view_of_an_array_is_encoded() -> None:
    image = np.random.default_rng(0).integers(0, 256, (2 * LARGEST, 20), dtype=np.uint8)

    assert np.array_equal(shown(data_uri(image[::2, ::2])), image[::2, ::2])
