from __future__ import annotations

import numpy as np
import pytest

from shared.network.augmentation.cutout import Cutout


def test_a_square_gets_the_mean_of_the_image() -> None:
    images = np.arange(12.0).reshape(1, 3, 4)
    Cutout((3, 4), 0.7).run(images, np.array([[0, 2, 1, 3]]))
    np.testing.assert_array_equal(images, [[[0, 5.5, 5.5, 3], [4, 5.5, 5.5, 7], [8, 9, 10, 11]]])


def test_a_square_of_a_colour_image_gets_the_mean_of_each_channel(rng: np.random.Generator) -> None:
    images = rng.random((2, 8, 6, 3))
    before = images.copy()
    Cutout((8, 6, 3), 0.5).run(images, np.array([[1, 4, 3, 6], [6, 8, 0, 1]]))
    for image, original, (top, bottom, left, right) in zip(images, before, ((1, 4, 3, 6), (6, 8, 0, 1)), strict=True):
        square = image[top:bottom, left:right]
        np.testing.assert_allclose(square, np.broadcast_to(original.mean(axis=(0, 1)), square.shape))
        image[top:bottom, left:right] = original[top:bottom, left:right]
    np.testing.assert_array_equal(images, before)


def test_squares_have_the_share_of_the_shorter_side_unless_a_part_is_outside(rng: np.random.Generator) -> None:
    top, bottom, left, right = Cutout((20, 10), 0.4).draw(4000, rng).T
    for first, last, side in ((top, bottom, 20), (left, right, 10)):
        assert (first.min(), last.max()) == (0, side)
        sizes = last - first
        assert set(sizes.tolist()) == {2, 3, 4}
        assert ((sizes == 4) | (first == 0) | (last == side)).all()
        inside = first[(first > 0) & (last < side)]
        assert set(inside.tolist()) == set(range(1, side - 4))


def test_every_pixel_is_hidden_about_as_often_away_from_the_edges(rng: np.random.Generator) -> None:
    hidden = np.zeros((12, 12))
    for top, bottom, left, right in Cutout((12, 12), 0.25).draw(6000, rng):
        hidden[top:bottom, left:right] += 1
    np.testing.assert_allclose(hidden[1:-1, 1:-1], 6000 * 9 / 144, rtol=0.25)


@pytest.mark.parametrize(("share", "side"), [(0.001, 1), (0.25, 2), (0.99, 8)])
def test_a_square_has_at_least_one_pixel(share: float, side: int, rng: np.random.Generator) -> None:
    top, bottom, *_ = Cutout((8, 8, 3), share).draw(500, rng).T
    assert (bottom - top).max() == side
    assert (bottom - top).min() >= 1
