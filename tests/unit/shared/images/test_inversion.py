"""Inversion of light and dark, against the training images and without their figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared.images.inversion import SAMPLE, invert, look_inverted, measured

Images = NDArray[np.uint8]


def drawn(count: int = 200, ground: int = 10, ink: int = 240, side: int = 12, seed: int = 0) -> Images:
    """Return images (count, side, side) of a stroke on a ground, with noise; some strokes touch the border."""
    random = np.random.default_rng(seed)
    images = np.full((count, side, side), ground, np.int64)
    for image, top in zip(images, random.integers(0, side - 2, count), strict=True):
        image[top : top + 3, 2:-2] = ink
    noisy: NDArray[np.int64] = images + random.integers(-9, 10, images.shape)
    return noisy.clip(0, 255).astype(np.uint8)


def photographs(count: int = 200, seed: int = 1) -> Images:
    """Return images (count, 12, 12) whose mean gray levels range from dark to bright."""
    random = np.random.default_rng(seed)
    levels = random.integers(0, 256, (count, 1, 1))
    return np.clip(levels + random.normal(0, 40, (count, 12, 12)), 0, 255).astype(np.uint8)


def in_colour(images: Images) -> Images:
    return np.stack([images] * 3, axis=-1)


class TestMeasuring:
    def test_the_figures_are_those_of_the_images_and_their_borders(self) -> None:
        images = np.zeros((4, 4, 4), np.uint8)
        images[:2] = 100
        images[0, 1:3, 1:3] = 200

        figures = measured(images)

        assert figures.model_dump() == {
            "images": 4, "mean": 56.25, "border_mean": 50.0, "border_deviation": 50.0,
            "dark_borders": 1.0, "bright_borders": 0.0,
        }  # fmt: skip

    def test_gray_images_in_colour_have_the_figures_of_those_in_grayscale(self) -> None:
        assert measured(in_colour(drawn())) == measured(drawn())

    def test_a_sample_covers_data_sets_sorted_by_class(self) -> None:
        images = np.zeros((3 * SAMPLE, 2, 2), np.uint8)
        images[-SAMPLE:] = 255

        figures = measured(images)

        assert figures.images == SAMPLE
        assert figures.bright_borders == pytest.approx(1 / 3, abs=0.001)
        assert figures == measured(images)

    @pytest.mark.parametrize(
        ("images", "ground"),
        [
            (drawn(), "dark"),
            (255 - drawn(), "bright"),
            (photographs(), "mixed"),
            (np.concatenate([drawn(), 255 - drawn(20)]), "mixed"),
            (np.concatenate([drawn(970), 255 - drawn(30)]), "mixed"),
            (drawn(ground=120, ink=140), "mixed"),
        ],
    )
    def test_the_ground_is_dark_or_bright_only_if_few_images_differ(self, images: Images, ground: str) -> None:
        assert measured(images).ground == ground


class TestAgainstTraining:
    @pytest.mark.parametrize("ground", [170, 200, 255])
    @pytest.mark.parametrize("convert", [np.asarray, in_colour])
    def test_dark_on_light_is_inverted_for_a_model_of_light_on_dark(self, convert: Any, ground: int) -> None:
        images = convert(drawn(50, ground=ground, ink=30, seed=4))
        before = images.copy()

        assert invert(images, "auto", measured(convert(drawn()))) == 50
        assert (images == 255 - before).all()

    def test_light_on_dark_is_inverted_for_a_model_of_dark_on_light(self) -> None:
        assert look_inverted(drawn(50, seed=4), measured(255 - drawn())).all()

    @pytest.mark.parametrize("training", [drawn(), 255 - drawn(), in_colour(drawn())])
    def test_images_like_the_training_images_are_kept(self, training: Images) -> None:
        images = training[:50].copy()

        assert invert(images, "auto", measured(training)) == 0
        assert (images == training[:50]).all()

    def test_light_ink_on_a_gray_ground_is_kept(self) -> None:
        assert not look_inverted(drawn(50, ground=150, ink=245), measured(drawn())).any()
        assert not look_inverted(drawn(50, ground=100, ink=10), measured(255 - drawn())).any()

    @pytest.mark.parametrize("images", [drawn(), 255 - drawn(), photographs(), np.full((1, 12, 12), 255, np.uint8)])
    def test_a_model_of_photographs_never_inverts(self, images: Images) -> None:
        kept = images.copy()

        assert invert(kept, "auto", measured(photographs())) == 0
        assert (kept == images).all()

    @pytest.mark.parametrize(("mode", "is_inverted"), [("never", False), ("always", True), ("auto", True)])
    def test_images_that_look_inverted_are_counted_in_every_mode(self, mode: str, is_inverted: bool) -> None:
        images = 255 - drawn(30)

        assert invert(images, mode, measured(drawn())) == 30
        assert (images == (drawn(30) if is_inverted else 255 - drawn(30))).all()

    @given(st.integers(0, 99))
    def test_the_result_for_an_image_does_not_depend_on_its_neighbours(self, seed: int) -> None:
        images = np.concatenate([drawn(5, seed=seed), 255 - drawn(5, seed=seed), photographs(10, seed)])
        training = measured(drawn())

        together = look_inverted(images, training)
        order = np.random.default_rng(seed).permutation(len(images))

        assert [bool(look_inverted(image[np.newaxis], training)[0]) for image in images] == together.tolist()
        assert (look_inverted(images[order], training) == together[order]).all()

    @pytest.mark.parametrize("mode", ["never", "always", "auto"])
    def test_no_images_are_accepted(self, mode: str) -> None:
        assert invert(np.empty((0, 3, 3), np.uint8), mode, measured(drawn())) == 0


class TestWithoutFigures:
    BRIGHT: NDArray[np.uint8] = np.array([[250, 250, 250], [250, 10, 250], [250, 250, 250]], np.uint8)
    DARK: NDArray[np.uint8] = 255 - BRIGHT

    def test_mode_never_keeps_every_image(self) -> None:
        assert inverted([self.BRIGHT, self.DARK], "never") == [self.BRIGHT.tolist(), self.DARK.tolist()]

    def test_mode_always_inverts_every_image(self) -> None:
        assert inverted([self.BRIGHT, self.DARK], "always") == [self.DARK.tolist(), self.BRIGHT.tolist()]

    def test_mode_auto_inverts_images_with_a_bright_border(self) -> None:
        assert inverted([self.BRIGHT, self.DARK], "auto") == [self.DARK.tolist(), self.DARK.tolist()]

    @pytest.mark.parametrize(("darker", "is_inverted"), [(0, True), (1, False)])
    def test_a_border_is_bright_if_its_mean_exceeds_127(self, darker: int, is_inverted: bool) -> None:
        image = np.full((3, 3), 127, np.uint8)
        image[0, 0] = 128 - darker

        assert inverted([image], "auto") == [(255 - image if is_inverted else image).tolist()]

    def test_mode_auto_ignores_the_pixels_inside_the_border(self) -> None:
        image = np.full((12, 12), 255, np.uint8)
        image[[0, -1]] = image[:, [0, -1]] = 0

        assert inverted([image], "auto") == [image.tolist()]

    def test_all_sides_of_the_border_have_the_same_weight(self) -> None:
        for turn in range(4):
            image = np.zeros((9, 9), np.uint8)
            image[0] = 255

            assert inverted([np.rot90(image, turn)], "auto") == [np.rot90(image, turn).tolist()]

    @pytest.mark.parametrize("mode", ["never", "always", "auto"])
    def test_inverting_accepts_an_empty_array(self, mode: str) -> None:
        invert(np.empty((0, 3, 3), np.uint8), mode)

    def test_a_colour_images_border_is_bright_by_its_luma(self) -> None:
        """Green and yellow are bright, red and blue are dark."""
        colours = [(0, 255, 0), (255, 255, 0), (255, 0, 0), (0, 0, 255)]
        images = [np.full((3, 4, 3), colour, np.uint8) for colour in colours]

        assert inverted(images, "auto") == [
            *((255 - image).tolist() for image in images[:2]),
            *(image.tolist() for image in images[2:]),
        ]
        assert inverted(images, "always") == [(255 - image).tolist() for image in images]
        assert inverted(images, "never") == [image.tolist() for image in images]

    @given(st.integers(0, 99), st.integers(110, 145))
    def test_a_gray_image_is_inverted_in_colour_if_it_is_in_grayscale(self, seed: int, mean: int) -> None:
        noise = np.random.default_rng(seed).integers(mean - 8, mean + 8, (4, 6), dtype=np.uint8)
        repeated = np.stack([noise] * 3, axis=-1)

        [gray], [colour] = inverted([noise], "auto"), inverted([repeated], "auto")

        assert np.stack([gray] * 3, axis=-1).tolist() == colour

    @pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (2, 2), (1, 1, 3), (1, 5, 3)])
    def test_an_image_without_inner_pixels_has_a_border(self, shape: tuple[int, ...]) -> None:
        assert inverted([np.full(shape, 255, np.uint8)], "auto") == [np.zeros(shape).tolist()]


def inverted(images: list[NDArray[np.uint8]], mode: str) -> list[Any]:
    stack = np.stack(images)
    invert(stack, mode)
    return list(stack.tolist())
