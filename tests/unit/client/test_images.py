"""The SDK's reader of images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from glassbox import UnexpectedAnswer
from glassbox.errors import WrongArgument
from glassbox.files.images import plain_numbers
from glassbox.records.images import images_of

from api.exports.safetensors import encode_arrays

IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
ARRAYS = {"indices": np.array([5, 70_000], "<i4"), "labels": np.array([1, 0], "<i4"), "images": IMAGES}


def test_images_as_numbers_may_be_arrays_in_a_list() -> None:
    assert plain_numbers([IMAGES[0], IMAGES[1].tolist()]) == plain_numbers(IMAGES) == IMAGES.tolist()
    assert plain_numbers(IMAGES[0, 0] > 1) == [[False, False, True], [True, True, True]]


@pytest.mark.parametrize(
    ("images", "named"),
    [(np.array([[0.0], [np.nan]]), "image 1 has NaN"), ([[[1.0, float("inf")]]], "image 0 has NaN"), (7, "got 7")],
)
def test_numbers_that_are_no_pixels_are_refused(images: Any, named: str) -> None:
    with pytest.raises(WrongArgument, match=named):
        plain_numbers(images)


def test_images_of_a_data_set_have_labels() -> None:
    images = images_of(encode_arrays(ARRAYS, {"total": "9", "next": "2"}))

    assert np.array_equal(np.frombuffer(images.pixels, "uint8").reshape(images.shape), IMAGES)
    assert (images.indices, images.labels, images.total, images.next) == ((5, 70_000), (1, 0), 9, 2)


def test_last_images_of_a_batch_have_neither_labels_nor_a_next_page() -> None:
    arrays = {name: array for name, array in ARRAYS.items() if name != "labels"}

    images = images_of(encode_arrays(arrays, {"total": "2"}))

    assert (images.labels, images.next) == ((), None)


@pytest.mark.parametrize("content", [b"", b"<html>", b"\2\0\0\0\0\0\0\0{}", b"\2\0\0\0\0\0\0\0[]"])
def test_other_content_is_an_unexpected_answer(content: bytes) -> None:
    with pytest.raises(UnexpectedAnswer, match="is it a Glassbox server"):
        images_of(content)
