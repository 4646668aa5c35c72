"""HEIC, which phones write: decoded in a decoder process by libheif."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.errors import Malformed
from shared.images.decoding import decode_into
from shared.images.examination import shape_and_colour
from tests.support.data.heic import ALPHA, COLOUR, DEEP, EXIF_ROTATED, GRAY, TWO_IMAGES

HEIGHT, WIDTH = 32, 48
Y, X = np.mgrid[0:HEIGHT, 0:WIDTH]
RGB = np.stack([5 * X, 8 * Y, 255 - 5 * X], -1)
LUMA = RGB @ [0.299, 0.587, 0.114]
SEQUENCE = b"\0\0\0\x18ftyphevc\0\0\0\0hevc"


def decoded(content: bytes, *shape: int) -> NDArray[np.uint8]:
    row = np.zeros(shape or (HEIGHT, WIDTH, 3), np.uint8)
    decode_into(row, content, 10_000)
    return row


def error_of(content: bytes, max_pixels: int = 10_000) -> Malformed:
    with pytest.raises(Malformed) as caught:
        decode_into(np.zeros((4, 4), np.uint8), content, max_pixels)
    return caught.value


@pytest.mark.parametrize("content", [COLOUR, DEEP], ids=["8 bits", "10 bits"])
def test_colours_are_decoded(content: bytes) -> None:
    np.testing.assert_allclose(decoded(content), RGB, atol=16)
    np.testing.assert_allclose(decoded(content, HEIGHT, WIDTH), LUMA, atol=8)


def test_gray_levels_are_decoded() -> None:
    np.testing.assert_allclose(decoded(GRAY, HEIGHT, WIDTH), LUMA, atol=8)


def test_transparent_pixels_are_blended_with_black() -> None:
    np.testing.assert_allclose(decoded(ALPHA, HEIGHT, WIDTH), LUMA * 5 * X / 255, atol=8)


def test_the_orientation_of_exif_does_not_count() -> None:
    np.testing.assert_allclose(decoded(EXIF_ROTATED), RGB, atol=16)


def test_the_size_and_the_colour_are_examined() -> None:
    assert shape_and_colour(COLOUR, 10_000) == ((HEIGHT, WIDTH), True)
    assert shape_and_colour(GRAY, 10_000) == ((HEIGHT, WIDTH), False)


def test_a_heic_of_several_images_is_refused() -> None:
    assert error_of(TWO_IMAGES).code == "image_animated"


def test_a_heic_of_too_many_pixels_is_refused() -> None:
    assert error_of(COLOUR, HEIGHT * WIDTH - 1).code == "image_too_large"


@pytest.mark.parametrize("content", [COLOUR[:30], COLOUR[:400], COLOUR[:-100]], ids=["header", "properties", "pixels"])
def test_a_heic_that_is_cut_short_is_damaged(content: bytes) -> None:
    assert error_of(content).code == "image_damaged"


@pytest.mark.parametrize("compression", [b"j2k1", b"vvc1", b"unci"])
def test_another_compression_in_the_container_is_refused_by_its_name(compression: bytes) -> None:
    error = error_of(COLOUR.replace(b"hvc1", compression))

    assert error.code == "image_unsupported"
    assert "HEIF without the compression HEVC" in error.detail


def test_a_sequence_is_refused_by_its_name() -> None:
    error = error_of(SEQUENCE)

    assert error.code == "image_unsupported"
    assert "HEIC sequence" in error.detail


def test_only_decoder_processes_load_libheif() -> None:
    decoded(COLOUR)

    assert not [name for name in sys.modules if name.startswith(("pi_heif", "_pi_heif"))]
